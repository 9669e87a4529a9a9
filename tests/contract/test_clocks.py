"""The clocks together: the worked dates of contract.md section 5, dates ahead, order, absence."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock_facts import (
    SECOND_SUNDAY,
    act,
    asked_months,
    at,
    issue_states,
    notified,
    ran,
    read,
    refused_months,
    said,
    service,
    terms,
)
from dedicated.contract.clocks import clocks
from dedicated.contract.facts import Fact, history

SERVICE = service("2025-08-15 10:00")
ASKED = terms()
EMERGENCY = notified("cve", "2026-06-01 09:00", "Security")
ESCALATED = act("cve", "2026-06-08 10:00", "Escalated")
NOTICE = act("cve", "2026-06-15 11:00", "TerminationNotice")
REFUSED = refused_months("2026-01", "2026-02", "2026-03")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("notice", "deadline"),
    [
        ("2026-06-01 09:00", "2026-06-06T22:00:00Z"),
        ("2026-03-25 16:00", "2026-03-30T22:00:00Z"),
        ("2026-03-25 23:30", "2026-03-30T22:30:00Z"),
        ("2026-10-22 23:30", "2026-10-27T23:00:00Z"),
    ],
)
def test_worked_dates_of_emergencies(notice: str, deadline: str) -> None:
    facts: list[Fact] = [SERVICE, notified("cve", notice, "Security")]
    early = clocks(history(facts), ASKED, now=utc(deadline) - timedelta(seconds=1))
    assert early.emergencies[0].deadline == utc(deadline)
    assert (early.emergencies[0].state, early.void, early.issues) == ("Pending", None, ())
    late = clocks(history(facts), ASKED, now=utc(deadline))
    assert [void.start for void in late.voids] == [utc(deadline)]
    assert issue_states(late) == {"cve": "EscalationDue"}


def test_worked_dates_of_an_escalation_and_its_notice() -> None:
    facts: list[Fact] = [SERVICE, EMERGENCY, ESCALATED, NOTICE]
    found = read(facts, ASKED, "2026-06-20 00:00").issues[0]
    assert found.deadline == utc("2026-06-13T22:00:00Z")
    assert found.effective == utc("2026-07-15T22:00:00Z")
    for now, state in [
        ("2026-06-08 09:59:59", "EscalationDue"),
        ("2026-06-08 10:00", "Escalated"),
        ("2026-06-13 23:59:59", "Escalated"),
        ("2026-06-14 00:00", "TerminationPermitted"),
        ("2026-06-15 11:00", "NoticeGiven"),
        ("2026-07-15 23:59:59", "NoticeGiven"),
        ("2026-07-16 00:00", "TerminationEffective"),
    ]:
        assert issue_states(read(facts, ASKED, now)) == {"cve": state}, now


def test_worked_dates_of_three_refused_months() -> None:
    facts: list[Fact] = [service("2025-12-05 10:00"), *REFUSED]
    facts.append(act("regular-2026-01", "2026-04-02 09:00", "Escalated"))
    found = read(facts, ASKED, "2026-04-02 10:00").issues[0]
    assert found.failed == utc("2026-03-31T22:00:00Z")
    assert found.deadline == at("2026-04-08 00:00")
    assert issue_states(read(facts, ASKED, "2026-03-31 23:59:59")) == {}
    assert issue_states(read(facts, ASKED, "2026-04-08 00:00")) == {"regular-2026-01": "TerminationPermitted"}


def test_worked_date_of_a_streak_that_one_permitted_month_resets() -> None:
    facts = [
        service("2025-12-05 10:00"),
        *refused_months("2026-01", "2026-03", "2026-04", "2026-05"),
        *asked_months("2026-02"),
    ]
    under = terms(plan="Standard")
    assert read(facts, under, "2026-05-31 23:59:59").issues == ()
    found = read(facts, under, "2026-06-01 00:00").issues
    assert [issue.failed for issue in found] == [at("2026-06-01 00:00")]


def test_worked_date_of_the_quarterly_floor() -> None:
    facts = [SERVICE, *asked_months("2025-11"), ran("regular-2025-11", "2025-11-30 09:00")]
    assert not read(facts, terms(plan="Standard"), "2026-02-28 23:59:59").overdue
    assert read(facts, terms(plan="Standard"), "2026-03-01 00:00").overdue


def test_every_date_is_told_as_soon_as_its_clock_starts() -> None:
    facts: list[Fact] = [service("2025-12-05 10:00"), *asked_months("2026-01"), EMERGENCY, ESCALATED, NOTICE]
    start = read(facts, ASKED, "2026-01-01 00:00")
    assert [(date.clause, date.at, date.responsible) for date in start.dates] == [
        ("M-7", at("2026-02-01 00:00"), "Customer"),
        ("M-2", at("2026-02-01 00:00"), "Provider"),
        ("M-3", at("2026-03-06 00:00"), "Provider"),
        ("M-7", at("2026-04-01 00:00"), "Customer"),
    ]
    for now, clause, instant, party in [
        ("2026-06-01 09:00", "M-6", "2026-06-07 00:00", "Customer"),
        ("2026-06-08 10:00", "M-9", "2026-06-14 00:00", "Customer"),
        ("2026-06-15 11:00", "M-10", "2026-07-16 00:00", "Provider"),
    ]:
        found = [
            (date.at, date.responsible) for date in read(facts, ASKED, now).dates if date.clause == clause
        ]
        assert found == [(at(instant), party)]


def test_the_failure_of_a_streak_is_dated_from_its_first_missed_month() -> None:
    found = read([service("2025-12-05 10:00"), *refused_months("2026-01")], ASKED, "2026-02-01 00:00")
    assert ("M-7", at("2026-04-01 00:00")) in [(date.clause, date.at) for date in found.dates]


@pytest.mark.parametrize("plan", ["Standard", "Advanced"])
def test_where_the_customer_runs_the_operator_there_are_no_clocks(plan: str) -> None:
    facts: list[Fact] = [SERVICE, *REFUSED, EMERGENCY]
    under = terms(plan="Standard" if plan == "Standard" else "Advanced", infrastructure="SelfHosted")
    found = read(facts, under, "2026-08-01 00:00")
    assert (found.entries, found.emergencies, found.issues, found.voids, found.floor, found.dates) == (
        (), (), (), (), None, (),
    )  # fmt: skip


FACTS: list[Fact] = [
    SERVICE, *REFUSED, EMERGENCY, ESCALATED, NOTICE,
    said("regular-2026-02", "2026-02-10 12:00", "Withdrawn"),
    act("regular-2026-01", "2026-04-02 09:00", "Escalated"),
    ran("regular-2026-03", "2026-05-02 09:00"),
]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.permutations(FACTS), st.integers(0, 400))
def test_the_order_in_which_facts_arrive_does_not_matter(facts: list[Fact], day: int) -> None:
    now = datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=day)
    assert clocks(history([*facts, *facts[:3]]), ASKED, now=now) == clocks(history(FACTS), ASKED, now=now)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 400 * 86400), st.integers(0, 2**32))
def test_nothing_changes_before_the_next_change_is_told(second: int, seed: int) -> None:
    under = terms(SECOND_SUNDAY)
    now = datetime(2025, 12, 1, tzinfo=UTC) + timedelta(seconds=second)
    known = history(FACTS).before(now + timedelta(microseconds=1))
    found = clocks(known, under, now=now)
    assert found.next_change is not None
    last = int((found.next_change - now).total_seconds()) - 1
    for later in (Random(seed).randint(0, max(last, 0)), max(last, 0)):
        assert clocks(known, under, now=now + timedelta(seconds=later)) == found
    assert clocks(known, under, now=found.next_change) != found
