#!/usr/bin/env bash
# Install the lab's programs on Debian, as root: PostgreSQL, pgBackRest and HAProxy. Nothing to do where they are.
set -euo pipefail
PATH="$PATH:/usr/sbin"
if command -v pgbackrest >/dev/null && command -v haproxy >/dev/null \
  && compgen -G '/usr/lib/postgresql/1[5-9]/bin/initdb' >/dev/null; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The lab needs PostgreSQL >= 15, pgbackrest and haproxy >= 2.6: install all three" >&2
  exit 1
fi
echo "Installing the lab's programs: PostgreSQL, pgBackRest and HAProxy"
# The package would make and start a cluster of its own.
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/no-main-cluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -qy --no-install-recommends postgresql pgbackrest haproxy >/dev/null
