"""Arguments of `dedicated agent recovery` and `agent verify`, and the settings made from them.

No credential is among them: what must stay secret is in files, or in the environment as libpq (PGPASSWORD)
and pgBackRest (PGBACKREST_...) read it. What a pod knows of itself and of its cluster comes by environment,
too (POD_NAMESPACE, KUBERNETES_SERVICE_HOST and _PORT).
"""

import argparse
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from dedicated.agents.recovery.settings import CREDENTIALS, SAMPLE_EVERY, VERIFY_EVERY, WRITE_EVERY, Settings
from dedicated.agents.verify.settings import Settings as VerifySettings
from dedicated.api.conditions import parse_time
from dedicated.contract.recovery.duties import AUDIT_EVERY
from dedicated.contract.recovery.objectives import CONTRACT, RecoveryObjectives
from dedicated.contract.recovery.proof import Goal
from dedicated.parts.verification import SALT
from dedicated.parts.verification import TIMEOUT as VERIFY_WITHIN
from dedicated.probes.repository import VARIABLES
from dedicated.probes.resolver import parse_host_port


def add_recovery_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent recovery`."""
    add = parser.add_argument
    add("--instance", required=True, metavar="NAME", help="the DedicatedInstance that it belongs to")
    add("--uid", required=True, metavar="UID", help="its uid: a report of another one says nothing")
    namespace = environment.get("POD_NAMESPACE", "default")
    add("--namespace", default=namespace, metavar="NAME", help="its namespace; default: POD_NAMESPACE")
    add("--dsn-file", type=Path, required=True, metavar="FILE", help="a connection string with all hosts")
    add("--repository-config", type=Path, default=Path(), metavar="FILE", help="pgBackRest's configuration")
    add("--stanza", default="", metavar="NAME", help="pgBackRest's name of the database")
    add("--pgbackrest", default="pgbackrest", metavar="PROGRAM", help="pgBackRest; default: from the PATH")
    add("--stores", type=Path, metavar="FILE", help="places of the backups to look at; default: none")
    add(
        "--barman-server",
        default="",
        metavar="NAME",
        help="barman-cloud's name of the database, in the repository of --stores, instead of pgBackRest's",
    )
    add("--members", default="", metavar="HOST,...", help="servers to ask for their timeline; default: none")
    _add_times(parser)
    add_agent_arguments(parser, environment=environment)
    add("--http", type=parse_host_port, default=("0.0.0.0", 8080), metavar="HOST:PORT")  # noqa: S104


def add_verify_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent verify`. Where the copy is stands in libpq's own variables (PGHOST ...)."""
    add = parser.add_argument
    add("--restore", required=True, metavar="UID", help="the restore that the verdict is marked with")
    add("--record", required=True, metavar="NAME", help="the ConfigMap that it is written to")
    add("--uid", required=True, metavar="UID", help="the instance's: samples of another one say nothing")
    namespace = environment.get("POD_NAMESPACE", "default")
    add("--namespace", default=namespace, metavar="NAME", help="of the record; default: POD_NAMESPACE")
    add("--until", type=_instant, required=True, metavar="TIME", help="what was committed by then is wanted")
    add("--newest", action="store_true", help="all of the log was restored, and --until is the least of it")
    add("--samples", type=Path, required=True, metavar="FILE", help="the samples of the source")
    add("--masterkey", type=Path, required=True, metavar="FILE", help="the instance's masterkey")
    seconds = VERIFY_WITHIN.total_seconds()
    add(
        "--timeout",
        type=parse_seconds,
        default=VERIFY_WITHIN,
        metavar="SECONDS",
        help=f"for the end of recovery; default {seconds:.0f}",
    )
    add_agent_arguments(parser, environment=environment)


def add_agent_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments that every agent has."""
    add = parser.add_argument
    add(
        "--api-server",
        default=_api_server(environment),
        metavar="URL",
        help="default: the pod's own cluster",
    )
    add("--credentials", type=Path, default=CREDENTIALS, metavar="DIR", help="with token and ca.crt")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    add("--log-format", choices=("json", "text"), default="json")


def _add_times(parser: argparse.ArgumentParser) -> None:
    def add(name: str, default: timedelta, text: str) -> None:
        told = f"{text}; default {default.total_seconds():.0f}"
        parser.add_argument(name, type=parse_seconds, default=default, metavar="SECONDS", help=told)

    add("--disaster-rpo", CONTRACT.disaster_rpo, "the objective in force (B-3)")
    add("--archive-interval", CONTRACT.archive_interval, "the log is archived at least so often (B-2)")
    add("--sample-every", SAMPLE_EVERY, "between two samples of the primary")
    add("--audit-every", AUDIT_EVERY, "between two listings of the repository")
    add("--verify-every", VERIFY_EVERY, "between two verifications of the repository, which read all of it")
    add("--write-every", WRITE_EVERY, "between two writes of the record at rest")


def recovery_settings_of(options: argparse.Namespace, *, environment: Mapping[str, str]) -> Settings:
    """The settings that parsed arguments and the environment stand for.

    Raises ValueError where no repository is named.
    """
    if not options.stanza and not (options.barman_server and options.stores):
        raise ValueError("name a repository: --repository-config, --stanza; or --stores, --barman-server")
    return Settings(
        instance=options.instance,
        namespace=options.namespace,
        incarnation=options.uid,
        dsn_file=options.dsn_file,
        repository_config=options.repository_config,
        stanza=options.stanza,
        pgbackrest=options.pgbackrest,
        stores_file=options.stores,
        barman_server=options.barman_server,
        members=options.members,
        environment={name: value for name, value in environment.items() if name.startswith(VARIABLES)},
        objectives=RecoveryObjectives(
            disaster_rpo=options.disaster_rpo, archive_interval=options.archive_interval
        ),
        sample_every=options.sample_every,
        audit_every=options.audit_every,
        write_every=options.write_every,
        verify_every=options.verify_every,
        api_server=options.api_server,
        credentials=options.credentials,
        http_address=options.http,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def verify_settings_of(options: argparse.Namespace, *, environment: Mapping[str, str]) -> VerifySettings:
    """The settings that parsed arguments and the environment stand for."""
    return VerifySettings(
        restore=options.restore,
        record=options.record,
        namespace=options.namespace,
        incarnation=options.uid,
        goal=Goal(options.until, newest=options.newest),
        masterkey_file=options.masterkey,
        samples_file=options.samples,
        salt=environment.get(SALT, ""),
        timeout=options.timeout,
        api_server=options.api_server,
        credentials=options.credentials,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _instant(text: str) -> datetime:
    found = parse_time(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is not a date and time with a zone (RFC 3339)")
    return found


def _api_server(environment: Mapping[str, str]) -> str:
    """The API server of the cluster that a pod runs in."""
    host = environment.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = environment.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def parse_seconds(text: str) -> timedelta:
    """A length of time as an argument."""
    seconds = float(text)
    if not 0 < seconds < 10**6:
        raise argparse.ArgumentTypeError(f"{text} is no time in seconds between 0 and a million")
    return timedelta(seconds=seconds)
