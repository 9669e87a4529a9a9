"""PostgreSQL's own programs for an export: a shell script that runs in a container of the engine's image.

It is asked for two steps (`programs`): `dump`, and `import`, which proves the dump. The source's credentials
are in the environment, as libpq reads them.

The server that the dump is imported into is new each time, listens on a socket in that folder and nowhere
else, and ends with the script. It keeps nothing safe (`fsync=off`): it is a proof, not a copy to use.
"""

from dedicated.parts.programs import script

COPY, SUPERUSER, PORT = "copy", "postgres", 5432
"""Name of the imported database, who reads it, and the port that names the socket."""
SOCKET = "socket"
"""The socket's folder, in the shared one; the dump and the roles beside it are named as in the export."""

_FUNCTIONS = """
dump() (
  if [ "$address" != - ]; then export PGHOSTADDR="$address"; fi
  unset PGTARGETSESSIONATTRS
  rm -rf dump
  pg_dump -Fd -j2 -Z1 --no-sync --snapshot="$snapshot" -f dump -d "${EXPORT_DSN:-}" && chmod -R g+rX dump
)

import() (
  unset PGHOST PGHOSTADDR PGPASSWORD PGTARGETSESSIONATTRS PGSSLMODE PGDATABASE
  export PGPORT=5432 PGUSER=postgres PGHOST="$PWD/socket"
  end
  rm -rf empty socket && mkdir -p socket || exit 1
  initdb -D empty -U postgres --auth=trust -E UTF8 --locale=C -N >/dev/null || exit 1
  pg_ctl -D empty -l server.log -t 120 -w -o "-c listen_addresses= -c unix_socket_directories='$PWD/socket' \\
    -c unix_socket_permissions=0770 -c port=5432 -c fsync=off -c full_page_writes=off -c wal_level=minimal \\
    -c max_wal_senders=0 -c max_wal_size=4GB -c maintenance_work_mem=128MB -c shared_buffers=128MB" \\
    start >/dev/null || exit 1
  psql -Xq -v ON_ERROR_STOP=1 -d postgres -f roles.sql &&
    createdb -T template0 copy && pg_restore --exit-on-error -j2 -d copy dump
)

end() {
  if [ -f empty/postmaster.pid ]; then pg_ctl -D empty -m immediate -w stop >/dev/null 2>&1; fi
}
"""
SCRIPT = script(_FUNCTIONS, steps="dump import", end="end; ")
