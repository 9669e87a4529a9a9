"""Arguments of `dedicated agent import`, and the settings made from them.

No credential is among them: those of databases come by environment (the source whole as IMPORT_DSN, the
instance's own as TARGET_DSN or as libpq's variables behind TARGET_), all others as files.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from psycopg.conninfo import make_conninfo

from dedicated.agents.importing.settings import Settings, Stored
from dedicated.cli.agent_arguments import add_agent_arguments
from dedicated.parts.import_programs import TARGET
from dedicated.parts.importing import SOURCE_DSN, TARGET_DSN
from dedicated.probes.objects import Access

PARAMETERS = {
    "PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "user", "PGPASSWORD": "password",
    "PGSSLMODE": "sslmode",
}  # fmt: skip
"""libpq's variables, and what they are called in a connection."""


def add_import_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent import`."""
    add = parser.add_argument
    add("--uid", required=True, metavar="UID", help="uid of the DedicatedInstance")
    add("--record", required=True, metavar="NAME", help="the ConfigMap that it reports in")
    add("--namespace", required=True, metavar="NAME", help="its namespace")
    add("--zitadel", required=True, metavar="VERSION", help="the release that will run")
    add("--masterkey", type=Path, required=True, metavar="FILE", help="the masterkey")
    add("--scratch", type=Path, required=True, metavar="DIR", help="shared with PostgreSQL's programs")
    add("--bucket", default="", metavar="NAME", help="where the export is; else a database is read")
    add("--folder", default="", metavar="PATH", help="and where in it")
    add("--endpoint", default="", metavar="HOST[:PORT]", help="of the store")
    add("--region", default="", metavar="REGION", help="that requests are signed for")
    add("--store-credentials", type=Path, metavar="DIR", help="the store's keys as files")
    add("--ca-file", type=Path, metavar="FILE", help="authorities to trust besides the system's")
    add("--manifest-sha256", default="", metavar="SHA256", help="of the export's manifest.json")
    add("--identity", type=Path, metavar="FILE", help="the age identity of the export's recipient")
    add_agent_arguments(parser, environment=environment)


def import_settings_of(options: argparse.Namespace, *, environment: Mapping[str, str]) -> Settings:
    """The settings that parsed arguments and the environment stand for.

    Raises ValueError where neither an export nor a database is named.
    """
    stored = None
    if options.bucket and options.store_credentials and options.identity:
        access = Access(options.endpoint, options.region, options.store_credentials, options.ca_file)
        folder = options.folder.strip("/")
        stored = Stored(options.bucket, folder, access, options.manifest_sha256, options.identity)
    elif not environment.get(SOURCE_DSN):
        raise ValueError(f"name an export (--bucket, --store-credentials, --identity), or set {SOURCE_DSN}")
    return Settings(
        uid=options.uid,
        record=options.record,
        namespace=options.namespace,
        zitadel=options.zitadel,
        masterkey=options.masterkey,
        scratch=options.scratch,
        stored=stored,
        source=environment.get(SOURCE_DSN, ""),
        target=_target(environment),
        api_server=options.api_server,
        credentials=options.credentials,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _target(environment: Mapping[str, str]) -> str:
    """The instance's own database: nothing of libpq's own variables, which are not set."""
    told = {
        parameter: environment[f"{TARGET}{variable}"]
        for variable, parameter in PARAMETERS.items()
        if environment.get(f"{TARGET}{variable}")
    }
    return environment.get(TARGET_DSN, "") or make_conninfo("", **told)
