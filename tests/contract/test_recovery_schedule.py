"""Backup schedules: what is refused, the floors, and that days of a changed clock have their backups."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.calendars import ZONES, utc
from dedicated.contract.dates import local
from dedicated.contract.recovery.rendering import rendering
from dedicated.contract.recovery.schedule import (
    Schedule,
    ScheduleError,
    due_times,
    interval,
    judge_schedules,
    parse_schedule,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes", "hours"),
    [
        ("0 1 * * *", (0,), (1,)),
        ("5 0,2-23 * * *", (5,), (0, *range(2, 24))),
        ("*/30 * * * *", (0, 30), tuple(range(24))),
        ("10-50/20 * * * *", (10, 30, 50), tuple(range(24))),
        ("0 */6 * * *", (0,), (0, 6, 12, 18)),
    ],
)
def test_what_a_schedule_says(text: str, minutes: tuple[int, ...], hours: tuple[int, ...]) -> None:
    assert parse_schedule(text) == Schedule(minutes, hours)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "five fields"),
        ("0 1 * *", "five fields"),
        ("0 0 1 * * *", "five fields"),
        ("@daily", "five fields"),
        ("0 1 * * *" + " " * 100, "five fields"),
        ("0 1 1 * *", "each day"),
        ("0 1 * * 0", "each day"),
        ("60 1 * * *", "within 0 to 59"),
        ("0 24 * * *", "within 0 to 23"),
        ("0 5-2 * * *", "within 0 to 23"),
        ("0 */0 * * *", "within 0 to 23"),
        ("0 5/2 * * *", "none of"),
        ("0 1,,2 * * *", "none of"),
        ("0 H * * *", "none of"),
        ("-1 1 * * *", "none of"),
        ("0,30 1 * * *", "one minute, or every hour"),
    ],
)
def test_what_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ScheduleError, match=why):
        parse_schedule(text)


@pytest.mark.parametrize(
    ("full", "differential", "codes"),
    [
        ("0 1 * * *", "0 0,2-23 * * *", []),
        ("0 1 * * *", "0 7,13,19 * * *", []),
        ("0 1 * * *", "1 7,13,19 * * *", ["DifferentialsTooRare"]),
        ("0 1 * * *", "0 * * * *", []),
        ("0 1,7,13,19 * * *", "0 3,9,15,21 * * *", ["DifferentialsNotMoreOften"]),
        ("0 1 * * *", "0 13 * * *", ["DifferentialsTooRare", "DifferentialsNotMoreOften"]),
    ],
)
def test_the_floors(full: str, differential: str, codes: list[str]) -> None:
    found = judge_schedules(parse_schedule(full), parse_schedule(differential))
    assert [(item.code, item.responsible, item.blocks) for item in found] == [
        (code, "Provider", "Rollout") for code in codes
    ]


def test_the_interval_goes_over_midnight() -> None:
    assert interval(parse_schedule("0 1 * * *")) == DAY
    assert interval(parse_schedule("30 22 * * *"), parse_schedule("0 4 * * *")) == 18.5 * HOUR


def test_times_that_a_change_of_the_clock_brings_together_are_due_once() -> None:
    schedule = parse_schedule("0 2,3,4 * * *")
    found = due_times(schedule, "Europe/Zurich", after=utc("2026-03-29 00:00"), until=utc("2026-03-29 12:00"))
    assert list(found) == [utc("2026-03-29 01:00"), utc("2026-03-29 02:00")]


@pytest.mark.parametrize(
    ("text", "zone", "now", "cron", "until"),
    [
        ("0 1 * * *", "Europe/Zurich", "2026-01-10 12:00", "0 0 * * *", "2026-03-29 01:00"),
        ("30 2 * * *", "Europe/Zurich", "2026-03-28 12:00", "30 1 * * *", "2026-03-29 01:00"),
        ("30 2 * * *", "Europe/Zurich", "2026-03-29 01:00", "0 1 * * *", "2026-03-29 02:00"),
        ("30 2 * * *", "Europe/Zurich", "2026-03-29 02:00", "30 0 * * *", "2026-10-25 01:00"),
        ("30 2 * * *", "Europe/Zurich", "2026-10-25 01:00", "30 0 * * *", "2026-10-25 02:00"),
        ("30 2 * * *", "Europe/Zurich", "2026-10-25 02:00", "30 1 * * *", "2027-03-28 01:00"),
        ("0 * * * *", "Europe/Zurich", "2026-03-29 01:10", "0 * * * *", "2026-10-25 01:00"),
        ("0 0,2-23 * * *", "Asia/Kolkata", "2026-01-01 00:00", None, "2027-02-05 00:00"),
        ("15 4 * * *", "Asia/Kolkata", "2026-01-01 00:00", "45 22 * * *", "2027-02-05 00:00"),
    ],
)
def test_lines_of_cron(text: str, zone: str, now: str, cron: str | None, until: str) -> None:
    found = rendering(parse_schedule(text), zone, now=utc(now))
    hours = sorted((hour + 18) % 24 for hour in (0, *range(2, 24)))
    assert found.cron == (cron or f"30 {','.join(map(str, hours))} * * *")
    assert found.until == utc(until)
    assert found.with_seconds == f"0 {found.cron}"


def fired(schedule: Schedule, zone: str) -> Iterator[datetime]:
    """When an engine that reads cron in UTC fires in a year, while each line stands for its time."""
    now = FIRST
    while now < LAST:
        line = rendering(schedule, zone, now=now)
        assert line.until > now
        minutes, hours = (field.split(",") for field in line.cron.split()[:2])
        day = datetime(now.year, now.month, now.day, tzinfo=UTC)
        while day < min(line.until, LAST):
            for hour in range(24):
                if hours != ["*"] and str(hour) not in hours:
                    continue
                for minute in map(int, minutes):
                    instant = day + timedelta(hours=hour, minutes=minute)
                    if now <= instant < min(line.until, LAST):
                        yield instant
            day += DAY
        now = line.until


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ZONES), st.integers(0, 47))
@example("Europe/Zurich", 5)
@example("Europe/Zurich", 4)
@example("America/New_York", 3)
@example("Australia/Lord_Howe", 3)
@example("Australia/Lord_Howe", 4)
def test_each_day_has_exactly_one_full_backup(zone: str, place: int) -> None:
    schedule = Schedule((place % 2 * 30,), (place // 2,))
    found = list(fired(schedule, zone))
    assert found == list(due_times(schedule, zone, after=FIRST, until=LAST))
    days = Counter(local(instant, zone).date() for instant in found)
    inside = [count for day, count in days.items() if FIRST.date() < day < LAST.date() - DAY]
    assert set(inside) == {1}
    assert len(inside) in {362, 363}


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(ZONES), st.sets(st.integers(0, 23), min_size=2, max_size=6), st.sampled_from([0, 30]))
@example("Australia/Lord_Howe", {2, 8, 14, 20}, 0)
@example("Europe/Zurich", {2, 3}, 30)
def test_several_times_a_day_are_never_fewer(zone: str, hours: set[int], minute: int) -> None:
    schedule = Schedule((minute,), tuple(sorted(hours)))
    found, due = set(fired(schedule, zone)), set(due_times(schedule, zone, after=FIRST, until=LAST))
    assert due <= found
    assert len(found - due) <= 6
