"""An independent, slow reading of windows and freezes (M-3, M-4): every day and every half hour is asked.

It shares nothing with the rules under test but the zone's offsets: no dateutil, no search for an instant,
no union of intervals. Starts, durations and freezes lie on half hours.
"""

import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from dedicated.contract.calendar import Calendar, Slot, Window
from dedicated.contract.dates import zone_info

HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)
NAMES = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
MONDAY_2001 = date(2001, 1, 1)


def values(rule: str, name: str) -> list[str]:
    """The values of one part of a rule."""
    found = re.search(rf"(?:^|;){name}=([^;]+)", rule)
    return found[1].split(",") if found else []


def numbers(rule: str, name: str) -> list[int]:
    """The values of one part of a rule, as numbers."""
    return [int(value) for value in values(rule, name)]


@cache
def is_named(rule: str, day: date) -> bool:
    """Whether a rule names a day."""
    frequency, interval = values(rule, "FREQ")[0], (numbers(rule, "INTERVAL") or [1])[0]
    if not fits(rule, day):
        return False
    if frequency == "WEEKLY":
        begins = NAMES.index((values(rule, "WKST") or ["MO"])[0])
        monday = MONDAY_2001 - timedelta(days=(0 - begins) % 7)
        return (day - monday).days // 7 % interval == 0
    months = (day.year - 2001) * 12 + day.month - 1
    if (months if frequency == "MONTHLY" else day.year - 2001) % interval != 0:
        return False
    positions = numbers(rule, "BYSETPOS")
    if not positions:
        return True
    in_period = [d for d in period(frequency, day) if fits(rule, d)]
    return any(
        in_period[p if p < 0 else p - 1] == day for p in positions if -len(in_period) <= p <= len(in_period)
    )


def period(frequency: str, day: date) -> list[date]:
    """The days of the month or year of a day."""
    months = [day.month] if frequency == "MONTHLY" else range(1, 13)
    return [date(day.year, m, d + 1) for m in months for d in range(monthrange(day.year, m)[1])]


def fits(rule: str, day: date) -> bool:
    """Whether a day passes the lists of a rule, its interval and positions aside."""
    length = monthrange(day.year, day.month)[1]
    month_days, weekdays = numbers(rule, "BYMONTHDAY"), values(rule, "BYDAY")
    name, before, behind = NAMES[day.weekday()], (day.day - 1) // 7, (length - day.day) // 7
    spellings = {name, f"{before + 1}{name}", f"+{before + 1}{name}", f"-{behind + 1}{name}"}
    return (
        day.month in (numbers(rule, "BYMONTH") or range(1, 13))
        and (not month_days or day.day in month_days or day.day - length - 1 in month_days)
        and (not weekdays or not spellings.isdisjoint(weekdays))
    )


def covered(calendar: Calendar, first: datetime, last: datetime) -> list[bool]:
    """For each half hour from `first` to `last`: does a window cover it, and no freeze?"""
    count = int((last - first) / HALF_HOUR)
    cells = [False] * count
    zone = zone_info(calendar.zone)
    seen = first.astimezone(zone).replace(tzinfo=None) - HALF_HOUR
    for index in range(count):
        wall = (first + index * HALF_HOUR).astimezone(zone).replace(tzinfo=None)
        for window in calendar.windows:
            if starts(window, seen, wall):
                for later in range(index, min(count, index + int(window.duration / HALF_HOUR))):
                    cells[later] = True
        seen = max(seen, wall)
    for index in range(count):
        at = first + index * HALF_HOUR
        if any(freeze.start <= at < freeze.end for freeze in calendar.freezes):
            cells[index] = False
    return cells


def starts(window: Window, seen: datetime, wall: datetime) -> bool:
    """Whether the clock on the wall comes to a start of the window, after all it has shown so far."""
    target = datetime.combine(seen.date(), window.start)
    while target <= wall:
        if target > seen and is_named(window.recurrence, target.date()):
            return True
        target += DAY
    return False


def slow_slots(calendar: Calendar, *, first: datetime, last: datetime) -> list[Slot]:
    """Runs of two hours or more of the half hours that are covered."""
    cells: Sequence[bool] = [*covered(calendar, first, last), False]
    found, start = [], None
    for index, cell in enumerate(cells):
        if cell and start is None:
            start = index
        if not cell and start is not None:
            if index - start >= 4:
                found.append(Slot(first + start * HALF_HOUR, first + index * HALF_HOUR))
            start = None
    return found


def midnight(day: date) -> datetime:
    """00:00 UTC of a day."""
    return datetime.combine(day, time.min, UTC)
