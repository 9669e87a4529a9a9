"""Schedules as the engines take them: one line of cron in UTC, and until when it says the same.

Engines reckon in UTC, so a line is rendered anew whenever the zone changes its offset. For as long as the
clock is set by, another line holds after a change: a time that the zone skipped would else be left out that
day, and one that occurs twice done twice. A schedule of one time a day comes exactly once each day; one of
several may come once more in that hour, never once less.
Limit: a zone that changes its offset twice within a day is not foreseen; none does.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise

from dedicated.contract.dates import DAY, local
from dedicated.contract.recovery.schedule import HOURS, Schedule, due_times

HORIZON = 400
"""Days ahead in which a change of the zone is looked for; without one, a line is rendered anew then."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Five fields of cron in UTC, and the instant from which another line is to stand."""

    cron: str
    until: datetime

    @property
    def with_seconds(self) -> str:
        """Six fields, as CloudNativePG reads them."""
        return f"0 {self.cron}"


def rendering(schedule: Schedule, zone: str, *, now: datetime) -> Rendering:
    """The line that is to stand now."""
    steady = _shifted(schedule, _offset(zone, now))
    changed = _change(zone, now - DAY, now)
    if changed is not None and schedule.hours != HOURS:
        length = abs(_offset(zone, changed) - _offset(zone, changed - timedelta(seconds=1)))
        end = changed + length
        if now < end:
            return Rendering(_cron(_after_change(schedule, zone, changed, end, steady)), end)
    horizon = now + HORIZON * DAY
    until = next((at for at in _changes(zone, now.astimezone(UTC).date()) if now < at <= horizon), horizon)
    return Rendering(_cron(steady), until)


def _after_change(
    schedule: Schedule, zone: str, changed: datetime, end: datetime, steady: set[time]
) -> set[time]:
    """The times of UTC at which a line fires in the hour after a change of the clock."""
    due = {instant.time() for instant in due_times(schedule, zone, after=changed, until=end)}
    if len(schedule.times) > 1:
        return due | steady
    if due:
        return due
    # Nothing due: the last time that was, which comes again only when this line has gone.
    return {instant.time() for instant in due_times(schedule, zone, after=end - DAY, until=changed)} or steady


def _shifted(schedule: Schedule, offset: timedelta) -> set[time]:
    """The schedule's times in UTC while the zone has an offset."""
    midnight = datetime(2001, 1, 1, tzinfo=UTC)
    walls = (
        midnight + timedelta(hours=moment.hour, minutes=moment.minute) - offset for moment in schedule.times
    )
    return {instant.time() for instant in walls}


def _cron(moments: Iterable[time]) -> str:
    every = list(moments)
    minutes, hours = sorted({at.minute for at in every}), sorted({at.hour for at in every})
    named = "*" if tuple(hours) == HOURS else ",".join(map(str, hours))
    return f"{','.join(map(str, minutes))} {named} * * *"


def _offset(zone: str, at: datetime) -> timedelta:
    return local(at, zone).utcoffset() or timedelta(0)


@lru_cache(maxsize=256)
def _changes(zone: str, day: date) -> tuple[datetime, ...]:
    """When the zone changes its offset, from a day of UTC on until the horizon of that day's end."""
    start = datetime.combine(day, time.min, UTC)
    days = (start + number * DAY for number in range(HORIZON + 2))
    found = (_change(zone, one, other) for one, other in pairwise(days))
    return tuple(at for at in found if at is not None)


def _change(zone: str, after: datetime, until: datetime) -> datetime | None:
    """The first instant, in whole seconds, at which the offset is no longer that of `after`; by `until`."""
    before = _offset(zone, after)
    if _offset(zone, until) == before:
        return None
    start = after.astimezone(UTC).replace(microsecond=0)
    seconds = range(int((until - start).total_seconds()) + 1)
    passed = bisect_left(
        seconds, True, key=lambda second: _offset(zone, start + timedelta(seconds=second)) != before
    )
    return start + timedelta(seconds=passed)
