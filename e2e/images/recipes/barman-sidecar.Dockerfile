# What the Barman plugin puts beside each server: its program, and Barman's commands for object stores.
# Barman and the store's client are those of requirements/barman.txt; only the database's client is Debian's.
FROM trusting
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends python3-psycopg2 \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/barman.txt /tmp/barman.txt
RUN python3 -m venv --system-site-packages /venv \
 && /venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /tmp/barman.txt \
 && /venv/bin/pip check \
 && rm -rf /tmp/barman.txt /venv/lib/python3*/site-packages/pip /venv/lib/python3*/site-packages/pip-* /venv/bin/pip*
COPY --from=tools --chmod=755 plugin-barman-cloud /manager
# The store may be signed by an authority of the house: what the system trusts, not what the client brings along.
ENV PATH=/venv/bin:$PATH AWS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
USER 26:26
ENTRYPOINT ["/manager"]
