"""The recovery agent of a lab: the real process, its metrics and its log."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.laboratory import Lab
from lab.record_server import RecordServer, plant_credentials
from lab.repository import STANZA
from lab.server import until
from testbed.home import CHECKOUT
from testbed.processes import free_port, spawn, stop

NAMESPACE, INSTANCE, UID = "customer", "acme", "11111111-2222-3333-4444-555555555555"
RECORD = f"{INSTANCE}-recovery"
_METRIC = re.compile(r"^(\w+)\{([^}]*)\} (\S+)$", re.MULTILINE)


@dataclass
class Agent:
    """A process, which may be killed and started again."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def metrics(self) -> dict[str, float]:
        """The figures of now by name, `:` and the label `type` where there is one; none while it is away."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return {}
        return {
            name + (f":{found[1]}" if (found := re.search('type="([^"]*)"', labels)) else ""): float(value)
            for name, labels, value in _METRIC.findall(text)
        }

    def until(self, name: str, wanted: float, *, seconds: float = 30) -> None:
        """Wait until a figure is the one wanted."""
        until(lambda: self.metrics().get(name) == wanted, f"{name} = {wanted}", seconds=seconds)

    def kill(self) -> None:
        """End it without a warning."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start(self) -> None:
        """Start it again."""
        self.process = _spawn(self.command, self.log)


def _spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    env = {"PYTHONPATH": str(CHECKOUT / "operator"), "PATH": "/usr/bin:/bin", "MALLOC_ARENA_MAX": "1"}
    return spawn(command, log=log, env=env)


def arguments(
    lab: Lab,
    record: RecordServer,
    folder: Path,
    *,
    sample_every: float = 1,
    audit_every: float = 5,
    write_every: float = 2,
    verify_every: float = 3600,
    archive_interval: float = 5,
    disaster_rpo: float = 60,
) -> dict[str, str]:
    """The agent's arguments, without the port of its pages."""
    folder.mkdir(exist_ok=True)
    dsn = folder / "dsn"
    dsn.write_text(lab.dsn)
    return {
        "instance": INSTANCE,
        "namespace": NAMESPACE,
        "uid": UID,
        "dsn-file": str(dsn),
        "repository-config": str(lab.repository.config),
        "stanza": STANZA,
        "pgbackrest": str(lab.repository.program),
        "members": lab.members,
        "api-server": record.url,
        "credentials": str(plant_credentials(folder / "credentials")),
        "sample-every": str(sample_every),
        "audit-every": str(audit_every),
        "write-every": str(write_every),
        "verify-every": str(verify_every),
        "archive-interval": str(archive_interval),
        "disaster-rpo": str(disaster_rpo),
    }


@contextmanager
def recovery_agent(given: dict[str, str], folder: Path) -> Iterator[Agent]:
    """The agent as a process of its own for the time of the block."""
    port, log = free_port(), folder / "agent.log"
    options = [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-m", "dedicated", "agent", "recovery", f"--http=127.0.0.1:{port}", *options]
    agent = Agent(command, port, log, _spawn(command, log))
    try:
        yield agent
    finally:
        stop([agent.process])
