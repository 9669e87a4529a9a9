# The one image of the operator; its roles are subcommands of `dedicated`.
# Build from the context that `make package` makes:  docker build dist/image
# BASE is a Debian-like Python 3.11; name it with its digest for a build that can be repeated.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/run.txt requirements/
COPY dist/*.whl dist/
# Dependencies by hash and as wheels only: no foreign code runs while building. The compiled bytecode
# belongs to the image, since nothing can be written at run time.
RUN python3 -m venv /opt/dedicated \
 && /opt/dedicated/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements/run.txt \
 && /opt/dedicated/bin/pip install --no-cache-dir --no-deps --no-index dist/*.whl \
 && /opt/dedicated/bin/pip check \
 && /opt/dedicated/bin/dedicated --help >/dev/null \
 && rm -rf /opt/dedicated/lib/python3*/site-packages/pip /opt/dedicated/lib/python3*/site-packages/pip-* /opt/dedicated/bin/pip* \
           /opt/dedicated/lib/python3*/site-packages/setuptools* /opt/dedicated/lib/python3*/site-packages/pkg_resources

FROM ${BASE}
LABEL org.opencontainers.image.title="dedicated-operator" \
      org.opencontainers.image.description="Runs dedicated ZITADEL instances as their contract promises" \
      org.opencontainers.image.licenses="Apache-2.0"
# The recovery agent lists and verifies repositories with pgBackRest. Its package would bring Perl along, for
# clusters of PostgreSQL that are not here: the program and its libraries are enough. The limiter's agent checks
# configurations with HAProxy before the one beside it is asked to take them.
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      haproxy libbz2-1.0 liblz4-1 libpq5 libxml2 libzstd1 \
 && cd /tmp && apt-get download -q pgbackrest \
 && dpkg-deb -x pgbackrest_*.deb pgbackrest \
 && install pgbackrest/usr/bin/pgbackrest /usr/local/bin/ \
 && rm -rf /tmp/pgbackrest* /var/lib/apt/lists/* \
 && haproxy -v \
 && pgbackrest version
COPY --from=build /opt/dedicated /opt/dedicated
# glibc would keep what was freed: in an arena for each thread, and behind thresholds that grow with what is
# freed. With one arena, and thresholds that stay, it goes back.
ENV PATH=/opt/dedicated/bin:$PATH \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=65536 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["dedicated"]
CMD ["run"]
