#!/usr/bin/env bash
# What this machine's kernel refuses of what real nodes are made of, by name; nothing where they can run.
# Leaves nothing: all is tried in namespaces that end with the try.
set -uo pipefail
try() { # NAME COMMAND...
  local name=$1
  shift
  "$@" >/dev/null 2>&1 || echo "$name"
}
within() { unshare --net --mount --pid --fork --mount-proc bash -c "$1"; }

[ "$(uname -s)" = Linux ] || { echo Linux; exit; }
[ "$(id -u)" = 0 ] || { echo root; exit; }
try namespaces within true
try "links between namespaces" within 'ip link add name try-1 type veth peer name try-2'
try bridges within 'ip link add name try-3 type bridge'
try netfilter within 'iptables -t nat -A POSTROUTING -j MASQUERADE && iptables -A INPUT -m conntrack --ctstate NEW'
# shellcheck disable=SC2016 # expanded inside
try overlayfs within 'd=$(mktemp -d) && mount -t tmpfs none "$d" && mkdir "$d"/{l,u,w,m} &&
  mount -t overlay none -o "lowerdir=$d/l,upperdir=$d/u,workdir=$d/w" "$d/m"; r=$?; umount -R "$d"; rmdir "$d"; exit $r'
try "control groups" bash -c 'for at in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  mkdir "$at/dedicated-try" && rmdir "$at/dedicated-try" && exit; done; exit 1'
