FROM scratch
COPY --from=tools --chmod=755 coredns /coredns
USER 65532:65532
ENTRYPOINT ["/coredns"]
