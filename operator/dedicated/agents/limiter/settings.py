"""All that can be set of a limiter's agent, as one value. `cli` builds it; nothing else reads any."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from dedicated.contract.limiter_report import EVERY, report_name
from dedicated.parts.limiter.names import AGENT_PORT, limiter_name
from dedicated.parts.limiter.site import PROBE_PORT, Directories

PLACES = Directories()
LOOK_EVERY = timedelta(seconds=10)
"""Between two looks at the figures, and at the mounted Secrets."""
PROVE_EVERY = timedelta(days=1)
PROVE_AGAIN = timedelta(minutes=1)
"""After a proof that failed, or a change that was refused."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one agent.

    `files` is the folder that HAProxy reads, `sockets` that of its two sockets and of the log's; `secrets`
    are folders with mounted Secrets whose change needs a reload. `credentials` is a folder with `token` and
    `ca.crt`. `haproxy` is a program that checks a configuration before it is tried.
    """

    instance: str
    namespace: str
    replica: int
    api_server: str
    credentials: Path
    files: Path = Path(PLACES.config)
    sockets: Path = Path(PLACES.run)
    secrets: tuple[Path, ...] = (Path(PLACES.peers), Path(PLACES.tls))
    haproxy: str = "haproxy"
    probe: tuple[str, int] = ("127.0.0.1", PROBE_PORT)
    prove_every: timedelta = PROVE_EVERY
    look_every: timedelta = LOOK_EVERY
    tell_every: timedelta = timedelta(seconds=EVERY)
    http_address: tuple[str, int] = ("0.0.0.0", AGENT_PORT)  # noqa: S104 - the kubelet asks the pod's address
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @property
    def wanted(self) -> str:
        """The ConfigMap that it follows."""
        return limiter_name(self.instance)

    @property
    def report(self) -> str:
        """The ConfigMap that it writes, and no other object."""
        return report_name(self.instance)
