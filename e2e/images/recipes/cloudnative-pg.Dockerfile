# CloudNativePG's manager, which copies itself into its clusters' pods by what it finds in /operator.
FROM base AS build
COPY --from=tools --chmod=755 cloudnative-pg /image/operator/manager_amd64
RUN ln -s operator/manager_amd64 /image/manager

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/manager"]
