"""Arguments of `dedicated agent limiter`, and the settings made from them. No secret is among them."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from dedicated.agents.limiter.settings import PLACES, PROVE_EVERY, Settings
from dedicated.cli.agent_arguments import add_agent_arguments, parse_seconds
from dedicated.parts.limiter.names import AGENT_PORT
from dedicated.parts.limiter.site import PROBE_PORT
from dedicated.probes.resolver import parse_host_port

ORDINAL = re.compile(r"-(\d{1,2})$")


def add_limiter_arguments(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    """Add the arguments of `agent limiter`."""
    add = parser.add_argument
    add("--instance", required=True, metavar="NAME", help="the DedicatedInstance that it belongs to")
    namespace = environment.get("POD_NAMESPACE", "default")
    add("--namespace", default=namespace, metavar="NAME", help="its namespace; default: POD_NAMESPACE")
    add("--replica", type=int, default=_ordinal(environment), metavar="N", help="default: of the host's name")
    add("--prepare", action="store_true", help="write the files that HAProxy starts with, and end")
    add("--files", type=Path, default=Path(PLACES.config), metavar="DIR", help="that HAProxy reads")
    add("--sockets", type=Path, default=Path(PLACES.run), metavar="DIR", help="of HAProxy and of its log")
    add(
        "--secrets",
        type=Path,
        nargs="*",
        default=[Path(PLACES.peers), Path(PLACES.tls)],
        metavar="DIR",
        help="folders whose change needs a reload",
    )
    add("--haproxy", default="haproxy", metavar="PROGRAM", help="checks a configuration before it is tried")
    add("--probe", type=parse_host_port, default=("127.0.0.1", PROBE_PORT), metavar="HOST:PORT")
    add(
        "--prove-every",
        type=parse_seconds,
        default=PROVE_EVERY,
        metavar="SECONDS",
        help=f"between two proofs at rest; default {PROVE_EVERY.total_seconds():.0f}",
    )
    add_agent_arguments(parser, environment=environment)
    add("--http", type=parse_host_port, default=("0.0.0.0", AGENT_PORT), metavar="HOST:PORT")  # noqa: S104


def limiter_settings_of(options: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for. Raises ValueError where no replica is told."""
    if options.replica is None or options.replica < 0:
        raise ValueError("the host's name ends with no number: name the replica with --replica")
    return Settings(
        instance=options.instance,
        namespace=options.namespace,
        replica=options.replica,
        api_server=options.api_server,
        credentials=options.credentials,
        files=options.files,
        sockets=options.sockets,
        secrets=tuple(options.secrets),
        haproxy=options.haproxy,
        probe=options.probe,
        prove_every=options.prove_every,
        http_address=options.http,
        log_level=options.log_level,
        log_format=options.log_format,
    )


def _ordinal(environment: Mapping[str, str]) -> int | None:
    """A StatefulSet's pods are named by their numbers."""
    found = ORDINAL.search(environment.get("HOSTNAME", ""))
    return int(found[1]) if found else None
