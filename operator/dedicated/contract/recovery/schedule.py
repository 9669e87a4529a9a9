"""Backup schedules (B-1, B-2): times of each day in the contract zone, written as cron.

A full backup is due each day and a differential several times a day, so of cron's five fields only minute
and hour are free; the other three are `*`, and what they could say is refused rather than half supported.
A schedule names one minute, or every hour: then it remains one line of cron in any zone.

A time that the zone skips is due at the next valid instant, one that occurs twice is due once, at the
first (K-1). Distances are those of the clock on the wall: the night of a change to winter time adds an hour.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, product

from dedicated.api.duration import duration_text
from dedicated.api.findings import Finding
from dedicated.contract.dates import DAY, instant_of, local

FARTHEST = timedelta(hours=6)
"""Between two backups, full or differential (B-2)."""
PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
LENGTH = 100
"""Characters of a schedule."""
HOURS = tuple(range(24))


class ScheduleError(ValueError):
    """A schedule outside the subset: what it says, why that is refused, and what to write."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"schedule {text[:LENGTH]!r}: {reason}; write one such as '0 1 * * *'")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times of each day: all of the minutes in all of the hours."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]

    @property
    def times(self) -> tuple[time, ...]:
        """The times of a day, in order."""
        return tuple(time(hour, minute) for hour, minute in product(self.hours, self.minutes))


@lru_cache(maxsize=256)
def parse_schedule(text: str) -> Schedule:
    """The schedule that a text such as `0 1 * * *` states. Raises ScheduleError."""
    fields = text.split() if len(text) <= LENGTH else []
    if len(fields) != 5:
        raise ScheduleError(text, "it needs five fields: minute, hour, and three times *")
    if fields[2:] != ["*", "*", "*"]:
        raise ScheduleError(text, "a backup comes each day, so day and month must be * (B-1)")
    minutes, hours = (_numbers(text, field, top) for field, top in zip(fields, (59, 23), strict=False))
    if len(minutes) > 1 and hours != HOURS:
        raise ScheduleError(text, "it must name one minute, or every hour")
    return Schedule(minutes, hours)


def _numbers(text: str, field: str, top: int) -> tuple[int, ...]:
    """The numbers of a field, from 0 to `top`."""
    found: set[int] = set()
    for part in field.split(","):
        parts = PART.fullmatch(part)
        if parts is None or (parts[1] and parts[3] and not parts[2]):
            raise ScheduleError(text, f"{part!r} is none of *, */3, 5, 5-8, 5-8/2")
        first, last = int(parts[1] or 0), int(parts[2] or parts[1] or top)
        step = int(parts[3] or 1)
        if not (first <= last <= top and 1 <= step <= top):
            raise ScheduleError(text, f"{part!r} is not within 0 to {top}")
        found.update(range(first, last + 1, step))
    return tuple(sorted(found))


def due_times(schedule: Schedule, zone: str, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """The instants from `after` to before `until` at which a backup is due, in order, each once."""
    day, last = local(after, zone).date() - DAY, local(until, zone).date()
    previous: datetime | None = None
    while day <= last:
        for moment in schedule.times:
            instant = instant_of(datetime.combine(day, moment), zone)
            if after <= instant < until and instant != previous:
                yield instant
                previous = instant
        day += DAY


def interval(*schedules: Schedule) -> timedelta:
    """The longest time from one backup of any of the schedules to the next, by the clock on the wall."""
    moments = sorted({moment for schedule in schedules for moment in schedule.times})
    minutes = [moment.hour * 60 + moment.minute for moment in moments]
    return timedelta(minutes=max(other - one for one, other in pairwise([*minutes, minutes[0] + 24 * 60])))


def judge_schedules(full: Schedule, differential: Schedule) -> tuple[Finding, ...]:
    """What of the schedules is below the contract's floor (B-1, B-2)."""
    found = []
    farthest = interval(full, differential)
    if farthest > FARTHEST:
        found.append(
            Finding(
                code="DifferentialsTooRare",
                responsible="Provider",
                message=f"{duration_text(farthest)} between two backups, at most {duration_text(FARTHEST)} "
                "is allowed (B-2)",
                action="name more hours in the schedule of differentials",
                blocks="Rollout",
            )
        )
    if len(differential.times) <= len(full.times):
        found.append(
            Finding(
                code="DifferentialsNotMoreOften",
                responsible="Provider",
                message=f"{len(differential.times)} differentials and {len(full.times)} full backups a day; "
                "differentials come on much higher frequency (B-2)",
                action="name more hours in the schedule of differentials",
                blocks="Rollout",
            )
        )
    return tuple(found)
