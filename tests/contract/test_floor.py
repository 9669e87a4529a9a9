"""Windows and freezes often enough, long enough, and in the plan (M-3, M-4)."""

import re
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.calendars import calendars, utc
from dedicated.api.instance import Plan
from dedicated.contract.calendar import Calendar, Freeze, Window, default_window, slots
from dedicated.contract.dates import end_of_months_after, instant_of
from dedicated.contract.floor import calendar_in_force, check_floor, first_gap

ZURICH = "Europe/Zurich"
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MONTHLY = Window("FREQ=MONTHLY;BYDAY=2SU", time(2), 4 * HOUR)


def swiss(text: str) -> datetime:
    """An instant by the clock of Zurich."""
    return instant_of(datetime.fromisoformat(text), ZURICH)


def calendar(rule: str, *freezes: Freeze, start: time = time(2)) -> Calendar:
    """A calendar of one window of 4 h."""
    return Calendar(ZURICH, (Window(rule, start, 4 * HOUR),), freezes)


@pytest.mark.parametrize(
    ("rule", "since", "due"),
    [
        ("FREQ=MONTHLY;BYDAY=2SU", "2026-01-01", None),
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15", "2026-01-01", None),
        # A quarter can be longer than three months: from 30 April to 31 July, between two second Sundays
        # (11 January to 12 April), or by thirteen weeks (6 December to 7 March).
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1", "2026-01-01", "2026-07-31 00:00"),
        ("FREQ=MONTHLY;INTERVAL=3;BYDAY=2SU", "2026-01-01", "2026-04-12 00:00"),
        ("FREQ=WEEKLY;INTERVAL=13;BYDAY=SU", "2026-01-01", "2027-03-07 00:00"),
        ("FREQ=MONTHLY;INTERVAL=4;BYMONTHDAY=15", "2026-01-01", "2026-04-16 00:00"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-01-01", "2026-04-02 00:00"),
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15", "2025-12-10 12:00", None),
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15;BYMONTH=4,7,10", "2025-12-10 12:00", "2026-03-11 00:00"),
    ],
)
def test_the_first_due_date_that_windows_cannot_keep(rule: str, since: str, due: str | None) -> None:
    gap = first_gap(calendar(rule), since=swiss(since), until=swiss("2031-01-01"))
    assert (gap.due if gap else None) == (swiss(due) if due else None)


@pytest.mark.parametrize(("start", "kept"), [("21:59", True), ("22:00", True), ("22:01", False)])
def test_a_slot_keeps_a_due_date_if_its_two_hours_lie_before_it(start: str, kept: bool) -> None:
    windows = calendar("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15", start=time.fromisoformat(start))
    gap = first_gap(windows, since=swiss("2026-01-15 23:00"), until=swiss("2026-05-01"))
    assert (gap is None) is kept


def test_a_finding_has_the_dates_the_next_slot_and_the_reason() -> None:
    frozen = calendar(
        "FREQ=MONTHLY;BYDAY=1SU",
        Freeze(swiss("2026-01-12"), swiss("2026-04-06"), "audit"),
        Freeze(swiss("2026-02-01"), swiss("2026-02-02"), "sale"),
        Freeze(swiss("2025-12-01"), swiss("2026-01-02"), "past"),
        Freeze(swiss("2026-06-01"), swiss("2026-06-02"), "to come"),
    )
    (finding,) = check_floor(frozen, since=swiss("2026-01-04 03:00"), until=swiss("2027-01-01"))
    assert finding.code == "NoSlotBeforeDueDate"
    assert finding.responsible == "Customer"
    assert finding.deadline == swiss("2026-04-05")
    assert finding.message == (
        "regular maintenance is due before 2026-04-05 00:00 Europe/Zurich, 3 months after "
        "2026-01-04 03:00 Europe/Zurich (M-3), but windows and freezes leave no slot of 2 h until then; "
        "the next slot: 2026-05-03 02:00 Europe/Zurich; frozen until 2026-04-06 00:00 Europe/Zurich (audit)"
    )
    assert "spec.maintenance.windows" in finding.action
    assert "2026-04-05 00:00 Europe/Zurich" in finding.action


def test_where_no_slot_comes_at_all_the_finding_says_how_far_was_looked() -> None:
    past = Freeze(swiss("2025-12-01"), swiss("2026-01-01"), "past")
    never = calendar("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", past)
    (finding,) = check_floor(never, since=swiss("2026-01-01"), until=swiss("2028-01-01"))
    assert finding.message.endswith("the next slot: not before 2028-01-01 00:00 Europe/Zurich")


def test_a_calendar_without_windows_promises_nothing() -> None:
    assert check_floor(Calendar(ZURICH, ()), since=swiss("2026-01-01"), until=swiss("2028-01-01")) == ()


@settings(max_examples=60, deadline=None)
@given(calendars(first=utc("2026-01-01 00:00"), days=700), st.integers(0, 400))
def test_the_gap_is_that_of_the_customer_who_waits_as_long_as_it_goes(made: Calendar, days: int) -> None:
    """Of all slots before a due date the last is taken: where even that ends in a gap, none avoids it."""
    since, until = utc("2026-01-01 00:00") + days * DAY, utc("2029-01-01 00:00")
    ahead = [max(slot.start, since) for slot in slots(made, after=since, until=until) if slot.start > since]
    taken, due = since, end_of_months_after(since, 3, made.zone)
    while due < until:
        in_time = [start for start in ahead if taken < start <= due - 2 * HOUR]
        if not in_time:
            break
        taken = max(in_time)
        due = end_of_months_after(taken, 3, made.zone)
    gap = first_gap(made, since=since, until=until)
    assert (gap.due if gap else None) == (due if due < until else None)


@pytest.mark.parametrize(
    ("plan", "agreed", "own", "codes"),
    [
        ("Advanced", (), True, []),
        ("Standard", (), False, ["WindowsNotInPlan"]),
        ("Standard", ("M-3",), False, ["WindowsNotInPlan"]),
        ("Standard", ("M-4",), True, []),
    ],
)
def test_windows_hold_on_plans_with_update_flexibility_or_by_agreement(
    plan: Plan, agreed: tuple[str, ...], own: bool, codes: list[str]
) -> None:
    wanted = Calendar(ZURICH, (MONTHLY,))
    calendar, findings = calendar_in_force(wanted, plan=plan, identity="acme/login", agreed=agreed)
    assert calendar.windows == ((MONTHLY,) if own else (default_window("acme/login"),))
    assert [finding.code for finding in findings] == codes
    for finding in findings:
        assert "plan Standard has none (M-4)" in finding.message
        assert finding.responsible == "Customer"


@pytest.mark.parametrize(
    ("plan", "windows"), [("Standard", (default_window("acme/login"),)), ("Advanced", ())]
)
def test_without_windows_the_provider_chooses_only_where_the_plan_says_so(
    plan: Plan, windows: tuple[Window, ...]
) -> None:
    wanted = Calendar(ZURICH, ())
    calendar, findings = calendar_in_force(wanted, plan=plan, identity="acme/login", agreed=())
    assert calendar.windows == windows
    assert findings == ()


@pytest.mark.parametrize(
    ("window", "says"),
    [
        (Window("FREQ=MONTHLY;BYDAY=2SU", time(2), timedelta(minutes=119)), "1:59:00.*from 2 h to 7 days"),
        (Window("FREQ=MONTHLY;BYDAY=2SU", time(2), -4 * HOUR), "from 2 h to 7 days"),
        (Window("FREQ=MONTHLY;BYDAY=2SU", time(2), 7 * DAY + HOUR), "7 days, 1:00:00.*from 2 h to 7 days"),
        (Window("FREQ=HOURLY", time(2), 4 * HOUR), "FREQ is 'HOURLY'"),
    ],
)
def test_a_window_that_cannot_be_used_is_left_out_and_said(window: Window, says: str) -> None:
    wanted = Calendar(ZURICH, (MONTHLY, window))
    calendar, findings = calendar_in_force(wanted, plan="Advanced", identity="acme/login", agreed=())
    assert calendar.windows == (MONTHLY,)
    (finding,) = findings
    assert finding.code == "WindowNotUsable"
    assert re.search(says, finding.message)
    assert "left out" in finding.message


@pytest.mark.parametrize(
    ("lasting", "agreed", "days"),
    [
        (92 * DAY, (), 92),
        (92 * DAY + HOUR, (), 92),
        (92 * DAY + HOUR, ("M-4",), 92),
        (100 * DAY, ("M-3",), 100),
    ],
)
def test_a_freeze_lasts_92_days_unless_agreed(lasting: timedelta, agreed: tuple[str, ...], days: int) -> None:
    freeze = Freeze(utc("2026-01-01 00:00"), utc("2026-01-01 00:00") + lasting, "audit")
    wanted = Calendar(ZURICH, (MONTHLY,), (freeze,))
    calendar, findings = calendar_in_force(wanted, plan="Advanced", identity="acme/login", agreed=agreed)
    assert calendar.freezes[0].end - freeze.start == days * DAY
    too_long = lasting > 92 * DAY and "M-3" not in agreed
    assert [finding.code for finding in findings] == (["FreezeTooLong"] if too_long else [])
    if too_long:
        assert "(audit) lasts 92 days" in findings[0].message
        assert "2026-04-03 02:00 Europe/Zurich" in findings[0].message
