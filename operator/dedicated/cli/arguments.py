"""Arguments of `dedicated run`, and the settings made from them.

What a pod knows of itself comes by environment (POD_NAME, POD_NAMESPACE, KUBECONFIG); everything else is an
argument, so that a process list tells how an operator runs.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from dedicated.controllers.settings import LIMITER_IMAGE, Settings
from dedicated.probes.resolver import parse_host_port, parse_resolve


def add_run_arguments(
    parser: argparse.ArgumentParser, *, environment: Mapping[str, str], hostname: str
) -> None:
    """Add the arguments of `run`."""
    parser.add_argument("--releases", type=Path, required=True, metavar="FILE", help="the release catalogue")
    parser.add_argument(
        "--places", type=Path, metavar="FILE", help="regions and places beside those that are built in"
    )
    parser.add_argument(
        "--agent-image",
        default="",
        metavar="IMAGE",
        help="of the recovery agents, the operator's own; default: no agents, and no new database",
    )
    parser.add_argument(
        "--limiter-image",
        default=LIMITER_IMAGE,
        metavar="IMAGE",
        help=f"of HAProxy in the limiters, 2.6 or newer; default {LIMITER_IMAGE}",
    )
    parser.add_argument(
        "--trust-network",
        action="store_true",
        help="do not try the connection past a limiter, which the network policies must not let through",
    )
    _add_scope(parser, environment=environment, hostname=hostname)
    _add_connection(parser, environment=environment)
    _add_probes(parser)
    parser.add_argument(
        "--workers", type=int, default=16, metavar="N", help="quick passes at once; default 16"
    )
    parser.add_argument(
        "--audit-hours",
        type=_positive,
        default=10.0,
        metavar="HOURS",
        help="how often an instance's children are read whole, to find what was written under the operator's "
        "name; default 10",
    )
    parser.add_argument(
        "--test-clock", type=Path, metavar="FILE", help="steps of the contract's time: for tests alone"
    )
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    parser.add_argument("--log-format", choices=("json", "text"), default="json")


def _add_scope(parser: argparse.ArgumentParser, *, environment: Mapping[str, str], hostname: str) -> None:
    parser.add_argument(
        "--watch-namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="watch this namespace only (repeatable); default: all",
    )
    parser.add_argument(
        "--namespace-of-lease",
        default=environment.get("POD_NAMESPACE", "default"),
        metavar="NAME",
        help="namespace of the Lease for leader election; default: POD_NAMESPACE",
    )
    parser.add_argument("--lease-name", default="dedicated-operator", metavar="NAME")
    parser.add_argument(
        "--lease-seconds",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="after how long without a renewal another replica takes over; at least 3, default 10",
    )
    parser.add_argument(
        "--identity",
        default=environment.get("POD_NAME", hostname),
        metavar="NAME",
        help="holder of the Lease; default: POD_NAME",
    )


def _add_connection(parser: argparse.ArgumentParser, *, environment: Mapping[str, str]) -> None:
    parser.add_argument(
        "--kubeconfig",
        default=environment.get("KUBECONFIG"),
        metavar="FILE",
        help="default: KUBECONFIG, or the pod's own ServiceAccount",
    )
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument(
        "--http",
        type=_listening,
        default=_listening(":8080"),
        metavar="[HOST]:PORT",
        help="address of /healthz, /readyz and /metrics; default :8080",
    )


def _add_probes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resolve",
        action="append",
        default=[],
        type=parse_resolve,
        metavar="HOST:PORT=ADDRESS:PORT",
        help="where probes find a public name (repeatable); HOST may be *",
    )
    parser.add_argument(
        "--probe-ca-file", type=Path, metavar="FILE", help="authority that probes trust besides the system's"
    )
    parser.add_argument("--probe-interval", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument(
        "--measured-every",
        type=_positive,
        default=60.0,
        metavar="SECONDS",
        help="how often it is written down until when was measured; default 60",
    )


def _listening(text: str) -> tuple[str, int]:
    """`[HOST]:PORT`; no host is all addresses, as the kubelet asks the pod's."""
    return parse_host_port(f"0.0.0.0{text}" if text.startswith(":") else text)  # noqa: S104


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings of parsed arguments."""
    return Settings(
        identity=options.identity,
        lease_namespace=options.namespace_of_lease,
        releases_file=options.releases,
        places_file=options.places,
        agent_image=options.agent_image,
        limiter_image=options.limiter_image,
        trust_network=options.trust_network,
        namespaces=tuple(options.watch_namespace),
        lease_name=options.lease_name,
        lease_seconds=options.lease_seconds,
        kubeconfig=options.kubeconfig,
        context=options.context,
        http_address=options.http,
        log_level=options.log_level,
        log_format=options.log_format,
        workers=options.workers,
        resolve=tuple(options.resolve),
        probe_ca_file=options.probe_ca_file,
        probe_interval=options.probe_interval,
        audit_hours=options.audit_hours,
        test_clock=options.test_clock,
        measured_every=options.measured_every,
    )
