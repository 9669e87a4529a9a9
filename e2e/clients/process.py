"""The clients as a process, for those who break things meanwhile."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients.rows import Kind, Row, read
from clients.target import SECONDS, Identity, Plan, Target, identity_to_json
from testbed.processes import spawn, stop, tail

PLAN = Plan()
END_SECONDS = SECONDS + 10


class ClientsError(RuntimeError):
    """The clients ended before they were told to."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients at work, and their log."""

    log: Path
    process: "subprocess.Popen[bytes]"

    def rows(self) -> list[Row]:
        """All requests that have ended so far. ClientsError if nobody asks any more."""
        if self.process.poll():
            said = tail(self.log.with_suffix(".err"))
            raise ClientsError(f"clients ended with {self.process.returncode}: {said}")
        return rows_of(self.log)


def rows_of(log: Path) -> list[Row]:
    """The rows of a log, also of one that is still written."""
    if not log.exists():
        return []
    with log.open() as lines:
        return read(lines)


@contextmanager
def running(
    target: Target, identity: Identity, *, log: Path, plan: Plan = PLAN, prefix: Sequence[str] = ()
) -> Iterator[Clients]:
    """Clients for the time of the block; at its end no request is left open. The log stays.

    `prefix` comes before the command, as `("ip", "netns", "exec", "NAME")`.
    """
    options = [f"--{kind}={plan.interval(kind)}" for kind in ("login", "token", "write")]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(identity_to_json(identity))
        file.flush()
        with _started(target, ["--identity", file.name, *options], log, prefix) as clients:
            yield clients


@contextmanager
def bursting(
    target: Target, kind: Kind, *, each_second: float, log: Path, prefix: Sequence[str] = ()
) -> Iterator[Clients]:
    """Requests of `page` or `call` at a rate, for the time of the block.

    Twice the limit is 20 and 100 a second; a ban follows after 135 and 90 seconds of it.
    """
    options = [f"--burst={kind}", f"--each-second={each_second}"]
    with _started(target, options, log, prefix) as clients:
        yield clients


@contextmanager
def _started(target: Target, options: Sequence[str], log: Path, prefix: Sequence[str]) -> Iterator[Clients]:
    where = [f"--name={target.name}", f"--address={target.address}", f"--port={target.port}"]
    where += [f"--ca={target.ca}", f"--log={log}", *(f"--source={source}" for source in target.sources)]
    argv = [*prefix, sys.executable, "-m", "clients", *where, *options]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    process = spawn(argv, log=log.with_suffix(".err"), env=env)
    try:
        yield Clients(log, process)
    finally:
        stop([process], seconds=END_SECONDS)
