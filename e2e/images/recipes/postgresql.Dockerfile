# PostgreSQL as CloudNativePG wants it: user 26, Barman's commands for object stores; and pgBackRest.
# Group 26 is Debian's for tapes; no cluster is made by the package. The compiler for queries is left out (base).
FROM base
RUN groupdel tape \
 && groupadd --gid 26 postgres \
 && useradd --uid 26 --gid 26 --home-dir /var/lib/postgresql --create-home --shell /bin/bash postgres \
 && mkdir -p /etc/postgresql-common \
 && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
 && apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      barman-cli-cloud libnss-wrapper pgbackrest postgresql-15 procps python3-boto3 python3-snappy \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 26 -g 26 -m 2775 /run/postgresql
ENV PATH=/usr/lib/postgresql/15/bin:$PATH LANG=C.UTF-8
USER 26:26
CMD ["bash"]
