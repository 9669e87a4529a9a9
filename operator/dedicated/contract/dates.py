"""Words of time in the contract: days, months, working days, business hours (contract.md K-1 to K-5).

All instants are timezone-aware and come back in UTC; `zone` is an IANA name, the contract zone (K-1).
Zone rules are those of the pinned `tzdata` package and of nothing else, so that the same facts give the
same dates on every machine; a change of a zone's rules arrives with an upgrade of the operator and moves
future local dates only. A local time that the zone skips means the next valid instant; one that occurs
twice means its first occurrence.
Limit: where a zone sets its clocks back over midnight (none has since 2011), the repeated minutes belong
to the day that the clock shows.
"""

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from dedicated.api.conditions import rfc3339

DAY = timedelta(days=1)
SATURDAY = 5


class UnknownZoneError(ValueError):
    """A zone that the zone data does not hold."""


class HolidaysMissingError(ValueError):
    """A year for which no public holidays are known: never taken for a year without any (K-3)."""


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@cache
def zone_info(zone: str) -> ZoneInfo:
    """The rules of a zone. Raises UnknownZoneError for anything but an IANA name."""
    if zone not in _zone_names():
        raise UnknownZoneError(f"{zone!r} is not an IANA time zone; name one, such as Europe/Zurich")
    with resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=zone)


def earliest(*instants: datetime | None) -> datetime | None:
    """The first of those that there are; None where there is none."""
    return min((at for at in instants if at is not None), default=None)


def local(instant: datetime, zone: str) -> datetime:
    """What a clock on the wall in the zone shows at an instant, with its offset."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(zone_info(zone))


def wall(instant: datetime, zone: str) -> str:
    """An instant for people, as a clock on the wall in the zone shows it, with the zone."""
    return f"{local(instant, zone):%Y-%m-%d %H:%M} {zone}"


def wall_span(start: datetime, end: datetime, zone: str) -> str:
    """A stretch in the same words; the end without its day where both are of one."""
    first, last = local(start, zone), local(end, zone)
    until = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M} to {until} {zone}"


def when(instant: datetime, zone: str) -> str:
    """An instant for people: UTC, and what the clock on the wall in the zone shows."""
    return f"{rfc3339(instant)} ({wall(instant, zone)})"


@lru_cache(maxsize=4096)
def instant_of(wall: datetime, zone: str) -> datetime:
    """The first instant at which a clock on the wall in the zone shows `wall` (naive), or later."""
    rules = zone_info(zone)
    before = wall.replace(tzinfo=rules, fold=0).astimezone(UTC)
    if before.astimezone(rules).replace(tzinfo=None) == wall:
        return before
    # Skipped by the zone: with the offset of before the gap the instant lies behind it, with that of
    # after the gap in front of it. In between, the clock on the wall only moves forward.
    start = wall.replace(tzinfo=rules, fold=1).astimezone(UTC)
    seconds = range(int((before - start).total_seconds()))
    passed = bisect_left(
        seconds,
        wall,
        key=lambda second: (start + timedelta(seconds=second)).astimezone(rules).replace(tzinfo=None),
    )
    return start.replace(microsecond=0) + timedelta(seconds=passed)


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: str) -> datetime:
    """00:00 of a local day, or its first valid instant."""
    return instant_of(datetime.combine(day, time.min), zone)


def end_of_days(event: datetime, n: int, zone: str) -> datetime:
    """The deadline "within n days" of an event (K-2): it has passed when now >= deadline.

    Calendar days, the day of the event not counted: local midnight after n more days, but never earlier
    than n x 24 h after the event.
    """
    midnight = start_of_day(local(event, zone).date() + (n + 1) * DAY, zone)
    return max(midnight, event.astimezone(UTC) + n * DAY)


def end_of_months_after(event: datetime, n: int, zone: str) -> datetime:
    """The end of the same day of the month n months on, cut to that month's last day (K-5)."""
    day = local(event, zone).date()
    return start_of_day(Month(day.year, day.month).plus(n).day(day.day) + DAY, zone)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month (K-4); `number` is 1 to 12. It has instants only together with a zone."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    def plus(self, n: int) -> "Month":
        """The month n months on; n may be negative."""
        years, index = divmod(self.number - 1 + n, 12)
        return Month(self.year + years, index + 1)

    def day(self, number: int) -> date:
        """A day of the month, or its last where it has fewer."""
        return date(self.year, self.number, min(number, monthrange(self.year, self.number)[1]))

    def start(self, zone: str) -> datetime:
        """00:00 on the 1st in the zone."""
        return start_of_day(date(self.year, self.number, 1), zone)

    def end(self, zone: str) -> datetime:
        """00:00 on the next 1st in the zone, which is no longer of this month."""
        return self.plus(1).start(zone)


def month_of(instant: datetime, zone: str) -> Month:
    """The calendar month in which an instant lies, in the zone."""
    day = local(instant, zone)
    return Month(day.year, day.month)


@dataclass(frozen=True, slots=True)
class Holidays:
    """Public holidays by year, in the zone whose days they are (K-3). A year not held is not known."""

    zone: str
    years: Mapping[int, frozenset[date]]

    def is_working_day(self, day: date) -> bool:
        """Monday to Friday without public holidays. Raises HolidaysMissingError for a year not held."""
        if day.year not in self.years:
            held = f"{min(self.years)} to {max(self.years)}" if self.years else "no year"
            raise HolidaysMissingError(
                f"the public holidays of {day.year} are not known (the table holds {held}), so its working "
                "days cannot be counted; add the year to the table"
            )
        return day.weekday() < SATURDAY and day not in self.years[day.year]

    def working_days_from(self, day: date) -> Iterator[date]:
        """The working days from a day on, that day included if it is one."""
        while True:
            if self.is_working_day(day):
                yield day
            day += DAY


@dataclass(frozen=True, slots=True)
class SupportHours:
    """The hours of a working day in which support is given, by local time (K-3, SU-1)."""

    start: time
    end: time


BUSINESS = SupportHours(time(8), time(17))
EXTENDED = SupportHours(time(7), time(19))


def end_of_working_days(event: datetime, n: int, holidays: Holidays) -> datetime:
    """The end of the n-th working day after an event, n >= 1, the event's own day not counted (K-3, M-12).

    Raises HolidaysMissingError where a year is needed that the table does not hold.
    """
    days = holidays.working_days_from(local(event, holidays.zone).date() + DAY)
    for _ in range(n - 1):
        next(days)
    return start_of_day(next(days) + DAY, holidays.zone)


def end_of_support_hours(
    event: datetime, amount: timedelta, *, hours: SupportHours, holidays: Holidays
) -> datetime:
    """The instant at which `amount` of support time has elapsed since an event (SU-2, SU-5).

    Raises HolidaysMissingError where a year is needed that the table does not hold.
    """
    now, left = event.astimezone(UTC), amount
    days = holidays.working_days_from(local(event, holidays.zone).date())
    while True:
        day = next(days)
        start = max(now, instant_of(datetime.combine(day, hours.start), holidays.zone))
        end = max(start, instant_of(datetime.combine(day, hours.end), holidays.zone))
        if left <= end - start:
            return start + left
        left -= end - start
