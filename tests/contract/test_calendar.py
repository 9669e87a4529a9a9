"""Windows as slots: nights of a zone's change, unions, freezes, the provider's spread (M-1, M-3, M-4)."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.calendars import ZONES, calendars, utc
from contract.slow_calendar import slow_slots
from dedicated.api.maintenance import SHORTEST_WINDOW
from dedicated.api.recurrence import RecurrenceError, parse_recurrence
from dedicated.contract.calendar import (
    Calendar,
    Freeze,
    Slot,
    Window,
    days,
    default_window,
    next_slot,
    slots,
)
from dedicated.contract.dates import Month, end_of_working_days, instant_of, local
from dedicated.contract.holidays import swiss_holidays

ZURICH = "Europe/Zurich"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def calendar(
    *windows: tuple[str, str, float], zone: str = ZURICH, freezes: tuple[Freeze, ...] = ()
) -> Calendar:
    """A calendar of windows (rule, local start, hours)."""
    made = (Window(rule, time.fromisoformat(start), hours * HOUR) for rule, start, hours in windows)
    return Calendar(zone, tuple(made), freezes)


def found(of: Calendar, after: str, until: str) -> list[tuple[str, str]]:
    """Slots as text, in UTC."""
    return [
        (f"{slot.start:%Y-%m-%d %H:%M}", f"{slot.end:%Y-%m-%d %H:%M}")
        for slot in slots(of, after=utc(after), until=utc(until))
    ]


SUNDAYS = "FREQ=WEEKLY;BYDAY=SU"


@pytest.mark.parametrize(
    ("zone", "night", "start", "slot"),
    [
        # The clock is put forward: what it skips moves to the next valid instant.
        (ZURICH, "2026-03-29", "01:00", ("2026-03-29 00:00", "2026-03-29 04:00")),
        (ZURICH, "2026-03-29", "02:00", ("2026-03-29 01:00", "2026-03-29 05:00")),
        (ZURICH, "2026-03-29", "02:30", ("2026-03-29 01:00", "2026-03-29 05:00")),
        (ZURICH, "2026-03-29", "03:00", ("2026-03-29 01:00", "2026-03-29 05:00")),
        ("America/New_York", "2026-03-08", "01:30", ("2026-03-08 06:30", "2026-03-08 10:30")),
        ("America/New_York", "2026-03-08", "02:30", ("2026-03-08 07:00", "2026-03-08 11:00")),
        ("Australia/Lord_Howe", "2026-10-04", "02:00", ("2026-10-03 15:30", "2026-10-03 19:30")),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", ("2026-10-03 15:30", "2026-10-03 19:30")),
        ("Australia/Lord_Howe", "2026-10-04", "02:30", ("2026-10-03 15:30", "2026-10-03 19:30")),
        ("UTC", "2026-03-29", "02:30", ("2026-03-29 02:30", "2026-03-29 06:30")),
        # The clock is put back: what it shows twice counts once, at the first.
        (ZURICH, "2026-10-25", "01:00", ("2026-10-24 23:00", "2026-10-25 03:00")),
        (ZURICH, "2026-10-25", "02:30", ("2026-10-25 00:30", "2026-10-25 04:30")),
        (ZURICH, "2026-10-25", "03:00", ("2026-10-25 02:00", "2026-10-25 06:00")),
        ("America/New_York", "2026-11-01", "01:30", ("2026-11-01 05:30", "2026-11-01 09:30")),
        ("America/New_York", "2026-11-01", "02:00", ("2026-11-01 07:00", "2026-11-01 11:00")),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", ("2026-04-04 14:45", "2026-04-04 18:45")),
        ("Australia/Lord_Howe", "2026-04-05", "02:00", ("2026-04-04 15:30", "2026-04-04 19:30")),
        ("UTC", "2026-10-25", "02:30", ("2026-10-25 02:30", "2026-10-25 06:30")),
    ],
)
def test_both_nights_of_a_change_of_time(zone: str, night: str, start: str, slot: tuple[str, str]) -> None:
    noon_before = (date.fromisoformat(night) - DAY).isoformat() + " 12:00"
    one_night = found(calendar((SUNDAYS, start, 4), zone=zone), noon_before, night + " 14:00")
    assert one_night == [slot]


@pytest.mark.parametrize(
    ("zone", "rule", "start", "after", "until", "starts"),
    [
        # Mexico gave summer time up in 2022, Turkey winter time in 2016: the wall clock decides.
        ("America/Mexico_City", "FREQ=MONTHLY;BYMONTHDAY=1;BYMONTH=7", "02:00", "2022-01-01", "2024-01-01",
         ["2022-07-01 07:00", "2023-07-01 08:00"]),
        ("Europe/Istanbul", "FREQ=MONTHLY;BYMONTHDAY=1;BYMONTH=1", "02:00", "2015-12-01", "2017-12-01",
         ["2016-01-01 00:00", "2016-12-31 23:00"]),
        # Samoa had no 2011-12-30: its window comes with the next valid instant, 31 December 00:00.
        ("Pacific/Apia", "FREQ=WEEKLY;BYDAY=FR", "02:00", "2011-12-24", "2012-01-07",
         ["2011-12-30 10:00", "2012-01-05 12:00"]),
        # Leap days come when they come.
        ("UTC", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "02:00", "2024-01-01", "2033-01-01",
         ["2024-02-29 02:00", "2028-02-29 02:00", "2032-02-29 02:00"]),
        ("UTC", "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=-1", "02:00", "2027-01-01", "2029-01-01",
         ["2027-02-28 02:00", "2028-02-29 02:00"]),
        # Intervals count from 2001-01-01, so every third month is January, April, July and October ...
        ("UTC", "FREQ=MONTHLY;INTERVAL=3;BYDAY=1SU", "02:00", "2026-02-01", "2027-01-01",
         ["2026-04-05 02:00", "2026-07-05 02:00", "2026-10-04 02:00"]),
        # ... and every second week the same for all, also where a week begins on Sunday.
        ("UTC", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", "02:00", "2026-01-01", "2026-02-01",
         ["2026-01-04 02:00", "2026-01-18 02:00"]),
        ("UTC", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=SU", "02:00", "2026-01-01", "2026-02-01",
         ["2026-01-11 02:00", "2026-01-25 02:00"]),
        ("UTC", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "02:00", "2026-01-01", "2026-04-01",
         ["2026-01-30 02:00", "2026-02-27 02:00", "2026-03-31 02:00"]),
    ],
)  # fmt: skip
def test_days_named_by_rules(
    zone: str, rule: str, start: str, after: str, until: str, starts: list[str]
) -> None:
    assert [at for at, _ in found(calendar((rule, start, 4), zone=zone), after, until)] == starts


def test_a_window_over_midnight_is_one_slot() -> None:
    night = calendar(("FREQ=WEEKLY;BYDAY=SA", "22:00", 6))
    assert found(night, "2026-06-01", "2026-06-08") == [("2026-06-06 20:00", "2026-06-07 02:00")]
    assert found(night, "2026-06-07 01:59", "2026-06-08") == [("2026-06-06 20:00", "2026-06-07 02:00")]
    assert found(night, "2026-06-07 02:00", "2026-06-08") == []
    assert found(night, "2026-06-01", "2026-06-06 20:00") == []


def test_windows_that_overlap_or_touch_are_one_slot() -> None:
    three = calendar((SUNDAYS, "02:00", 3), (SUNDAYS, "04:00", 3), ("FREQ=WEEKLY;BYDAY=SA", "22:00", 4))
    assert found(three, "2026-06-01", "2026-06-08") == [("2026-06-06 20:00", "2026-06-07 05:00")]
    assert found(three, "2026-06-07 04:59", "2026-06-08") == [("2026-06-06 20:00", "2026-06-07 05:00")]
    assert found(three, "2026-06-01", "2026-06-06 21:00") == [("2026-06-06 20:00", "2026-06-07 05:00")]


def test_a_window_within_another_adds_nothing() -> None:
    two = calendar((SUNDAYS, "02:00", 6), (SUNDAYS, "03:00", 2))
    assert found(two, "2026-06-01", "2026-06-08") == [("2026-06-07 00:00", "2026-06-07 06:00")]


def test_windows_without_a_gap_are_followed_for_a_week() -> None:
    always = calendar(("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", "00:00", 25))
    (slot,) = slots(always, after=utc("2026-06-15"), until=utc("2026-06-16"))
    assert slot.start < utc("2026-06-15") - 7 * DAY
    assert slot.end > utc("2026-06-16") + 6 * DAY


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        ("2026-06-07 01:00", "2026-06-07 01:30", [("22:00", "01:00"), ("01:30", "04:00")]),
        ("2026-06-07 00:00", "2026-06-07 01:30", [("22:00", "00:00"), ("01:30", "04:00")]),
        ("2026-06-06 23:59", "2026-06-07 02:00", [("02:00", "04:00")]),
        ("2026-06-06 23:59", "2026-06-07 02:01", []),
        ("2026-06-01 00:00", "2026-06-06 22:00", [("22:00", "04:00")]),
        ("2026-06-07 04:00", "2026-06-08 00:00", [("22:00", "04:00")]),
        ("2026-06-07 02:00", "2026-06-07 01:00", [("22:00", "04:00")]),
        ("2026-01-01 00:00", "2027-01-01 00:00", []),
    ],
)
def test_a_freeze_is_cut_out_and_short_remains_do_not_count(
    start: str, end: str, left: list[tuple[str, str]]
) -> None:
    frozen = calendar(("FREQ=WEEKLY;BYDAY=SU", "00:00", 6), freezes=(Freeze(utc(start), utc(end), "audit"),))
    assert [(a[-5:], b[-5:]) for a, b in found(frozen, "2026-06-01", "2026-06-08")] == left


def test_the_next_slot_has_room_and_starts_in_time() -> None:
    windows = calendar((SUNDAYS, "02:00", 3), ("FREQ=MONTHLY;BYDAY=3WE", "22:00", 6))
    sunday = Slot(utc("2026-06-07 00:00"), utc("2026-06-07 03:00"))
    wednesday = Slot(utc("2026-06-17 20:00"), utc("2026-06-18 02:00"))

    def following(after: str, hours: float, before: str = "2026-07-01") -> Slot | None:
        return next_slot(windows, after=utc(after), lasting=hours * HOUR, before=utc(before))

    assert following("2026-06-01", 3) == sunday
    assert following("2026-06-07 01:00", 2) == sunday
    assert following("2026-06-07 01:00", 2.5) != sunday
    assert following("2026-06-01", 3.5) == wednesday
    assert following("2026-06-01", 6, before="2026-06-17 20:00") is None
    assert following("2026-06-01", 6.5) is None


def test_the_room_of_joined_windows_counts_beyond_the_last_start() -> None:
    night = calendar(("FREQ=WEEKLY;BYDAY=SA", "22:00", 4), (SUNDAYS, "01:00", 4))
    slot = next_slot(night, after=utc("2026-06-01"), lasting=7 * HOUR, before=utc("2026-06-06 20:01"))
    assert slot == Slot(utc("2026-06-06 20:00"), utc("2026-06-07 03:00"))


def test_without_windows_there_is_no_slot() -> None:
    assert found(Calendar(ZURICH, ()), "2026-01-01", "2036-01-01") == []


def test_a_recurrence_outside_the_subset_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="FREQ"):
        found(calendar(("FREQ=HOURLY", "02:00", 4)), "2026-01-01", "2026-02-01")


CHANGES = [utc("2026-03-01"), utc("2026-03-20"), utc("2026-09-25"), utc("2026-10-20"), utc("2024-02-20")]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(CHANGES))
def test_slots_are_those_of_a_slow_reading(data: st.DataObject, first: datetime) -> None:
    made = data.draw(calendars(first=first, days=24))
    last = first + 24 * DAY
    slow = slow_slots(made, first=first - 10 * DAY, last=last + 10 * DAY)
    expected = [slot for slot in slow if slot.end > first and slot.start < last]
    quick = list(slots(made, after=first, until=last))
    if all(slot.start > first - 7 * DAY and slot.end < last + 7 * DAY for slot in expected):
        assert quick == expected
    else:  # windows without a gap for a week: known within the stretch
        assert [(max(s.start, first), min(s.end, last)) for s in quick] == [
            (max(s.start, first), min(s.end, last)) for s in expected
        ]


@settings(max_examples=60, deadline=None)
@given(calendars(first=utc("2024-01-01"), days=3650))
def test_over_ten_years_slots_are_ordered_apart_long_enough_and_never_frozen(made: Calendar) -> None:
    after, until = utc("2024-01-01"), utc("2034-01-01")
    last_end = datetime.min.replace(tzinfo=UTC)
    starts = [
        instant_of(datetime.combine(day, window.start), made.zone)
        for window in made.windows
        for day in days(parse_recurrence(window.recurrence), first=date(2023, 12, 1), last=date(2034, 2, 1))
    ]
    edges = {*starts, *(freeze.end for freeze in made.freezes)}
    for slot in slots(made, after=after, until=until):
        assert last_end < slot.start
        assert slot.end > after
        assert slot.start < until
        assert slot.end - slot.start >= SHORTEST_WINDOW
        assert slot.start in edges
        assert not any(
            freeze.start < freeze.end and freeze.start < slot.end and slot.start < freeze.end
            for freeze in made.freezes
        )
        last_end = slot.end


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_neither_the_order_of_windows_nor_the_moment_of_asking_changes_a_slot(data: st.DataObject) -> None:
    first = utc("2026-01-01")
    made = data.draw(calendars(first=first, days=365))
    mixed = Calendar(
        made.zone,
        tuple(data.draw(st.permutations(made.windows))),
        tuple(data.draw(st.permutations(made.freezes))),
    )
    later = first + data.draw(st.integers(0, 365 * 24)) * HOUR
    whole = list(slots(made, after=first, until=utc("2027-06-01")))
    if max((slot.end - slot.start for slot in whole), default=DAY) < 6 * DAY:
        asked_later = list(slots(mixed, after=later, until=utc("2027-06-01")))
        assert asked_later == [slot for slot in whole if slot.end > later]


NAMES = [f"tenant-{n}/instance-{n}" for n in range(1000)]


def test_the_providers_windows_spread_a_thousand_instances() -> None:
    windows = [default_window(name) for name in NAMES]
    month = list(slots(Calendar(ZURICH, tuple(windows)), after=utc("2026-06-01"), until=utc("2026-07-01")))
    assert all(15 <= local(slot.start, ZURICH).day <= 29 for slot in month)
    starts = [
        next(slots(Calendar(ZURICH, (window,)), after=utc("2026-06-01"), until=utc("2026-07-01"))).start
        for window in windows
    ]
    of_minute = Counter(starts)
    of_ten_minutes = Counter(start.replace(minute=start.minute // 10 * 10) for start in starts)
    of_night = Counter((start - 12 * HOUR).date() for start in starts)
    assert max(of_minute.values()) <= 4
    assert max(of_ten_minutes.values()) <= 14
    assert len(of_night) >= 10
    assert max(of_night.values()) <= 130
    assert len(of_minute) >= 780


def test_the_providers_window_is_kept_at_night_before_working_days_with_its_notice() -> None:
    for name in NAMES[::10]:
        own = Calendar(ZURICH, (default_window(name),))
        for slot in slots(own, after=utc("2026-01-01"), until=utc("2028-01-01")):
            start, end = local(slot.start, ZURICH), local(slot.end, ZURICH)
            assert slot.end - slot.start == 4 * HOUR
            assert start.hour >= 22 or start.hour < 2
            assert end.hour in range(2, 6)
            assert end.weekday() < 5
            opened = Month(start.year, start.month).start(ZURICH)
            assert end_of_working_days(opened, 5, swiss_holidays()) <= slot.start


def test_each_month_has_one_window_of_the_provider() -> None:
    for zone in ZONES:
        for name in NAMES[::50]:
            own = Calendar(zone, (default_window(name),))
            starts = [
                local(s.start, zone) for s in slots(own, after=utc("2024-01-05"), until=utc("2034-01-05"))
            ]
            assert [(at.year, at.month) for at in starts] == [
                (2024 + n // 12, n % 12 + 1) for n in range(120)
            ]


def test_the_providers_window_is_the_same_for_ever() -> None:
    assert default_window("acme/login") == default_window("acme/login")
    assert default_window("acme/login") == Window("FREQ=MONTHLY;BYDAY=3MO", time(22, 48), 4 * HOUR)
