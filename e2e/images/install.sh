#!/usr/bin/env bash
# Install what images are built with on Debian, as root. Nothing to do where it is.
set -euo pipefail
if command -v mmdebstrap >/dev/null && command -v unshare >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Images of the tests need mmdebstrap and unshare (util-linux): install both" >&2
  exit 1
fi
echo "Installing mmdebstrap, which images of the tests are built with"
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null
apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends mmdebstrap util-linux >/dev/null
