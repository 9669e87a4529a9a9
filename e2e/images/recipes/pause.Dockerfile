# What holds a pod's namespaces.
FROM base AS build
RUN apt-get update -q && apt-get install -qy --no-install-recommends catatonit

FROM scratch
COPY --from=build /usr/bin/catatonit /pause
USER 65535:65535
ENTRYPOINT ["/pause", "-P"]
