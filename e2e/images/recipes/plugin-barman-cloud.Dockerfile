# The Barman plugin's operator.
FROM scratch
COPY --from=tools --chmod=755 plugin-barman-cloud /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
