"""Arguments of `dedicated agent export`, and the settings made from them.

No credential is among them: the source's come by environment, as libpq reads them or whole as EXPORT_DSN, the
store's and the keys as files.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from dedicated.agents.export.settings import Settings
from dedicated.agents.recovery.settings import CREDENTIALS
from dedicated.cli.agent_arguments import api_server_of
from dedicated.parts.export import DSN
from dedicated.probes.objects import Access


def add_export_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent export`."""
    add = parser.add_argument
    add("--export", required=True, metavar="UID", help="uid of the InstanceExport")
    add("--record", required=True, metavar="NAME", help="the ConfigMap that it reports in")
    add("--instance", required=True, metavar="NAME", help="the DedicatedInstance")
    add("--namespace", required=True, metavar="NAME", help="its namespace")
    add("--uid", required=True, metavar="UID", help="its uid")
    add("--zitadel", default="", metavar="VERSION", help="ZITADEL's version that the database belongs to")
    add("--recipient", required=True, metavar="AGE", help="who can open it: age1...")
    add("--bucket", required=True, metavar="NAME", help="where it is stored")
    add("--folder", required=True, metavar="PATH", help="and where in it")
    add("--endpoint", required=True, metavar="HOST[:PORT]", help="of the store")
    add("--region", required=True, metavar="REGION", help="that requests are signed for")
    add("--store-credentials", type=Path, required=True, metavar="DIR", help="the store's keys as files")
    add("--ca-file", type=Path, metavar="FILE", help="authorities to trust besides the system's")
    add("--keys", type=Path, required=True, metavar="DIR", help="with secrets/ and configmaps/, to be packed")
    add("--masterkey", required=True, metavar="NAME/KEY", help="the masterkey's Secret, and its key there")
    add("--secret", action="append", default=[], metavar="NAME", help="has to be in it (repeatable)")
    add("--scratch", type=Path, required=True, metavar="DIR", help="shared with PostgreSQL's programs")
    add(
        "--api-server",
        default=api_server_of(environment),
        metavar="URL",
        help="default: the pod's own cluster",
    )
    add("--credentials", type=Path, default=CREDENTIALS, metavar="DIR", help="with token and ca.crt")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log-format", choices=("json", "text"), default="json")


def export_settings_of(options: argparse.Namespace, *, environment: Mapping[str, str]) -> Settings:
    """The settings that parsed arguments and the environment stand for."""
    return Settings(
        export=options.export,
        record=options.record,
        instance=options.instance,
        namespace=options.namespace,
        uid=options.uid,
        zitadel=options.zitadel,
        recipient=options.recipient,
        bucket=options.bucket,
        folder=options.folder.strip("/"),
        access=Access(options.endpoint, options.region, options.store_credentials, options.ca_file),
        keys=options.keys,
        masterkey=options.masterkey,
        secrets=tuple(options.secret),
        scratch=options.scratch,
        api_server=options.api_server,
        connection=environment.get(DSN, ""),
        credentials=options.credentials,
        log_level=options.log_level,
        log_format=options.log_format,
    )
