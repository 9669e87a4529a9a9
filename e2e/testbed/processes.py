"""Child processes that cannot outlive their parent, and identities that cannot hit a stranger.

A test run ends in many ways: Ctrl-C, a crash, SIGKILL. On Linux the kernel ends the children with
their parent (PR_SET_PDEATHSIG); what is left for `down` is found by process id *and* start time, as
process ids are used again.
"""

import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from testbed.home import write_atomically

_PR_SET_PDEATHSIG = 1
_PORTS = range(20000, 32001)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def tied_to_parent(death_signal: int = signal.SIGKILL) -> Callable[[], None]:
    """A `preexec_fn` after which the child gets the signal when its parent dies."""
    parent = os.getpid()

    def tie() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return tie


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: int | None = None,
    death_signal: int = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, output appended to a log file, tied to this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            start_new_session=True,
            preexec_fn=tied_to_parent(death_signal),  # noqa: PLW1509 - it only calls prctl
        )


def stop(
    processes: Sequence[subprocess.Popen[bytes]], *, ask: int = signal.SIGTERM, seconds: float = 5
) -> None:
    """Send a signal to all, and kill those that have not ended within the time."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(ask)
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that is not mistaken for another: its id and when it started (epoch seconds)."""

    name: str
    pid: int
    started: float

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def identify(name: str, pid: int) -> Identity | None:
    """The identity of a running process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return Identity(name, pid, psutil.Process(pid).create_time())
    return None


def write_identities(path: Path, identities: Sequence[Identity]) -> None:
    """Record processes for a later `end`."""
    write_atomically(path, json.dumps([asdict(identity) for identity in identities]))


def read_identities(path: Path) -> list[Identity]:
    """The processes recorded."""
    try:
        return [Identity(**entry) for entry in json.loads(path.read_text())]
    except (FileNotFoundError, ValueError):
        return []


def end(identities: Sequence[Identity], *, seconds: float = 10) -> None:
    """End processes that need not be ours: ask first, kill after the time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for identity in identities:
            if process := identity.find():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        deadline = time.monotonic() + seconds
        # Zombies count as gone: in a container nobody may reap them soon.
        while any(identity.find() for identity in identities) and time.monotonic() < deadline:
            time.sleep(0.02)


def free_port() -> int:
    """A TCP port free on loopback, below the range that the kernel gives to outgoing connections."""
    return free_ports(1)[0]


def free_ports(count: int) -> tuple[int, ...]:
    """As many such ports, no two the same."""
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return tuple(found)


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a log file."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(no log)"
