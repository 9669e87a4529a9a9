"""Regular maintenance (M-2, M-3, M-5, M-12)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contract.clock_facts import (
    ZURICH,
    asked_months,
    at,
    notified,
    ran,
    read,
    refused_months,
    said,
    service,
    terms,
)
from dedicated.contract.dates import Holidays, month_of
from dedicated.contract.facts import Fact, Notified, history
from dedicated.contract.maintenance import (
    earliest_start,
    months_without,
    request_due,
    request_name,
)  # fmt: skip

SERVICE = service("2026-01-20 10:00")
PLAN, ASKED = terms(plan="Standard"), terms()
HOLIDAYS = Holidays(ZURICH, {2026: frozenset({date(2026, 5, 14), date(2026, 5, 25)})})


def test_one_request_is_opened_in_each_month_of_ten_years_after_the_first() -> None:
    facts: list[Fact] = [SERVICE]
    now = datetime(2026, 1, 20, 9, tzinfo=UTC)
    while now < datetime(2036, 1, 20, tzinfo=UTC):
        month = request_due(history(facts), PLAN, now=now)
        if month is not None:
            facts.append(
                Notified(
                    request_name(month), now, "operator", request_name(month), "Regular", timedelta(hours=1)
                )
            )
        now += timedelta(hours=11)
    asked = [month_of(fact.at, ZURICH) for fact in facts[1:]]
    assert asked == [month_of(SERVICE.at, ZURICH).plus(n) for n in range(1, 121)]
    assert [fact.name for fact in facts[1:]] == [request_name(month) for month in asked]


def test_no_request_without_clocks_or_before_the_service() -> None:
    now = at("2026-03-01 00:00")
    assert request_due(history([SERVICE]), terms(infrastructure="SelfHosted"), now=now) is None
    assert request_due(history([]), PLAN, now=now) is None


@pytest.mark.parametrize(
    ("completed", "due"),
    [
        ("2026-02-10 02:00", "2026-05-11 00:00"),
        ("2026-05-31 23:00", "2026-09-01 00:00"),
        ("", "2026-04-21 00:00"),
    ],
)
def test_the_floor_is_three_months_after_the_last_completed_or_the_first_ready(
    completed: str, due: str
) -> None:
    facts: list[Fact] = [SERVICE, *asked_months("2026-02")]
    facts += [ran("regular-2026-02", completed)] if completed else []
    found = read(facts, PLAN, "2026-06-01 00:00").floor
    assert found is not None
    assert found.due == at(due)


def test_an_emergency_does_not_reset_the_floor() -> None:
    facts: list[Fact] = [
        SERVICE,
        notified("cve", "2026-03-01 00:00", "Security"),
        ran("cve", "2026-03-02 00:00"),
    ]
    found = read(facts, PLAN, "2026-04-01 00:00").floor
    assert found is not None
    assert found.since == SERVICE.at


@pytest.mark.parametrize(
    ("facts", "party"),
    [
        (asked_months("2026-02"), "Provider"),
        (refused_months("2026-02"), "Customer"),
        ([*asked_months("2026-02"), said("regular-2026-02", "2026-04-21 00:00", "Refused")], "Provider"),
    ],
    ids=["silent by plan", "refused in the interval", "refused after it"],
)
def test_who_must_act_on_the_floor(facts: list[Fact], party: str) -> None:
    found = read([SERVICE, *facts], PLAN, "2026-04-25 00:00")
    assert found.overdue
    assert found.floor is not None
    assert found.floor.responsible == party


def test_a_month_left_unanswered_makes_the_floor_the_customers() -> None:
    found = read([SERVICE, *asked_months("2026-02")], ASKED, "2026-03-01 00:00").floor
    assert found is not None
    assert found.responsible == "Customer"


def test_months_without_a_completed_one_are_counted_back_to_the_last() -> None:
    facts = [
        SERVICE,
        *asked_months("2026-02", "2026-03", "2026-04"),
        ran("regular-2026-02", "2026-02-10 00:00"),
    ]
    assert months_without(read(facts, PLAN, "2026-05-01 00:00").entries) == 2
    assert months_without(read(facts, PLAN, "2026-03-01 00:00").entries) == 0


def test_downtime_needs_five_working_days_of_notice_and_a_holiday_is_none() -> None:
    # Announced on Friday 8 May: 11, 12, 13, (14 is a holiday) 15, 18.
    announced = at("2026-05-08 16:00")
    hour = timedelta(hours=1)
    assert earliest_start(announced, downtime=hour, holidays=HOLIDAYS) == at("2026-05-19 00:00")
    assert earliest_start(announced, downtime=hour, holidays=HOLIDAYS, days=1) == at("2026-05-12 00:00")
    assert earliest_start(announced, downtime=timedelta(0), holidays=HOLIDAYS) == announced
