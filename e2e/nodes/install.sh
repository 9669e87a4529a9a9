#!/usr/bin/env bash
# Install what real nodes need on Debian, as root. Nothing to do where it is.
set -euo pipefail
packages=(docker.io containerd runc containernetworking-plugins mmdebstrap catatonit tini jq conntrack iptables iproute2
  ebtables ethtool socat nftables haproxy util-linux procps)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Real nodes need these packages of Debian: ${missing[*]}" >&2
  exit 1
fi
echo "Installing what real nodes need: ${missing[*]}"
# The engine is started by the cluster, in its own namespaces: the packages' services stay off.
off=/usr/sbin/policy-rc.d
if [ ! -e $off ]; then
  trap 'rm -f $off' EXIT
  printf '#!/bin/sh\nexit 101\n' >$off
  chmod 755 $off
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null
apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends "${missing[@]}" >/dev/null
