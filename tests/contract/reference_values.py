"""Values and words of time of the slow reference (`reference_clocks`): whole seconds, no deadlines."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from dedicated.contract.facts import Answer, Notified

HOUR = 3600
DAY = 24 * HOUR
FOREVER = 2**40
Span = tuple[int, int]


@dataclass(frozen=True)
class Contract:
    """What is agreed. `by`: what permits without a record: "Window", "Plan" or "" for nothing."""

    zone: str
    by: str
    windows: tuple[Span, ...] = ()
    cadence: bool = False
    freezes: tuple[Span, ...] = ()
    channel: bool = False
    clocks: bool = True


@dataclass
class Case:
    """A request and what was said about it so far."""

    asked: Notified
    at: int
    answers: list[Answer] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    done: int = FOREVER
    retracted: int = FOREVER
    delivered: int = FOREVER
    judged: str = ""
    standing: list[Span] | None = None

    @property
    def needs(self) -> int:
        return int(self.asked.duration.total_seconds())


@dataclass(frozen=True)
class Chance:
    """A slot: [start, end), over before its end where the permission or the request ended."""

    start: int
    end: int
    over: int
    given: int
    floating: bool = False
    starts: tuple[int, ...] = ()


@dataclass
class Trouble:
    """An issue."""

    name: str
    failed: int
    regular: bool
    escalated: int = 0
    gate: bool = False
    notice: int = 0
    effective: bool = False
    closed: bool = False
    resolved: bool = False
    void: bool = True

    @property
    def state(self) -> str:
        if self.closed:
            return "Closed"
        if self.notice:
            return "TerminationEffective" if self.effective else "NoticeGiven"
        if self.resolved:
            return "Resolved"
        if self.gate:
            return "TerminationPermitted"
        return "Escalated" if self.escalated else "EscalationDue"


@dataclass(frozen=True)
class Seen:
    """What stands from an instant on."""

    at: int
    months: tuple[tuple[str, str, int], ...]
    issues: tuple[tuple[str, str], ...]
    void: bool
    overdue: bool
    failed: frozenset[str]


def stamp(instant: datetime) -> int:
    return int(instant.timestamp())


@lru_cache(maxsize=1_000_000)
def local_date(at: int, zone: str) -> date:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)).date()


def month_name(at: int, zone: str) -> str:
    today = local_date(at, zone)
    return f"{today.year:04}-{today.month:02}"


def passed(now: int, since: int, days: int, zone: str) -> bool:
    """Whether n calendar days after the day of an event are over, and n x 24 h with them (K-2)."""
    apart = (local_date(now, zone) - local_date(since, zone)).days
    return apart > days and now - since >= days * DAY


def quarter_passed(now: int, since: int, zone: str) -> bool:
    """Whether the same day three months on is over, or that month's last day (K-5)."""
    first, today = local_date(since, zone), local_date(now, zone)
    apart = (today.year - first.year) * 12 + today.month - first.month
    return apart > 3 or (apart == 3 and today.day > first.day)


@lru_cache(maxsize=16)
def grid(start: int, end: int, zone: str) -> tuple[int, ...]:
    step = HOUR // 2 if zone == "Australia/Lord_Howe" else HOUR
    return tuple(range(start - start % step, end, step))


def left_over(spans: Iterable[Span], freezes: Iterable[Span]) -> list[Span]:
    """The stretches that lie in a span and in no freeze."""
    spans, freezes = list(spans), list(freezes)
    edges = sorted({edge for span in (*spans, *freezes) for edge in span})
    found: list[Span] = []
    for start, end in pairwise(edges):
        inside = any(a <= start < b for a, b in spans)
        if not inside or any(a <= start < b for a, b in freezes):
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found
