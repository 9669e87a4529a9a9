"""Figures of the running process: numbers of requests, refusals, bans and addresses, and none of the latter.

HAProxy counts since its worker started; what is told is of the last minute, so that a worker's end takes
nothing but its last seconds. A path is told by its first two segments, and only where these are words of an
interface: one with digits, other than those of a version, or with other signs is shown as `*`.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from dedicated.contract.limiter_report import PATHS, Counts, Refused, TopPath
from dedicated.parts.limiter.tables import KINDS, REFUSED, TOP_PATHS
from dedicated.probes.haproxy import Haproxy, Process, Row, Table

MINUTE = 60.0
UI, API = ("ui", "login"), ("api",)
"""Back ends of a class."""
PART = r"(?:[A-Za-z_-]{1,40}|v[1-9][a-z0-9]{0,7})"
WORD = re.compile(rf"\.well-known|{PART}(?:\.{PART}){{0,8}}")
REASONS = ("ui_limited", "ui_banned", "api_limited", "api_banned")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a worker counted since it started; `worker` is its number among those that were seen."""

    worker: int
    requests: Counts = field(default_factory=Counts)
    failed: Counts = field(default_factory=Counts)
    refused: Refused = field(default_factory=Refused)

    def since(self, before: "Totals") -> "Totals":
        """What was added; of another worker, all of it."""
        if before.worker != self.worker:
            return self
        own, old = self.refused, before.refused
        return replace(
            self,
            requests=_less(self.requests, before.requests),
            failed=_less(self.failed, before.failed),
            refused=Refused(*(max(0, getattr(own, name) - getattr(old, name)) for name in REASONS)),
        )

    def plus(self, other: "Totals") -> "Totals":
        """Both."""
        own, more = self.refused, other.refused
        return replace(
            other,
            requests=_sum(self.requests, other.requests),
            failed=_sum(self.failed, other.failed),
            refused=Refused(*(getattr(own, name) + getattr(more, name) for name in REASONS)),
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen at a moment. `minute` is of the last minute, `ever` since this agent began."""

    version: str = ""
    bans: Counts = field(default_factory=Counts)
    tracked: Counts = field(default_factory=Counts)
    room: int = 0
    minute: Totals = field(default_factory=lambda: Totals(0))
    ever: Totals = field(default_factory=lambda: Totals(0))
    apart: int = 0
    top_paths: tuple[TopPath, ...] = ()


class Observer:
    """Looks at one HAProxy now and then."""

    def __init__(self, process: Haproxy, *, replica: int, monotonic: Callable[[], float]) -> None:
        self._process = process
        self._replica = replica
        self._monotonic = monotonic
        self._worker: Process | None = None
        self._number = 0
        self._last: Totals | None = None
        self._ever = Totals(0)
        self._added: deque[tuple[float, Totals]] = deque()

    async def look(self) -> Figures:
        """The figures of now. Raises HaproxyError."""
        worker = await self._process.process()
        tables = await self._process.tables()
        refused = await self._process.paths(REFUSED)
        if worker.is_other(self._worker):
            self._number += 1
        self._worker = worker
        totals = _totals(self._number, await self._process.rows(), refused)
        self._add(totals)
        minute = Totals(self._number)
        for _, added in self._added:
            minute = minute.plus(added)
        counts = [_tracked(tables, kind, self._replica) for kind in KINDS]
        bans = [tables.get(f"ban_{kind}", Table(0, 0)).used for kind in KINDS]
        return Figures(
            version=worker.version,
            bans=Counts(*bans),
            tracked=Counts(*(table.used for table in counts)),
            room=min(table.size for table in counts),
            minute=minute,
            ever=self._ever,
            apart=await self._process.unheard(),
            top_paths=top_paths(await self._process.paths(TOP_PATHS)),
        )

    def _add(self, totals: Totals) -> None:
        """What was counted since the last look. Of a worker that was there before this agent, nothing."""
        now = self._monotonic()
        if self._last is not None:
            added = totals.since(self._last)
            self._added.append((now, added))
            self._ever = self._ever.plus(added)
        self._last = totals
        while self._added and now - self._added[0][0] >= MINUTE:
            self._added.popleft()


def top_paths(found: Mapping[str, int]) -> tuple[TopPath, ...]:
    """The paths that were refused most, without what may tell who somebody is."""
    told: dict[str, int] = {}
    for path, count in found.items():
        plain = plain_path(path)
        told[plain] = told.get(plain, 0) + count
    ordered = sorted(told.items(), key=lambda one: (-one[1], one[0]))
    return tuple(TopPath(path, count) for path, count in ordered[:PATHS])


def plain_path(path: str) -> str:
    """A path of words; a segment that is none becomes `*`."""
    segments = [segment for segment in path.partition("?")[0].split("/") if segment][:2]
    return "/" + "/".join(segment if WORD.fullmatch(segment) else "*" for segment in segments)


def _tracked(tables: Mapping[str, Table], kind: str, replica: int) -> Table:
    """The table of a class that holds one entry for each address of the last minute."""
    return tables.get(f"off_{kind}_r{replica}", Table(0, 0))


def _totals(worker: int, rows: Mapping[str, Row], refused: Mapping[str, int]) -> Totals:
    none = Row(0, 0)
    ui, api = ([rows.get(name, none) for name in names] for names in (UI, API))
    return Totals(
        worker,
        Counts(sum(row.requests for row in ui), sum(row.requests for row in api)),
        Counts(sum(row.failed for row in ui), sum(row.failed for row in api)),
        Refused(*(refused.get(name, 0) for name in REASONS)),
    )


def _less(one: Counts, other: Counts) -> Counts:
    return Counts(max(0, one.ui - other.ui), max(0, one.api - other.api))


def _sum(one: Counts, other: Counts) -> Counts:
    return Counts(one.ui + other.ui, one.api + other.api)
