#!/usr/bin/env bash
# Pin all requirements with hashes: `make requirements`. No index address and no header is written.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet pyproject.toml "${@:2}" --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --python-version 3.11 --output-file "requirements/$1.txt"
}
compile run
compile dev --extra dev
only() {  # one tool alone, without the project's own dependencies
  sed -n "s/^$1 = \[\"\(.*\)\"\].*/\1/p" pyproject.toml |
    uv pip compile --quiet - --generate-hashes --no-emit-index-url --no-header --no-annotate \
      --python-version 3.11 --output-file "requirements/$1.txt"
}
# What the images of e2e/images install for our services of the tests, at the versions of dev.txt.
uv pip compile --quiet requirements/services.in --constraints requirements/dev.txt --generate-hashes \
  --no-emit-index-url --no-header --no-annotate --python-version 3.11 --output-file requirements/services.txt
only kubectl
only go
only postgres
# What the sidecar of the Barman plugin runs: its own release pins the same Barman. psycopg2 is Debian's, since
# it has no wheel.
printf 'barman[cloud]==3.19.1\nboto3>=1.40\n' |
  uv pip compile --quiet - --generate-hashes --no-emit-index-url --no-header --no-annotate --no-emit-package psycopg2 \
    --python-version 3.11 --output-file requirements/barman.txt
