"""PostgreSQL's own programs for an import: a shell script in a container of the engine's image.

It is asked for two steps (`programs`). `dump` reads the database that is imported from, by the URL in its
environment alone; `load` puts the dump into the instance's own, as its owner: what the source's owners and
grants were is left behind. Lines of the dump's table of contents that hold one of `load.skip` are left out:
schemas that the engine made there before.
"""

from dedicated.parts.programs import script

TARGET = "TARGET_"
"""Before libpq's variables of the instance's database; `TARGET_DSN` is its whole URL, where there is one."""

_FUNCTIONS = """
dump() (
  unset PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE PGTARGETSESSIONATTRS
  if [ "$address" != - ]; then export PGHOSTADDR="$address"; fi
  rm -rf dump
  pg_dump -Fd -j2 -Z1 --no-sync --snapshot="$snapshot" -f dump -d "$IMPORT_DSN" && chmod -R g+rX dump
)

load() (
  unset PGHOSTADDR
  for name in PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE; do
    eval "value=\\${TARGET_$name:-}"
    if [ -n "$value" ]; then export "$name=$value"; else unset "$name"; fi
  done
  pg_restore -l dump > load.list || exit 1
  if [ -s load.skip ]; then grep -vFf load.skip load.list > load.toc; else cp load.list load.toc; fi
  pg_restore --exit-on-error --no-owner --no-privileges --no-comments -j2 -L load.toc \\
    -d "${TARGET_DSN:-${TARGET_PGDATABASE:-}}" dump
)
"""
SCRIPT = script(_FUNCTIONS, steps="dump load")
