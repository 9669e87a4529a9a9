"""What is told of notices (M-12, K-3): too late, or of a year whose holidays nobody has written down."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from contract.clock_facts import SECOND_SUNDAY, ZURICH, at, notified, ran, said, slot, terms
from dedicated.api.findings import Finding
from dedicated.contract.dates import Holidays
from dedicated.contract.facts import Fact, history
from dedicated.contract.notice import findings
from dedicated.contract.permission import Terms
from dedicated.contract.runs import standings

HOLIDAYS = Holidays(ZURICH, {2026: frozenset({date(2026, 5, 14)}), 2027: frozenset()})
ASKED = terms(approval="Required")
NAME = "regular-2026-06"
REQUEST = replace(notified(NAME, "2026-06-01 00:00"), downtime=timedelta(seconds=90))
"""Its notice is over on Tuesday 2026-06-09 at 00:00."""


def told(facts: list[Fact], now: str, under: Terms = ASKED, holidays: Holidays = HOLIDAYS) -> list[Finding]:
    moment = at(now)
    found = standings(history(facts).requests, under, holidays=holidays, now=moment)
    return list(findings(found, under, holidays=holidays, now=moment))


def permitted(start: str, end: str, request: str = NAME) -> Fact:
    return said(request, "2026-06-01 09:00", "Permitted", slot(start, end))


def test_a_slot_before_the_notice_is_over_is_told_with_its_figure_and_both_dates() -> None:
    facts = [REQUEST, permitted("2026-06-08 22:00", "2026-06-09 04:00")]
    (finding,) = told(facts, "2026-06-02 00:00")
    assert (finding.code, finding.responsible) == ("NoticeTooShort", "Provider")
    assert finding.deadline == at("2026-06-08 22:00")
    assert finding.message == (
        "regular-2026-06 starts 2026-06-08T20:00:00Z (2026-06-08 22:00 Europe/Zurich) with 2 min of downtime "
        "expected, and its 5 working days of notice end 2026-06-08T22:00:00Z (2026-06-09 00:00 "
        "Europe/Zurich): what is down counts (M-12)"
    )
    assert [item.code for item in told(facts, "2026-06-08 22:30")] == ["NoticeTooShort"]
    started = [*facts, ran(NAME, "2026-06-08 22:01", "Started")]
    assert told(started, "2026-06-08 22:30") == [], "what has begun is nobody's to change"


@pytest.mark.parametrize(
    "facts",
    [
        [REQUEST],
        [REQUEST, permitted("2026-06-09 00:00", "2026-06-09 04:00")],
        [replace(REQUEST, downtime=timedelta(0)), permitted("2026-06-02 00:00", "2026-06-02 04:00")],
        [replace(REQUEST, kind="Security"), permitted("2026-06-02 00:00", "2026-06-02 04:00")],
    ],
)
def test_nothing_is_told_of_what_is_in_time_or_needs_no_notice(facts: list[Fact]) -> None:
    assert told(facts, "2026-06-01 10:00") == []


def test_a_year_without_its_holidays_is_told_by_name_before_it_begins() -> None:
    assert told([], "2027-10-02 00:00") == []
    for now in ("2027-10-04 00:00", "2028-02-01 00:00"):
        (finding,) = told([], now)
        assert (finding.code, finding.responsible) == ("HolidaysUnknown", "Provider")
        assert "holidays of 2028 are not known (the table holds 2026 to 2027)" in finding.message
        assert finding.action == "install a version of the operator that holds 2028"
    (finding,) = told([], "2026-02-01 00:00", holidays=Holidays(ZURICH, {}))
    assert "2026 are not known (the table holds no year)" in finding.message
    assert told([], "2028-02-01 00:00", terms(infrastructure="SelfHosted")) == []


def test_a_notice_that_cannot_be_counted_is_in_time_for_no_slot() -> None:
    late = replace(REQUEST, at=at("2027-12-28 00:00"), request="regular-2027-12")
    answer = permitted("2028-02-01 02:00", "2028-02-01 06:00", late.request)
    codes = {item.code: item.message for item in told([late, answer], "2027-12-29 00:00")}
    assert set(codes) == {"NoticeTooShort", "HolidaysUnknown"}
    assert "its 5 working days of notice cannot be counted" in codes["NoticeTooShort"]


def test_a_window_taken_too_early_is_told_as_well() -> None:
    first = terms(replace(SECOND_SUNDAY, recurrence="FREQ=MONTHLY;BYDAY=1SU"))
    assert [item.code for item in told([REQUEST], "2026-06-02 00:00", first)] == ["NoticeTooShort"]
    assert told([REQUEST], "2026-06-02 00:00", terms(SECOND_SUNDAY)) == []
