"""The fork server from outside: operators that start in milliseconds, whose wall clock can be stepped."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from testbed.home import python_path, write_atomically
from testbed.processes import tied_to_parent

_SECONDS = 30.0
"""Longest wait for the fork server: it imports the operator first."""


@dataclass(slots=True)
class Clock:
    """How wrong an operator's wall clock is."""

    file: Path

    def step(self, seconds: float) -> None:
        """Wrong by so many seconds from now on; 0: right."""
        write_atomically(self.file, f"{seconds}")


@dataclass(slots=True)
class Forked:
    """A forked process, to be used as a `subprocess.Popen`."""

    pid: int
    ended: "Future[int]" = field(default_factory=Future)

    def poll(self) -> int | None:
        """Exit code, or minus the signal; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code once it has ended; `subprocess.TimeoutExpired` if it does not in time."""
        try:
            return self.ended.result(timeout)
        except TimeoutError as error:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from error

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@dataclass(slots=True)
class ForkServer:
    """A running fork server. Made by `fork_server`; may be used from several threads."""

    process: "subprocess.Popen[bytes]"
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _started: "dict[int, Future[Forked]]" = field(default_factory=dict)
    _running: dict[int, Forked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, clock: Clock
    ) -> Forked:
        """Run `dedicated ARGV`, output appended to a log file. The clock's file must exist."""
        number = next(self._ids)
        started: Future[Forked] = Future()
        order = {
            "id": number,
            "argv": list(argv),
            "env": dict(env),
            "cwd": str(cwd),
            "log": str(log),
            "clock": str(clock.file),
        }
        with self._lock:
            self._started[number] = started
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        return started.result(_SECONDS)

    def listen(self) -> None:
        """Take the fork server's news until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            news: dict[str, int] = json.loads(line)
            if "ended" in news:
                forked = self._running.pop(news["ended"])
                forked.ended.set_result(news["code"])
            else:
                forked = self._running[news["pid"]] = Forked(news["pid"])
                self._started.pop(news["id"]).set_result(forked)


@contextlib.contextmanager
def fork_server(log: Path) -> Iterator[ForkServer]:
    """A fork server for the time of the block; its children end with it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "testbed.forkserver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=os.environ | {"PYTHONPATH": python_path()},
            start_new_session=True,
            preexec_fn=tied_to_parent(),  # noqa: PLW1509 - it only calls prctl
        )
    server = ForkServer(process)
    listening = threading.Thread(target=server.listen, name="fork server", daemon=True)
    listening.start()
    try:
        yield server
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(_SECONDS)
        listening.join(_SECONDS)
