"""The recurrence of a window: a strict subset of RFC 5545, and what it shows by itself (M-3, M-4)."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.calendars import RULES
from dedicated.api.recurrence import (
    Recurrence,
    RecurrenceError,
    is_rarer_than_quarterly,
    parse_recurrence,
)


def test_a_rule_is_read_whole() -> None:
    assert parse_recurrence(
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR,+2SU;BYMONTH=3,1;BYSETPOS=-1;WKST=SU"
    ) == Recurrence(
        frequency="MONTHLY",
        interval=2,
        months=(1, 3),
        weekdays=((4, -1), (6, 2)),
        month_days=(),
        positions=(-1,),
        week_start=6,
    )


@pytest.mark.parametrize(
    ("text", "field", "value", "says"),
    [
        ("", "rule", "", "not NAME=VALUE.*FREQ=MONTHLY;BYDAY=2SU"),
        ("FREQ=MONTHLY;", "rule", "FREQ=MONTHLY;", "not NAME=VALUE"),
        ("FREQ", "rule", "FREQ", "not NAME=VALUE"),
        ("BYDAY=2SU", "FREQ", "", "weekly, monthly or yearly"),
        ("FREQ=DAILY", "FREQ", "DAILY", "every day: with all of them in BYDAY"),
        ("FREQ=HOURLY", "FREQ", "HOURLY", "weekly, monthly or yearly"),
        ("FREQ=monthly;BYDAY=2SU", "FREQ", "monthly", "weekly, monthly or yearly"),
        ("freq=MONTHLY;BYDAY=2SU", "freq", "MONTHLY", "not supported"),
        ("RRULE:FREQ=MONTHLY;BYDAY=2SU", "RRULE:FREQ", "MONTHLY", "remove RRULE:"),
        ("FREQ=MONTHLY;BYDAY=2SU;COUNT=3", "COUNT", "3", "no end; remove COUNT"),
        ("FREQ=MONTHLY;BYDAY=2SU;UNTIL=20300101", "UNTIL", "20300101", "no end; remove UNTIL"),
        ("FREQ=MONTHLY;BYDAY=2SU;BYHOUR=3", "BYHOUR", "3", "set the window's start"),
        ("FREQ=YEARLY;BYWEEKNO=3", "BYWEEKNO", "3", "not supported; remove it"),
        ("FREQ=MONTHLY;BYDAY=2SU;BYDAY=3SU", "BYDAY", "3SU", "stands twice"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=0", "INTERVAL", "0", "from 1 to 999"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=-1", "INTERVAL", "-1", "from 1 to 999"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=1000", "INTERVAL", "1000", "from 1 to 999"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=1,2", "INTERVAL", "1,2", "'1,2' is not a whole number"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=1_0", "INTERVAL", "1_0", "whole number"),
        ("FREQ=MONTHLY;BYDAY=2SU;INTERVAL=\u0663", "INTERVAL", "\u0663", "whole number"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY", "32", "from 1 to 31.*with a minus"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY", "0", "from 1 to 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,", "BYMONTHDAY", "1,", "'' is not a whole number"),
        ("FREQ=YEARLY;BYMONTH=13;BYDAY=2SU", "BYMONTH", "13", "from 1 to 12"),
        ("FREQ=YEARLY;BYMONTH=-1;BYDAY=2SU", "BYMONTH", "-1", "from 1 to 12"),
        ("FREQ=MONTHLY;BYDAY=2SU;BYSETPOS=367", "BYSETPOS", "367", "from 1 to 366"),
        ("FREQ=MONTHLY;BYDAY=6SU", "BYDAY", "6SU", "'6SU' is not a weekday"),
        ("FREQ=MONTHLY;BYDAY=0SU", "BYDAY", "0SU", "not a weekday"),
        ("FREQ=MONTHLY;BYDAY=SUN", "BYDAY", "SUN", "not a weekday"),
        ("FREQ=MONTHLY;BYDAY=2SU;WKST=2SU", "WKST", "2SU", "write WKST=MO"),
        ("FREQ=WEEKLY", "BYDAY", "", "names its weekdays"),
        ("FREQ=WEEKLY;BYDAY=2SU", "BYDAY", "2SU", "without a position"),
        ("FREQ=WEEKLY;BYDAY=SU;BYMONTHDAY=1", "BYMONTHDAY", "1", "write FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYDAY=SU,MO;BYSETPOS=1", "BYSETPOS", "1", "remove BYSETPOS"),
        ("FREQ=MONTHLY", "BYDAY", "", "write one of BYDAY and BYMONTHDAY"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "BYDAY", "FR", "write one of BYDAY and BYMONTHDAY"),
        ("FREQ=MONTHLY;BYDAY=FR,2SU", "BYDAY", "FR,2SU", "write two windows"),
        ("FREQ=YEARLY;BYDAY=2SU", "BYMONTH", "", "write BYMONTH, or FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=" + ",".join(["2SU"] * 99), "rule", None, "more than 256 characters"),
    ],
)  # fmt: skip
def test_what_the_subset_leaves_out_is_refused_with_field_value_reason_and_fix(
    text: str, field: str, value: str | None, says: str
) -> None:
    with pytest.raises(RecurrenceError) as refused:
        parse_recurrence(text)
    error = refused.value
    assert (error.field, error.value) == (field, text if value is None else value)
    assert re.search(says, str(error))
    assert error.reason in str(error)
    assert error.fix in str(error)
    assert len(str(error)) < 300


@settings(max_examples=200, deadline=None)
@given(RULES)
def test_every_rule_of_the_subset_is_read(text: str) -> None:
    assert parse_recurrence(text).frequency in text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="FREQWKLYMONTHBADUSI=;,+-0123456789: \n", max_size=300) | st.text(max_size=300))
@example("FREQ=MONTHLY;BYDAY=2SU\n")
@example("FREQ=MONTHLY;INTERVAL=" + "9" * 200)
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        parse_recurrence(text)
        said = ""
    except RecurrenceError as error:
        said = str(error)
    assert said or re.fullmatch("FREQ=(WEEKLY|MONTHLY|YEARLY)(;[A-Z]+=[A-Z0-9,+-]+)+", text)
    assert len(said) < 600


@pytest.mark.parametrize(
    ("texts", "rarer"),
    [
        (["FREQ=WEEKLY;BYDAY=SU"], False),
        (["FREQ=WEEKLY;INTERVAL=13;BYDAY=SU"], False),
        (["FREQ=WEEKLY;INTERVAL=14;BYDAY=SU"], True),
        (["FREQ=WEEKLY;BYDAY=SU;BYMONTH=1,4,7,10"], False),
        (["FREQ=WEEKLY;BYDAY=SU;BYMONTH=1,4,7,11"], True),
        (["FREQ=MONTHLY;BYDAY=2SU"], False),
        (["FREQ=MONTHLY;INTERVAL=3;BYDAY=2SU"], False),
        (["FREQ=MONTHLY;INTERVAL=4;BYDAY=2SU"], True),
        (["FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=30"], False),
        (["FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=31"], True),
        (["FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=31,-1"], False),
        (["FREQ=MONTHLY;INTERVAL=3;BYDAY=2SU;BYMONTH=1,4,7,10"], False),
        (["FREQ=MONTHLY;INTERVAL=3;BYDAY=2SU;BYMONTH=2,5,8,11"], True),
        (["FREQ=MONTHLY;INTERVAL=2;BYDAY=2SU;BYMONTH=2,3,5,8,11"], True),
        (["FREQ=MONTHLY;BYDAY=2SU;BYMONTH=12,3,6,9"], False),
        (["FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2,5,8,11"], True),
        (["FREQ=YEARLY;BYMONTH=3;BYDAY=2SU"], True),
        (["FREQ=YEARLY;BYMONTH=2,5,8,11;BYDAY=2SU"], False),
        (["FREQ=YEARLY;INTERVAL=2;BYMONTH=2,5,8,11;BYDAY=2SU"], True),
        (["FREQ=YEARLY;BYMONTH=2,5,8,11;BYDAY=SU;BYSETPOS=1,-1"], True),
        (["FREQ=YEARLY;BYMONTH=2,8;BYDAY=2SU", "FREQ=YEARLY;BYMONTH=5,11;BYMONTHDAY=1"], False),
        (["FREQ=YEARLY;BYMONTH=2,8;BYDAY=2SU", "FREQ=MONTHLY;INTERVAL=6;BYMONTHDAY=1"], True),
        ([], True),
    ],
)
def test_rarer_than_quarterly_is_told_from_the_rules(texts: list[str], rarer: bool) -> None:
    assert is_rarer_than_quarterly([parse_recurrence(text) for text in texts]) is rarer
