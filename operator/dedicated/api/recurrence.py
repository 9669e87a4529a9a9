"""Recurrence of maintenance windows (M-4): a subset of RFC 5545 RRULE, read strictly.

What the subset leaves out is refused with what to write instead, and so is what libraries fill in or mix
up (a rule that names no day; weekdays with and without a position in one list). A rule has neither
beginning nor end; which days it names is told by `contract.calendar`.
"""

import re
from calendar import monthrange
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

ORDINARY_YEAR = 2001
LENGTH = 256
"""Characters of a recurrence."""
FREQUENCIES = {"WEEKLY": 13, "MONTHLY": 3, "YEARLY": 1}
"""The longest INTERVAL with which a rule can come once in three months; a yearly one names its months."""
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
NUMBERS = {
    "INTERVAL": range(1, 1000),
    "BYMONTH": range(1, 13),
    "BYMONTHDAY": range(1, 32),
    "BYSETPOS": range(1, 367),
}
SIGNED = frozenset({"BYMONTHDAY", "BYSETPOS"})
"""Numbers that may also count from the end."""
SINGLE = frozenset({"FREQ", "INTERVAL", "WKST"})
EXAMPLE = "write a rule such as FREQ=MONTHLY;BYDAY=2SU"
NOT_IN_SUBSET = {
    "COUNT": ("a window has no end", "remove COUNT, and the window from the spec when it ends"),
    "UNTIL": ("a window has no end", "remove UNTIL, and the window from the spec when it ends"),
    "BYHOUR": ("the time of day is the window's own", "set the window's start"),
    "BYMINUTE": ("the time of day is the window's own", "set the window's start"),
    "BYSECOND": ("the time of day is the window's own", "set the window's start"),
    "RRULE:FREQ": ("the prefix is no part of the rule", "remove RRULE:"),
}


class RecurrenceError(ValueError):
    """A rule outside the subset: the field, what it says, why that is refused, and what to write."""

    def __init__(self, field: str, value: str, *, reason: str, fix: str) -> None:
        self.field = field
        self.value = value
        self.reason = reason
        self.fix = fix
        super().__init__(f"recurrence: {field} is {value[:64]!r}: {reason}; {fix}")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A recurrence. `weekdays` are (0 for Monday, position in the month); position 0 is every one."""

    frequency: str
    interval: int
    months: tuple[int, ...]
    weekdays: tuple[tuple[int, int], ...]
    month_days: tuple[int, ...]
    positions: tuple[int, ...]
    week_start: int


@lru_cache(maxsize=4096)
def parse_recurrence(text: str) -> Recurrence:
    """The rule that a text such as `FREQ=MONTHLY;BYDAY=2SU` states. Raises RecurrenceError."""
    fields = _fields(text)
    frequency = fields.get("FREQ", "")
    if frequency not in FREQUENCIES:
        reason = "a window comes weekly, monthly or yearly"
        fix = "write FREQ=WEEKLY (every day: with all of them in BYDAY), FREQ=MONTHLY or FREQ=YEARLY"
        raise RecurrenceError("FREQ", frequency, reason=reason, fix=fix)
    first_of_week = fields.get("WKST", "MO")
    if first_of_week not in WEEKDAYS:
        raise RecurrenceError("WKST", first_of_week, reason="is not a weekday", fix="write WKST=MO")
    recurrence = Recurrence(
        frequency=frequency,
        interval=next(iter(_numbers("INTERVAL", fields)), 1),
        months=_numbers("BYMONTH", fields),
        weekdays=_weekdays(fields),
        month_days=_numbers("BYMONTHDAY", fields),
        positions=_numbers("BYSETPOS", fields),
        week_start=WEEKDAYS.index(first_of_week),
    )
    for field, reason, fix in _contradictions(recurrence):
        raise RecurrenceError(field, fields.get(field, ""), reason=reason, fix=fix)
    return recurrence


def _fields(text: str) -> Mapping[str, str]:
    if len(text) > LENGTH:
        raise RecurrenceError("rule", text, reason=f"has more than {LENGTH} characters", fix=EXAMPLE)
    fields: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not (equals and value):
            raise RecurrenceError("rule", text, reason=f"{part[:32]!r} is not NAME=VALUE", fix=EXAMPLE)
        if name in fields:
            raise RecurrenceError(name, value, reason="stands twice", fix=f"write {name} once")
        if name not in {*NUMBERS, *SINGLE, "BYDAY"}:
            reason, fix = NOT_IN_SUBSET.get(name, ("is not supported", f"remove it; {EXAMPLE}"))
            raise RecurrenceError(name, value, reason=reason, fix=fix)
        fields[name] = value
    return fields


def _values(name: str, fields: Mapping[str, str]) -> list[str]:
    if name not in fields:
        return []
    return [fields[name]] if name in SINGLE else fields[name].split(",")


def _numbers(name: str, fields: Mapping[str, str]) -> tuple[int, ...]:
    allowed = NUMBERS[name]
    form = re.compile("[+-]?[0-9]{1,3}" if name in SIGNED else "[0-9]{1,3}")
    found = set()
    for value in _values(name, fields):
        if not form.fullmatch(value) or abs(int(value)) not in allowed:
            reason = f"{value[:16]!r} is not a whole number from {allowed[0]} to {allowed[-1]}"
            fix = f"write such a number{', or the same with a minus' if name in SIGNED else ''}"
            raise RecurrenceError(name, fields[name], reason=reason, fix=fix)
        found.add(int(value))
    return tuple(sorted(found))


def _weekdays(fields: Mapping[str, str]) -> tuple[tuple[int, int], ...]:
    found = set()
    for value in _values("BYDAY", fields):
        parts = re.fullmatch(f"([+-]?[1-5])?({'|'.join(WEEKDAYS)})", value)
        if parts is None:
            reason = f"{value[:16]!r} is not a weekday, such as SU, 2SU or -1SU"
            raise RecurrenceError("BYDAY", fields["BYDAY"], reason=reason, fix="write such weekdays")
        found.add((WEEKDAYS.index(parts[2]), int(parts[1] or 0)))
    return tuple(sorted(found))


def _contradictions(recurrence: Recurrence) -> Iterator[tuple[str, str, str]]:
    """Field, reason and fix of what the fields of a rule say only together."""
    with_position = [position != 0 for _, position in recurrence.weekdays]
    if recurrence.frequency == "WEEKLY":
        if not recurrence.weekdays or any(with_position):
            yield "BYDAY", "a weekly window names its weekdays", "write them without a position, as BYDAY=SU"
        if recurrence.month_days:
            yield "BYMONTHDAY", "a weekly window has no days of a month", "write FREQ=MONTHLY"
        if recurrence.positions:
            yield "BYSETPOS", "a weekly window names its weekdays", "remove BYSETPOS, list the days in BYDAY"
        return
    if bool(recurrence.weekdays) == bool(recurrence.month_days):
        reason = "a monthly or yearly window names either weekdays or days of the month"
        yield "BYDAY", reason, "write one of BYDAY and BYMONTHDAY"
    if any(with_position) and not all(with_position):
        yield "BYDAY", "mixes weekdays with and without a position", "write two windows"
    if recurrence.frequency == "YEARLY" and not recurrence.months:
        yield "BYMONTH", "a yearly window names its months", "write BYMONTH, or FREQ=MONTHLY for all of them"


def is_rarer_than_quarterly(rules: Collection[Recurrence]) -> bool:
    """Whether the rules of all windows alone show that these come more rarely than each three months (M-3).

    True where some three consecutive months have no window in an ordinary year. What only the calendar
    shows (a fifth Monday, a freeze) is left to `floor.first_gap`.
    """
    named = frozenset[int]().union(*map(_months_named, rules))
    return any(named.isdisjoint({m, m % 12 + 1, (m + 1) % 12 + 1}) for m in range(1, 13))


def _months_named(recurrence: Recurrence) -> frozenset[int]:
    """The months in which a rule can come every year; none if it comes too rarely whatever the month."""
    if recurrence.interval > FREQUENCIES[recurrence.frequency]:
        return frozenset()
    if recurrence.frequency == "YEARLY" and 0 < len(recurrence.positions) < 4:
        return frozenset()
    step = recurrence.interval if recurrence.frequency == "MONTHLY" else 1
    least = min(map(abs, recurrence.month_days), default=1)
    return frozenset(
        month
        for month in recurrence.months or range(1, 13)
        if (month - 1) % step == 0 and least <= monthrange(ORDINARY_YEAR, month)[1]
    )
