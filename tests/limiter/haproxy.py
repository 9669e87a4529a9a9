"""HAProxy as a process: a master and its worker, asked over their sockets."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PROGRAM = "haproxy"
SKIP_REASON = "the lab's programs are not installed: haproxy (e2e/lab/install.sh)"
PATIENCE = 15.0


def find() -> str:
    """Where HAProxy is. LookupError says that it is not."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    found = shutil.which(PROGRAM, path=path)
    if found is None:
        raise LookupError(SKIP_REASON)
    return found


def until(true: Callable[[], bool], what: str, *, seconds: float = PATIENCE) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)


def say(path: Path, command: str, *, seconds: float = PATIENCE) -> str:
    """One line to a socket, and all that comes back."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(seconds)
        link.connect(str(path))
        link.sendall(command.encode() + b"\n")
        link.shutdown(socket.SHUT_WR)  # the master waits for more otherwise
        parts = []
        while part := link.recv(65536):
            parts.append(part)
    return b"".join(parts).decode()


def check(config: Path, *, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`haproxy -c` with warnings as errors."""
    return subprocess.run(
        [find(), "-dW", "-c", "-f", str(config)],
        check=False,
        capture_output=True,
        text=True,
        env=dict(os.environ) | (environment or {}),
    )


@dataclass
class Haproxy:
    """A master that runs in its own folder; `haproxy.cfg`, `admin.sock` and `master.sock` lie there."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    admin_socket: str = "admin.sock"
    _master: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "output").read_text(errors="replace")

    def start(self) -> None:
        """Start, and wait until it takes commands."""
        self._launch()
        until(self.ready, "HAProxy takes commands")

    def _launch(self) -> None:
        with (self.folder / "output").open("ab") as output:
            self._master = subprocess.Popen(
                [
                    *(find(), "-dW", "-W", "-S", f"{self.folder}/master.sock,mode,600"),
                    *("-f", str(self.folder / "haproxy.cfg")),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(os.environ) | self.environment,
            )

    def ready(self) -> bool:
        """Whether the worker answers. Its death is an error."""
        assert self._master is not None
        assert self._master.poll() is None, self.log
        try:
            return "Pid:" in self.admin("show info")
        except OSError:
            return False

    def admin(self, *commands: str) -> str:
        """Commands to the worker."""
        return say(self.folder / self.admin_socket, ";".join(commands))

    def master(self, command: str) -> str:
        """A command to the master. One that takes itself anew may lose a connection: asked again."""
        answers: list[str] = []

        def answered() -> bool:
            with suppress(OSError):
                answers.append(say(self.folder / "master.sock", command, seconds=1.0))
            return bool(answers)

        until(answered, "the master answers")
        return answers[0]

    def reload(self) -> None:
        """A new worker, and wait until it is the one that answers."""
        before = self.worker
        with suppress(OSError):  # the master takes itself anew and hangs up
            say(self.folder / "master.sock", "reload", seconds=1.0)

        def done() -> bool:
            try:
                return self.ready() and self.worker != before
            except OSError:
                return False

        until(done, "the new worker answers")

    @property
    def worker(self) -> int:
        """The process that serves."""
        for line in self.admin("show info").splitlines():
            if line.startswith("Pid:"):
                return int(line.split()[1])
        raise LookupError("no worker")

    def processor_seconds(self) -> float:
        """Processor time of the worker, its whole life."""
        times = psutil.Process(self.worker).cpu_times()
        return times.user + times.system

    def resident(self) -> int:
        """Bytes of the worker in memory."""
        return int(psutil.Process(self.worker).memory_info().rss)

    def kill(self) -> None:
        """SIGKILL for the master and its workers: what a lost node is."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """The end, without delay."""
        if self._master is not None and self._master.poll() is None:
            self._end(signal.SIGKILL)

    def _end(self, sign: signal.Signals) -> None:
        assert self._master is not None
        family = [psutil.Process(self._master.pid)]
        family += family[0].children(recursive=True)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(sign)
        self._master.wait()
        psutil.wait_procs(family[1:], timeout=PATIENCE)
