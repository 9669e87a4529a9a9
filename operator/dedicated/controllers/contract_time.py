"""The contract's time: the API server's, unless a test moves it.

A test on a real API server cannot wait for months, and nobody can write a record's time. So one function
from the API server's time to the contract's is applied alike to `now` and to the time of every record: steps,
from each of which on time goes on at its own pace from another date. Dates of the contract that lie in a
spec or in a record (a slot, a freeze) are the contract's own and stay as they are.

For tests alone. The chart cannot set it, and where it is set the condition `TestClock` stands in every status
and with it in every instance's metrics. Leases, events and readings keep the real time.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """From `since` on, by the API server's time, the contract's time is `becomes` and what has passed."""

    since: datetime
    becomes: datetime


def moved(instant: datetime, steps: Sequence[Step]) -> datetime:
    """The contract's time at an instant of the API server's; `steps` are in order."""
    before = [step for step in steps if step.since <= instant]
    return before[-1].becomes + (instant - before[-1].since) if before else instant


def read_steps(text: str) -> tuple[Step, ...]:
    """The steps of `{"steps": [{"since": TIME, "becomes": TIME}]}`. Raises ValueError for anything else."""
    found = []
    for item in get_list(json.loads(text), "steps"):
        since, becomes = (parse_time(get_str(item, name)) for name in ("since", "becomes"))
        if since is None or becomes is None:
            raise ValueError(f"a step needs since and becomes, times with a zone (RFC 3339): {item}")
        found.append(Step(since, becomes))
    return tuple(sorted(found))


class ContractTime:
    """Tells the contract's time. With a file of steps it is read again whenever it changes."""

    def __init__(self, *, wall: Callable[[], datetime], steps: Path | None = None) -> None:
        """Raises ValueError or OSError where the file of steps cannot be read."""
        self.wall = wall
        self._file = steps
        self._read_at = 0
        self._known: tuple[Step, ...] = ()
        self._steps()

    def now(self) -> datetime:
        """The contract's time now, timezone-aware."""
        return self.of(self.wall())

    def of(self, instant: datetime) -> datetime:
        """An instant of the API server's time in the contract's."""
        return moved(instant, self._steps())

    def dated(self, manifest: Manifest) -> Manifest:
        """A record as read from the API server, with its time in the contract's."""
        created = parse_time(get_str(manifest, "metadata", "creationTimestamp"))
        if self._file is None or created is None:
            return manifest
        at = rfc3339(moved(created, self._steps()))
        return {**manifest, "metadata": {**get_map(manifest, "metadata"), "creationTimestamp": at}}

    @property
    def words(self) -> str:
        """How the time is moved, for every status; empty where it is not. The same until the next step."""
        if self._file is None:
            return ""
        steps = [step for step in self._steps() if step.since <= self.wall()]
        if not steps:
            return "not moved yet"
        return f"at {rfc3339(steps[-1].since)} of the API server it became {rfc3339(steps[-1].becomes)}"

    def _steps(self) -> tuple[Step, ...]:
        if self._file is not None and (changed := self._file.stat().st_mtime_ns) != self._read_at:
            self._known, self._read_at = read_steps(self._file.read_text(encoding="utf-8")), changed
        return self._known
