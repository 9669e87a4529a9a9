"""Arguments of `dedicated agent export`, and the settings made from them.

No credential is among them: the source's come by environment, as libpq reads them or whole as EXPORT_DSN, or
as pgBackRest does (PGBACKREST_...); the store's and the keys as files.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from dedicated.agents.export.settings import Settings, Source
from dedicated.api.duration import parse_duration
from dedicated.cli.agent_arguments import add_agent_arguments
from dedicated.parts.export import DSN
from dedicated.probes.objects import Access
from dedicated.probes.repository import VARIABLES


def add_export_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent export`."""
    add = parser.add_argument
    add("--export", required=True, metavar="UID", help="uid of the InstanceExport")
    add("--record", required=True, metavar="NAME", help="the ConfigMap that it reports in")
    add("--instance", required=True, metavar="NAME", help="the DedicatedInstance")
    add("--namespace", required=True, metavar="NAME", help="its namespace")
    add("--uid", required=True, metavar="UID", help="its uid")
    add("--zitadel", default="", metavar="VERSION", help="ZITADEL's version that the database belongs to")
    add("--recipient", default="", metavar="AGE", help="who can open it: age1...")
    add("--bucket", default="", metavar="NAME", help="where it is stored; default: a drill, nothing is")
    add("--folder", default="", metavar="PATH", help="and where in it")
    add("--endpoint", default="", metavar="HOST[:PORT]", help="of the store")
    add("--region", default="", metavar="REGION", help="that requests are signed for")
    add("--store-credentials", type=Path, default=Path(), metavar="DIR", help="the store's keys as files")
    add("--ca-file", type=Path, metavar="FILE", help="authorities to trust besides the system's")
    add("--keys", type=Path, default=Path(), metavar="DIR", help="with what is packed: secrets/, configmaps/")
    add("--masterkey", default="", metavar="NAME/KEY", help="the masterkey's Secret, and its key there")
    add("--secret", action="append", default=[], metavar="NAME", help="has to be in it (repeatable)")
    add("--scratch", type=Path, required=True, metavar="DIR", help="shared with PostgreSQL's programs")
    _add_repository(parser)
    add_agent_arguments(parser, environment=environment)


def _add_repository(parser: argparse.ArgumentParser) -> None:
    """Add what makes the export a physical one."""
    add = parser.add_argument
    add("--repository-config", type=Path, metavar="FILE", help="physical: pgBackRest's configuration")
    add("--stanza", default="", metavar="NAME", help="physical: pgBackRest's name of the database")
    add("--repository-bucket", default="", metavar="NAME", help="physical: where the repository is")
    add("--repository-folder", default="", metavar="PATH", help="physical: and where in it")
    add("--repository-endpoint", default="", metavar="HOST[:PORT]", help="physical: of the repository")
    add("--repository-region", default="", metavar="REGION", help="physical: that addresses are signed for")
    add("--repository-credentials", type=Path, metavar="DIR", help="physical: the repository's keys as files")
    add("--passphrase", default="", metavar="NAME/KEY", help="physical: the packed Secret that has it")
    add("--valid-for", default="24h", metavar="TIME", help="physical: how long addresses can be read")
    add("--pgbackrest", default="pgbackrest", metavar="PROGRAM", help="physical: default: from the PATH")


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
        repository=_repository(options, environment) if options.repository_config is not None else None,
        credentials=options.credentials,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _repository(options: argparse.Namespace, environment: Mapping[str, str]) -> Source:
    access = Access(
        options.repository_endpoint,
        options.repository_region,
        options.repository_credentials,
        options.ca_file,
    )
    return Source(
        configuration=options.repository_config,
        stanza=options.stanza,
        bucket=options.repository_bucket,
        folder=options.repository_folder.strip("/"),
        access=access,
        valid_for=parse_duration(options.valid_for),
        passphrase=options.passphrase,
        program=options.pgbackrest,
        environment={name: value for name, value in environment.items() if name.startswith(VARIABLES)},
    )
