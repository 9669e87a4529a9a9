"""Maintenance windows as dates (M-3 to M-5): from recurring windows and freezes to slots in time.

A window begins at a local time of the contract zone and lasts as long as the clock runs: one of 4 h that
begins at 01:00 in the night of a change to winter time ends at 04:00. A start that the zone skips moves to
the next valid instant, one that occurs twice counts once, at the first. Windows that overlap or touch are
one slot; a freeze is cut out of it; what is then shorter than SHORTEST_WINDOW is no slot.

An INTERVAL counts from ANCHOR, not from when a window was written: 2001-01-01 was the first day of a week,
a month and a year, so the same rule gives the same days on every pass and in every copy of a spec, and
every third month is January, April, July and October.

Work is bounded. dateutil looks for the next day up to the year 9999 whatever end it is given, which takes
a second for a rule that names none; so it is asked for one month or year at a time, and for weeks only
what every week answers.
Limit: windows that follow each other without a gap for more than a week have a slot whose start and end
are known only within a week of the stretch asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from heapq import merge

from dateutil import rrule

from dedicated.api.maintenance import SHORTEST_WINDOW
from dedicated.api.recurrence import WEEKDAYS, Recurrence, parse_recurrence
from dedicated.contract.dates import DAY, Month, instant_of, local

ANCHOR = date(2001, 1, 1)
ONCE = 12 * 9999
"""An interval behind which dateutil's calendar ends: it looks at the period of the start alone."""
REACH = timedelta(days=7)
"""How far windows are followed that join up with each other."""


@dataclass(frozen=True, slots=True)
class Window:
    """A recurring window: days by a recurrence, a local start, and how long it lasts in elapsed time."""

    recurrence: str
    start: time
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Freeze:
    """A stretch without maintenance, from one instant to another."""

    start: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A stretch in which maintenance may run, in UTC; the end is no longer in it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """When maintenance may run: windows and freezes in the contract zone."""

    zone: str
    windows: tuple[Window, ...]
    freezes: tuple[Freeze, ...] = ()


def slots(calendar: Calendar, *, after: datetime, until: datetime) -> Iterator[Slot]:
    """The slots that end after `after` and start before `until`, whole, in order, disjoint; lazily.

    Raises RecurrenceError for a recurrence outside the subset.
    """
    freezes = sorted((f for f in calendar.freezes if f.start < f.end), key=lambda freeze: freeze.start)
    for joined in _joined(calendar, after=after, until=until + REACH):
        for slot in _without(freezes, joined):
            if slot.start >= until:
                return
            if slot.end > after and slot.end - slot.start >= SHORTEST_WINDOW:
                yield slot


def next_slot(calendar: Calendar, *, after: datetime, lasting: timedelta, before: datetime) -> Slot | None:
    """The first slot that starts before `before` and has room for `lasting` at or after `after`; or None.

    Work in it starts at the later of the slot's start and `after`.
    """
    found = slots(calendar, after=after, until=before)
    return next((slot for slot in found if max(slot.start, after) + lasting <= slot.end), None)


def default_window(identity: str) -> Window:
    """The provider's monthly window of an instance whose spec names none (M-1), spread by its identity.

    `identity` is what an instance keeps when it is restored elsewhere, such as namespace/name. The start is
    a minute from 22:00 to 01:59 in a night before a working day, on the 3rd or 4th such day of the month:
    2,400 places. From the 15th on, even a request opened on the 1st has given 5 working days of notice
    (M-12); and summer time begins and ends on Sunday mornings nearly everywhere, in none of these nights.
    """
    place = int.from_bytes(sha256(identity.encode()).digest()) % (2 * 5 * 240)
    position, night, minute = 3 + place // 1200, place // 240 % 5, place % 240
    hour, minute = divmod(22 * 60 + minute, 60)
    weekday = WEEKDAYS[(6 + night + hour // 24) % 7]
    return Window(f"FREQ=MONTHLY;BYDAY={position}{weekday}", time(hour % 24, minute), timedelta(hours=4))


def days(recurrence: Recurrence, *, first: date, last: date) -> Iterator[date]:
    """The days that a recurrence names, in order, from `first` to `last`, both included."""
    found = _by_week if recurrence.frequency == "WEEKLY" else _by_month
    return (day for day in found(recurrence, first, last) if first <= day <= last)


def _by_week(recurrence: Recurrence, first: date, last: date) -> Iterator[date]:
    step = recurrence.interval * 7 * DAY
    named = rrule.rrule(
        rrule.WEEKLY,
        dtstart=ANCHOR + (first - ANCHOR) // step * step,
        until=datetime.combine(last, time.min),
        interval=recurrence.interval,
        wkst=recurrence.week_start,
        byweekday=[weekday for weekday, _ in recurrence.weekdays],
    )
    return (at.date() for at in named if not recurrence.months or at.month in recurrence.months)


def _by_month(recurrence: Recurrence, first: date, last: date) -> Iterator[date]:
    yearly = recurrence.frequency == "YEARLY"
    step = recurrence.interval * (12 if yearly else 1)
    since_anchor = (first.year - ANCHOR.year) * 12 + first.month - ANCHOR.month
    month = Month(ANCHOR.year, ANCHOR.month).plus(since_anchor // step * step)
    while month <= Month(last.year, last.month):
        if yearly or not recurrence.months or month.number in recurrence.months:
            named = rrule.rrule(
                rrule.YEARLY if yearly else rrule.MONTHLY,
                dtstart=month.day(1),
                interval=ONCE,
                bymonth=recurrence.months if yearly else None,
                byweekday=[rrule.weekday(day, position or None) for day, position in recurrence.weekdays]
                or None,
                bymonthday=recurrence.month_days or None,
                bysetpos=recurrence.positions or None,
            )
            yield from (at.date() for at in named)
        month = month.plus(step)


def _occurrences(window: Window, zone: str, *, after: datetime, until: datetime) -> Iterator[Slot]:
    """The window's occurrences that can reach into the stretch, joined up with others or not."""
    recurrence = parse_recurrence(window.recurrence)
    first = local(after, zone).date() - window.duration - REACH - DAY
    for day in days(recurrence, first=first, last=local(until, zone).date()):
        start = instant_of(datetime.combine(day, window.start), zone)
        yield Slot(start, start + window.duration)


def _joined(calendar: Calendar, *, after: datetime, until: datetime) -> Iterator[Slot]:
    """The union of all windows: occurrences that overlap or touch are one."""
    joined: Slot | None = None
    occurrences = (_occurrences(w, calendar.zone, after=after, until=until) for w in calendar.windows)
    for slot in merge(*occurrences):
        if joined is not None and slot.start <= joined.end:
            joined = Slot(joined.start, max(joined.end, slot.end))
            continue
        if joined is not None:
            yield joined
        joined = slot
    if joined is not None:
        yield joined


def _without(freezes: list[Freeze], slot: Slot) -> Iterator[Slot]:
    """What freezes, ordered by their start, leave of a slot."""
    start = slot.start
    for freeze in freezes:
        if start < freeze.start < slot.end:
            yield Slot(start, freeze.start)
        if freeze.start < slot.end:
            start = max(start, freeze.end)
    if start < slot.end:
        yield Slot(start, slot.end)
