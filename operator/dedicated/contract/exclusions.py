"""What is cut out of downtime (A-5, A-9): announced and emergency maintenance, force majeure.

Announced is a run whose notice was in time (M-12): five working days where downtime is expected, else any
notice before its start. It is cut out from its start to its end, at most for as long as was announced; what
runs over counts. An emergency is cut out in the same way, whenever its notice came. Force majeure is a
provider's record and nothing else.
Choices where the contract is silent: what is announced is a run's length inside its slot, not the slot, which
may be a whole month; a run that has not ended yet is cut out up to what was declared; after the last year
whose holidays are known no notice of downtime is in time, so that the minutes count for the customer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dedicated.contract.dates import Holidays
from dedicated.contract.downtime import Span
from dedicated.contract.facts import History, Notified, Request, Stretch
from dedicated.contract.maintenance import notice_over

Cause = Literal["Announced", "Emergency", "ForceMajeure"]
DECLARED = timedelta(hours=4)
"""What an emergency lasts at most unless declared otherwise (A-5)."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A time that does not count as downtime, why, and the record that says so."""

    since: datetime
    until: datetime
    cause: Cause
    reference: str


def announced(history: History, holidays: Holidays) -> Iterator[Excluded]:
    """The runs of regular maintenance whose notice was in time."""
    for request in history.regular:
        for start in request.starts:
            if _in_time(request.notified, start, holidays):
                until = _end(request, start, request.notified.duration)
                yield Excluded(start, until, "Announced", request.name)


def emergencies(history: History) -> Iterator[Excluded]:
    """The runs of emergency maintenance."""
    for request in history.emergencies:
        for start in request.starts:
            until = _end(request, start, request.notified.duration or DECLARED)
            yield Excluded(start, until, "Emergency", request.name)


def force_majeure(history: History) -> Iterator[Excluded]:
    """The stretches recorded."""
    for fact in history.facts:
        if isinstance(fact, Stretch) and fact.word == "ForceMajeure":
            yield Excluded(fact.start, fact.end, "ForceMajeure", fact.reference)


def not_measured(history: History) -> Iterator[Span]:
    """The stretches recorded in which nothing was measured: neither up nor down (A-3)."""
    for fact in history.facts:
        if isinstance(fact, Stretch) and fact.word == "NotMeasured":
            yield Span(fact.start, fact.end)


def _in_time(notice: Notified, start: datetime, holidays: Holidays) -> bool:
    over = notice_over(notice, holidays)
    return over is not None and over <= start


def _end(request: Request, start: datetime, announced_for: timedelta) -> datetime:
    """The end recorded of this run, at the latest that announced."""
    ends = (*request.failures, *((request.completed,) if request.completed else ()))
    return min((end for end in (*ends, start + announced_for) if end > start), default=start)
