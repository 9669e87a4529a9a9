"""The clients as a process, for those who break things meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clients.rows import Row
from clients.target import Identity, Plan, Target


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients at work, and their log."""

    log: Path

    def rows(self) -> list[Row]:
        """All requests that have ended so far."""
        raise NotImplementedError


@contextmanager
def running(target: Target, identity: Identity, *, log: Path, plan: Plan = Plan()) -> Iterator[Clients]:
    """Clients for the time of the block; at its end no request is left open. The log stays."""
    raise NotImplementedError
