"""`spec.maintenance`: what admission lets through can be read, and the other way round (M-3, M-4)."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.calendars import RULES
from dedicated.api.duration import parse_duration
from dedicated.api.maintenance import MaintenancePolicy, MaintenanceWindow
from dedicated.api.recurrence import RecurrenceError, parse_recurrence


def window(recurrence: str, *, start: str = "02:00", duration: str = "4h") -> MaintenanceWindow:
    return MaintenanceWindow(recurrence=recurrence, start=start, duration=duration)


WORDS = st.sampled_from(
    ["FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "FREQ=DAILY", "BYDAY=SU", "BYDAY=2SU", "BYDAY=2SU,MO",
     "BYDAY=SU,-1MO", "BYDAY=", "BYDAY=MO,2SU,TU", "BYMONTHDAY=-1", "BYMONTHDAY=1,31", "BYMONTH=1,12",
     "BYMONTH=13", "BYSETPOS=-1,366", "BYSETPOS=367", "INTERVAL=3", "INTERVAL=03", "WKST=SU", "COUNT=1", "x"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(WORDS, min_size=1, max_size=5).map(";".join))
def test_what_the_rules_let_through_is_read(text: str) -> None:
    try:
        window(text)
    except ValidationError:
        return
    parse_recurrence(text)


@settings(max_examples=300)
@given(st.lists(WORDS, min_size=1, max_size=4).map(";".join))
def test_what_can_be_read_is_let_through(text: str) -> None:
    try:
        parse_recurrence(text)
    except RecurrenceError:
        return
    if "=0" not in text:  # a number with a zero before it is read, but not admitted
        assert window(text).recurrence == text


@given(RULES)
def test_every_recurrence_of_the_subset_is_let_through(text: str) -> None:
    assert window(text).recurrence == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FREQ=WEEKLY;BYDAY=SO", "such as FREQ=MONTHLY;BYDAY=2SU"),
        ("FREQ=WEEKLY;BYDAY=2SU", "a position needs FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=2SU,MO", "write two windows"),
        ("FREQ=YEARLY;BYDAY=2SU", "BYMONTH=1,4,7,10"),
    ],
)
def test_a_refusal_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        window(text)


@pytest.mark.parametrize("duration", ["2h", "120m", "168h", "1h60m", "167h59m60s"])
def test_a_window_of_two_hours_to_a_week_is_let_through(duration: str) -> None:
    assert window("FREQ=WEEKLY;BYDAY=SU", duration=duration).duration == duration


@pytest.mark.parametrize(
    ("text", "length"),
    [("4h", timedelta(hours=4)), ("90m", timedelta(minutes=90)), ("0s", timedelta(0)),
     ("1h30m5s", timedelta(hours=1, minutes=30, seconds=5))],
)  # fmt: skip
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "h", "4", "4 h", "1.5h", "-4h", "30m1h", "4h\n", "4H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="4h, 90m or 1h30m"):
        parse_duration(text)


def test_nothing_said_is_the_contract_zone_and_standing_permission() -> None:
    policy = MaintenancePolicy()
    assert (policy.time_zone, policy.approval, policy.confine) == ("Europe/Zurich", "Automatic", "Updates")
