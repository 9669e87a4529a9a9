"""The month ledger (M-7): did the customer permit regular maintenance, month by month?

One state per calendar month of the contract zone, judged at the month's end by what was recorded until then;
nothing recorded later changes it. Three months in a row that were asked for and not permitted are the failure
of M-7, at 00:00 of the day after the third.

A month is asked by the request recorded in it (M-2). A permission that the customer records counts in the
month in which its slot starts, whichever request it answers.
Choices where the contract is silent: an answer that leaves no usable slot counts as Refused, not as silence;
NotAsked resets the streak but closes nothing that is open, so the next month is due whatever the cadence.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from dedicated.contract.dates import Month, local, month_of, start_of_day
from dedicated.contract.facts import History, Request
from dedicated.contract.permission import Terms, bounds, grants

State = Literal["Done", "Permitted", "Refused", "Unanswered", "NotAsked", "NotDue", "Partial"]
MISSED: Collection[State] = ("Refused", "Unanswered")
MONTHS = 3
"""Consecutive missed months that are a failure to permit."""
ASKED_DAYS = 14
"""A month is asked if its request was recorded at least so many days before the month's end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A month of the ledger. `streak` counts the missed months up to and with this one.

    `final`: the month is over; until then the state is what it comes to if nothing more is recorded.
    `request` is the one that asked, or empty.
    """

    month: Month
    state: State
    streak: int
    final: bool
    request: str = ""

    @property
    def missed(self) -> bool:
        """Whether the month counts against the customer."""
        return self.state in MISSED


def streak_after(streak: int, state: State) -> int:
    """The streak of missed months after a month of this state."""
    if state in MISSED:
        return streak + 1
    return streak if state == "NotDue" else 0


def ledger(
    history: History, terms: Terms, *, now: datetime, partial: Collection[Month] = ()
) -> tuple[Entry, ...]:
    """The months from the first of the service to the current one, which is not final.

    `history` holds what is recorded up to `now`; `partial` are months after a withdrawn termination.
    """
    if history.service_start is None or not terms.clocks:
        return ()
    asked = _by_month(history.regular, terms)
    done = {month_of(request.completed, terms.zone) for request in history.regular if request.completed}
    found: list[Entry] = []
    streak, is_open = 0, False
    first, last = month_of(history.service_start, terms.zone), month_of(now, terms.zone)
    granted = _by_month_granted(history.regular, terms, first=first, last=last)
    month = first
    while month <= last:
        asking_it = asking(month, asked.get(month, ()), terms)
        if month == first or month in partial:
            state: State = "Partial"
        elif month in done:
            state = "Done"
        else:
            state = _judge_month(month, asking_it, granted.get(month, ()), terms, is_open=is_open)
        streak = streak_after(streak, state)
        is_open = state in MISSED or (is_open and state not in {"Done", "Permitted", "Partial"})
        found.append(Entry(month, state, streak, month < last, asking_it[0].name if asking_it else ""))
        month = month.plus(1)
    return tuple(found)


def _by_month(regular: Sequence[Request], terms: Terms) -> dict[Month, list[Request]]:
    """Requests by the month of their notice."""
    found: dict[Month, list[Request]] = {}
    for request in regular:
        found.setdefault(month_of(request.notified.at, terms.zone), []).append(request)
    return found


def _by_month_granted(
    regular: Sequence[Request], terms: Terms, *, first: Month, last: Month
) -> dict[Month, list[Request]]:
    """Requests by the months from `first` to `last` in which a slot lies that a record ever permitted."""
    found: dict[Month, list[Request]] = {}
    for request in regular:
        for slot in set(request.slots):
            month = max(first, month_of(slot.start, terms.zone))
            while month <= min(last, month_of(slot.end, terms.zone)):
                found.setdefault(month, []).append(request)
                month = month.plus(1)
    return found


def _judge_month(
    month: Month, asked: Sequence[Request], granted: Sequence[Request], terms: Terms, *, is_open: bool
) -> State:
    """The state of a whole month without a completed maintenance, by what is recorded before its end.

    `granted` are the requests that a record ever permitted in it. `is_open`: an earlier month was missed.
    """
    start, end = bounds(month, terms.zone)
    if any(_recorded(request, terms, start, end) for request in granted):
        return "Permitted"
    if not is_open and terms.agreed and not terms.windows(start, end):
        return "NotDue"
    if not asked:
        return "NotAsked"
    if any(_standing(request, terms, start, end) for request in asked):
        return "Permitted"
    answered = any(answer.at < end for request in asked for answer in request.answers)
    return "Refused" if answered or _frozen(asked, terms, start, end) else "Unanswered"


def asking(month: Month, regular: Sequence[Request], terms: Terms) -> tuple[Request, ...]:
    """The requests that ask for the month: recorded in it, early enough, and not taken back in it."""
    start, end = bounds(month, terms.zone)
    latest = _latest(month, terms.zone)
    return tuple(
        request
        for request in regular
        if start <= request.notified.at <= latest and not (request.retracted and request.retracted < end)
    )


@lru_cache(maxsize=4096)
def _latest(month: Month, zone: str) -> datetime:
    """The latest notice with which a month is asked."""
    return start_of_day(local(month.end(zone), zone).date() - timedelta(days=ASKED_DAYS), zone)


def _recorded(request: Request, terms: Terms, start: datetime, end: datetime) -> bool:
    """Whether a record permitted a slot of the month."""
    if not any(slot.end > start for slot in request.slots):
        return False
    found = grants(request, terms, before=end, until=end)
    return any(grant.basis == "Record" and grant.usable(start, end) for grant in found)


def _standing(request: Request, terms: Terms, start: datetime, end: datetime) -> bool:
    return any(grant.usable(start, end) for grant in grants(request, terms, before=end, until=end))


def _frozen(asked: Sequence[Request], terms: Terms, start: datetime, end: datetime) -> bool:
    """Whether a freeze alone took the slots that stand without being asked."""
    if terms.standing == "Plan":
        return True
    if terms.standing != "Window":
        return False
    needs = min(request.notified.duration for request in asked)
    return any(slot.end - slot.start >= needs for slot in terms.windows(start, end))


def failures(entries: Sequence[Entry]) -> Iterator[tuple[Month, Month]]:
    """First and third month of every streak that became a failure; the failure is the third's end.

    NotDue months may lie in between.
    """
    first: Month | None = None
    for entry in entries:
        if entry.missed and entry.streak == 1:
            first = entry.month
        if entry.final and entry.missed and entry.streak == MONTHS and first is not None:
            yield first, entry.month
