"""All that can be set from outside, as one value. `cli` builds it from arguments; nothing else reads any."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dedicated.probes.resolver import ResolveRule

LogFormat = Literal["json", "text"]
LIMITER_IMAGE = "docker.io/library/haproxy:3.2.9-alpine"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one operator process. Empty `namespaces` means all; times are in seconds."""

    identity: str
    lease_namespace: str
    releases_file: Path
    places_file: Path | None = None
    agent_image: str = ""
    """Image of the agents beside instances: the operator's own. Empty: there are none."""
    limiter_image: str = LIMITER_IMAGE
    """Image of HAProxy in the limiters of instances."""
    trust_network: bool = False
    """Not to try the connection past a limiter that must fail."""
    namespaces: tuple[str, ...] = ()
    lease_name: str = "dedicated-operator"
    lease_seconds: float = 10.0
    kubeconfig: str | None = None
    context: str | None = None
    http_address: tuple[str, int] = ("0.0.0.0", 8080)  # noqa: S104 - the kubelet asks the pod's address
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: LogFormat = "json"
    workers: int = 16
    resolve: tuple[ResolveRule, ...] = ()
    probe_ca_file: Path | None = None
    probe_interval: float = 10.0
    audit_hours: float = 10.0
    test_clock: Path | None = None
    """Steps of the contract's time, for tests alone (`contract_time`)."""
    measured_every: float = 60.0
