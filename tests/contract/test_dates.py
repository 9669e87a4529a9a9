"""Days, months, working days and business hours (K-1 to K-5), over every day of ten years."""

from bisect import bisect_left
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedicated.contract.dates import (
    BUSINESS,
    EXTENDED,
    Holidays,
    HolidaysMissingError,
    Month,
    SupportHours,
    UnknownZoneError,
    end_of_days,
    end_of_months_after,
    end_of_support_hours,
    end_of_working_days,
    instant_of,
    local,
    month_of,
    start_of_day,
)

ZURICH = "Europe/Zurich"
ZONES = (ZURICH, "America/New_York", "Australia/Lord_Howe", "UTC")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEN_YEARS = [date(2024, 1, 1) + n * DAY for n in range(3653)]
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC))


def swiss(text: str) -> datetime:
    """An instant by the clock of Zurich, such as 2026-06-01 09:00."""
    return instant_of(datetime.fromisoformat(text), ZURICH)


@pytest.mark.parametrize(
    ("event", "n", "deadline"),
    [
        ("2026-06-01T09:00+02:00", 5, "2026-06-06T22:00Z"),
        ("2026-06-08T10:00+02:00", 5, "2026-06-13T22:00Z"),
        ("2026-06-15T11:00+02:00", 30, "2026-07-15T22:00Z"),
        ("2026-03-25T16:00+01:00", 5, "2026-03-30T22:00Z"),
        ("2026-03-25T23:30+01:00", 5, "2026-03-30T22:30Z"),
        ("2026-10-22T23:30+02:00", 5, "2026-10-27T23:00Z"),
        ("2026-04-02T09:00+02:00", 5, "2026-04-07T22:00Z"),
    ],
)
def test_the_worked_dates_of_the_contract(event: str, n: int, deadline: str) -> None:
    assert end_of_days(datetime.fromisoformat(event), n, ZURICH) == datetime.fromisoformat(deadline)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("n", [5, 30])
def test_days_end_within_their_bounds_and_never_earlier_for_a_later_event(zone: str, n: int) -> None:
    before = datetime.min.replace(tzinfo=UTC)
    for day in TEN_YEARS:
        for at in (time(0), time(13, 59, 59), time(22, 30)):
            event = datetime.combine(day, at, UTC)
            end = end_of_days(event, n, zone)
            assert n * DAY <= end - event <= (n + 1) * DAY + HOUR
            assert end >= before
            assert local(end, zone).time() == time(0) or end - event == n * DAY
            before = end


@pytest.mark.parametrize("zone", ZONES)
def test_months_follow_each_other_and_hold_their_days(zone: str) -> None:
    for year in range(2024, 2034):
        for number in range(1, 13):
            month = Month(year, number)
            start, end = month.start(zone), month.end(zone)
            assert end == month.plus(1).start(zone)
            assert month_of(start, zone) == month_of(end - timedelta(microseconds=1), zone) == month
            assert abs(end - start - monthrange(year, number)[1] * DAY) <= HOUR


def test_months_with_a_change_of_time_have_their_own_minutes() -> None:
    minutes = {
        number: (Month(2026, number).end(ZURICH) - Month(2026, number).start(ZURICH)) / timedelta(minutes=1)
        for number in (2, 3, 4, 10)
    }
    assert minutes == {2: 40_320, 3: 44_580, 4: 43_200, 10: 44_700}


@given(st.integers(2000, 2100), st.integers(1, 12), st.integers(-600, 600))
def test_months_are_counted_over_years(year: int, number: int, n: int) -> None:
    month = Month(year, number)
    later = month.plus(n)
    assert (later.year - year) * 12 + later.number - number == n
    assert (later > month) == (n > 0)
    assert later.plus(-n) == month


def test_a_month_is_written_as_its_number() -> None:
    assert str(Month(2026, 3)) == "2026-03"


@pytest.mark.parametrize(
    ("event", "end"),
    [
        ("2025-11-30 12:00", "2026-03-01 00:00"),
        ("2027-11-30 12:00", "2028-03-01 00:00"),
        ("2027-11-29 12:00", "2028-03-01 00:00"),
        ("2027-11-28 12:00", "2028-02-29 00:00"),
        ("2026-01-15 23:59", "2026-04-16 00:00"),
        ("2026-01-31 00:00", "2026-05-01 00:00"),
    ],
)
def test_three_months_end_with_the_same_day_or_the_last(event: str, end: str) -> None:
    assert end_of_months_after(swiss(event), 3, ZURICH) == swiss(end)


@pytest.mark.parametrize("zone", ZONES)
def test_three_months_never_end_earlier_for_a_later_event(zone: str) -> None:
    ends = [end_of_months_after(datetime.combine(day, time(12), UTC), 3, zone) for day in TEN_YEARS]
    assert ends == sorted(ends)
    assert all(
        89 * DAY - DAY <= end - datetime.combine(day, time(12), UTC) <= 94 * DAY
        for day, end in zip(TEN_YEARS, ends, strict=True)
    )


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        (ZURICH, "2026-03-29T02:00", "2026-03-29T01:00Z"),
        (ZURICH, "2026-03-29T02:30", "2026-03-29T01:00Z"),
        (ZURICH, "2026-03-29T02:59:59.5", "2026-03-29T01:00Z"),
        (ZURICH, "2026-03-29T03:00", "2026-03-29T01:00Z"),
        (ZURICH, "2026-10-25T02:30", "2026-10-25T00:30Z"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00Z"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30Z"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45Z"),
        ("UTC", "2026-03-29T02:30", "2026-03-29T02:30Z"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00Z"),  # a day that Samoa skipped
        ("Asia/Beirut", "2026-03-29T00:00", "2026-03-28T22:00Z"),  # a day that begins at 01:00
    ],
)
def test_a_skipped_time_is_the_next_valid_one_and_a_doubled_one_the_first(
    zone: str, wall: str, instant: str
) -> None:
    assert instant_of(datetime.fromisoformat(wall), zone) == datetime.fromisoformat(instant)


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([*ZONES, "Pacific/Apia", "Africa/Casablanca", "America/Havana"]), st.data())
def test_an_instant_is_the_first_second_at_which_the_wall_shows_it(zone: str, data: st.DataObject) -> None:
    wall = data.draw(st.datetimes(datetime(2009, 1, 1), datetime(2034, 1, 1))).replace(microsecond=0)
    found = instant_of(wall, zone)
    assert local(found, zone).replace(tzinfo=None) >= wall
    for back in [timedelta(seconds=1), *(n * timedelta(minutes=15) for n in range(1, 110))]:
        assert local(found - back, zone).replace(tzinfo=None) < wall


@given(INSTANTS, st.sampled_from(ZONES), st.sampled_from(ZONES))
def test_dates_depend_on_the_instant_and_not_on_how_it_is_written(
    instant: datetime, zone: str, written: str
) -> None:
    same = local(instant, written)
    assert end_of_days(same, 5, zone) == end_of_days(instant, 5, zone)
    assert end_of_months_after(same, 3, zone) == end_of_months_after(instant, 3, zone)
    assert month_of(same, zone) == month_of(instant, zone)
    assert end_of_days(same, 5, zone).tzinfo is UTC


@pytest.mark.parametrize(
    "zone",
    [
        "",
        "Zurich",
        "europe/zurich",
        "../etc/passwd",
        "localtime",
        "posixrules",
        "right/UTC",
        "CEST",
        "x" * 999,
    ],
)
def test_a_zone_is_an_iana_name(zone: str) -> None:
    with pytest.raises(UnknownZoneError, match="not an IANA time zone"):
        start_of_day(date(2026, 1, 1), zone)


def test_a_time_without_a_zone_is_no_instant() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        end_of_days(datetime(2026, 1, 1), 5, ZURICH)


HOLIDAYS = Holidays(
    ZURICH,
    {
        2025: frozenset({date(2025, 12, 25), date(2025, 12, 26)}),
        2026: frozenset({date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6)}),
    },
)


@pytest.mark.parametrize(
    ("event", "n", "end"),
    [
        ("2026-03-02 09:00", 5, "2026-03-10 00:00"),
        ("2026-03-06 23:59", 1, "2026-03-10 00:00"),
        ("2026-03-07 09:00", 1, "2026-03-10 00:00"),
        ("2026-03-31 09:00", 5, "2026-04-10 00:00"),  # Good Friday and Easter Monday in between
        ("2025-12-24 09:00", 2, "2025-12-31 00:00"),
        ("2025-12-31 09:00", 1, "2026-01-03 00:00"),
    ],
)
def test_working_days_leave_out_weekends_and_holidays(event: str, n: int, end: str) -> None:
    assert end_of_working_days(swiss(event), n, HOLIDAYS) == swiss(end)


@pytest.mark.parametrize(
    ("event", "hours", "support", "end"),
    [
        ("2026-03-02 09:00", 2, BUSINESS, "2026-03-02 11:00"),
        ("2026-03-02 15:00", 2, BUSINESS, "2026-03-02 17:00"),
        ("2026-03-02 16:00", 2, BUSINESS, "2026-03-03 09:00"),
        ("2026-03-02 17:00", 2, BUSINESS, "2026-03-03 10:00"),
        ("2026-03-02 17:00", 2, EXTENDED, "2026-03-02 19:00"),
        ("2026-03-06 18:30", 1, EXTENDED, "2026-03-09 07:30"),
        ("2026-04-02 16:00", 24, BUSINESS, "2026-04-09 13:00"),
        ("2026-03-01 03:00", 12, BUSINESS, "2026-03-03 11:00"),
    ],
)
def test_support_hours_run_on_working_days_only(
    event: str, hours: int, support: SupportHours, end: str
) -> None:
    found = end_of_support_hours(swiss(event), hours * HOUR, hours=support, holidays=HOLIDAYS)
    assert found == swiss(end)


@pytest.mark.parametrize("event", ["2026-12-30 09:00", "2024-12-31 09:00"])
def test_a_year_without_its_holidays_is_an_error_that_names_it(event: str) -> None:
    year = "2027" if event.startswith("2026") else "2025"
    held = Holidays(ZURICH, {2024: frozenset(), 2026: frozenset()})
    with pytest.raises(HolidaysMissingError, match=rf"holidays of {year} are not known.*2024 to 2026"):
        end_of_working_days(swiss(event), 5, held)
    with pytest.raises(HolidaysMissingError, match=year):
        end_of_support_hours(swiss(event), 50 * HOUR, hours=BUSINESS, holidays=held)
    with pytest.raises(HolidaysMissingError, match="no year"):
        end_of_working_days(swiss(event), 1, Holidays(ZURICH, {}))


@settings(max_examples=100, deadline=None)
@given(st.datetimes(datetime(2025, 1, 1), datetime(2026, 9, 1), timezones=st.just(UTC)), st.integers(1, 20))
def test_working_days_are_those_of_a_calendar_on_the_wall(event: datetime, n: int) -> None:
    end = end_of_working_days(event, n, HOLIDAYS)
    first = local(event, ZURICH).date() + DAY
    open_days = [
        day
        for day in (first + k * DAY for k in range(60))
        if f"{day:%a}" not in {"Sat", "Sun"} and day not in HOLIDAYS.years[day.year]
    ]
    assert local(end, ZURICH).time() == time(0)
    assert bisect_left(open_days, local(end, ZURICH).date()) == n
