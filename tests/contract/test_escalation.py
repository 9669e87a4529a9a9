"""Escalation and the termination gate (M-8 to M-10)."""

import pytest

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
    slot,
    terms,
)  # fmt: skip
from dedicated.contract.facts import Answer, Fact, Retracted

SERVICE = service("2025-12-05 10:00")
ASKED = terms()
EMERGENCY = notified("cve", "2026-06-01 09:00", "Security")  # failed 2026-06-07 00:00
ESCALATED = act("cve", "2026-06-08 10:00", "Escalated")  # gate 2026-06-14 00:00
NOTICE = act("cve", "2026-06-15 11:00", "TerminationNotice")
STREAK: list[Fact] = [SERVICE, *refused_months("2026-01", "2026-02", "2026-03")]
REGULAR = "regular-2026-01"


def state(*facts: Fact, now: str) -> str:
    return issue_states(read([SERVICE, EMERGENCY, ESCALATED, *facts], ASKED, now))["cve"]


def permit(when: str, start: str, request: str = "cve") -> Answer:
    return said(request, when, "Permitted", slot(start, start[:10] + " 23:00"))


def test_nothing_moves_without_the_record() -> None:
    found = read([SERVICE, EMERGENCY], ASKED, "2027-06-01 00:00")
    assert issue_states(found)["cve"] == "EscalationDue"
    assert found.issues[-1].deadline is None


def test_an_early_record_has_no_effect() -> None:
    early = act("cve", "2026-06-06 23:59:59", "Escalated")
    found = read([SERVICE, EMERGENCY, early], ASKED, "2026-06-20 00:00")
    assert issue_states(found) == {"cve": "EscalationDue"}
    assert [item.record for item in found.rejected] == [early.name]
    assert "2026-06-06T22:00:00Z" in found.rejected[0].reason


def test_a_second_record_does_not_restart_the_clock() -> None:
    again = act("cve", "2026-06-12 10:00", "Escalated")
    assert state(again, now="2026-06-14 00:00") == "TerminationPermitted"
    assert [
        item.record
        for item in read([SERVICE, EMERGENCY, ESCALATED, again], ASKED, "2026-06-14 00:00").rejected
    ]


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (permit("2026-06-13 20:00", "2026-06-13 20:30"), "Resolved"),
        (permit("2026-06-13 12:00", "2026-06-14 00:00:01"), "TerminationPermitted"),
        (ran("cve", "2026-06-13 23:59:59"), "Resolved"),
        (act("cve", "2026-06-13 23:59:59", "Waiver"), "Closed"),
        (Retracted("t", at("2026-06-13 00:00"), "provider", "cve"), "Resolved"),
        (said("cve", "2026-06-13 00:00", "Refused"), "TerminationPermitted"),
    ],
    ids=["slot within", "slot too late", "done", "waived", "taken back", "refused"],
)
def test_each_way_to_resolve_within_five_days(fact: Fact, expected: str) -> None:
    assert state(fact, now="2026-06-13 23:59:59") == (
        expected if expected != "TerminationPermitted" else "Escalated"
    )
    assert state(fact, now="2026-06-14 00:00") == expected


def test_a_permission_taken_back_opens_the_issue_at_its_old_dates() -> None:
    permission = permit("2026-06-12 10:00", "2026-06-13 20:00")
    assert state(permission, now="2026-06-12 11:00") == "Resolved"
    withdrawn = said("cve", "2026-06-13 19:00", "Withdrawn")
    assert state(permission, withdrawn, now="2026-06-13 19:00") == "Escalated"
    assert state(permission, withdrawn, now="2026-06-14 00:00") == "TerminationPermitted"


def test_a_blocked_slot_opens_the_issue_again() -> None:
    permission = permit("2026-06-12 10:00", "2026-06-13 20:00")
    blocked = said("cve", "2026-06-13 21:00", "Blocked")
    assert state(permission, now="2026-06-20 00:00") == "Resolved"
    assert state(permission, blocked, now="2026-06-20 00:00") == "TerminationPermitted"


def test_the_gate_closes_when_it_is_resolved_before_the_notice_and_opens_again() -> None:
    permission = permit("2026-06-14 10:00", "2026-06-16 20:00")
    withdrawn = said("cve", "2026-06-15 09:00", "Withdrawn")
    assert state(now="2026-06-14 09:00") == "TerminationPermitted"
    assert state(permission, now="2026-06-14 10:00") == "Resolved"
    assert state(permission, NOTICE, now="2026-06-20 00:00") == "Resolved"
    assert state(permission, withdrawn, NOTICE, now="2026-06-20 00:00") == "NoticeGiven"


@pytest.mark.parametrize("when", ["2026-06-07 12:00", "2026-06-13 23:59:59"])
def test_a_notice_without_an_open_gate_has_no_effect(when: str) -> None:
    notice = act("cve", when, "TerminationNotice")
    found = read([SERVICE, EMERGENCY, ESCALATED, notice], ASKED, "2026-08-01 00:00")
    assert issue_states(found)["cve"] == "TerminationPermitted"
    assert [item.record for item in found.rejected] == [notice.name]


def test_after_the_notice_only_the_provider_can_take_it_back() -> None:
    for fact in (permit("2026-06-16 10:00", "2026-06-16 20:00"), act("cve", "2026-06-16 10:00", "Waiver")):
        assert state(NOTICE, fact, now="2026-07-16 00:00") == "TerminationEffective"
    withdrawn = act("cve", "2026-07-01 10:00", "TerminationWithdrawn")
    assert state(NOTICE, withdrawn, now="2026-07-16 00:00") == "Closed"


def test_the_month_after_a_termination_withdrawn_is_partial() -> None:
    facts = [
        *STREAK,
        *refused_months("2026-04", "2026-05", "2026-06", "2026-07", "2026-08"),
        act(REGULAR, "2026-04-02 09:00", "Escalated"),
        act(REGULAR, "2026-04-08 09:00", "TerminationNotice"),
        act(REGULAR, "2026-04-20 09:00", "TerminationWithdrawn"),
    ]
    found = read(facts, ASKED, "2026-09-01 00:00")
    assert [(str(entry.month), entry.state, entry.streak) for entry in found.entries[4:6]] == [
        ("2026-04", "Refused", 4),
        ("2026-05", "Partial", 0),
    ]
    assert issue_states(found) == {REGULAR: "Closed", "regular-2026-06": "EscalationDue"}


def test_a_regular_issue_is_resolved_by_a_slot_within_five_days_of_its_permission() -> None:
    april = [*STREAK, *asked_months("2026-04"), act(REGULAR, "2026-04-02 09:00", "Escalated")]
    near = permit("2026-04-03 10:00", "2026-04-08 20:00", "regular-2026-04")
    far = permit("2026-04-03 10:00", "2026-04-09 20:00", "regular-2026-04")
    assert issue_states(read([*april, near], ASKED, "2026-04-03 10:00"))[REGULAR] == "Resolved"
    assert issue_states(read([*april, far], ASKED, "2026-04-08 00:00"))[REGULAR] == "TerminationPermitted"
    assert issue_states(read([*april, far], ASKED, "2026-04-09 20:00"))[REGULAR] == "Resolved"


def test_one_issue_per_streak() -> None:
    months = [f"2026-{number:02}" for number in range(1, 9)]
    found = read([SERVICE, *refused_months(*months)], ASKED, "2026-09-01 00:00")
    assert issue_states(found) == {REGULAR: "EscalationDue"}


def test_after_the_effective_date_everything_goes_on() -> None:
    found = read([SERVICE, EMERGENCY, ESCALATED, NOTICE], terms(SECOND_SUNDAY), "2026-12-01 00:00")
    assert found.entries[-1].month.number == 12
    assert found.floor is not None
    assert "M-2" in [date.clause for date in found.dates]


def test_records_count_from_the_very_second() -> None:
    at_failure = act("cve", "2026-06-07 00:00", "Escalated")  # gate 2026-06-13 00:00
    at_gate = act("cve", "2026-06-13 00:00", "TerminationNotice")
    found = read([SERVICE, EMERGENCY, at_failure, at_gate], ASKED, "2026-06-13 00:00")
    assert issue_states(found)["cve"] == "NoticeGiven"
    assert found.rejected == ()


def test_a_slot_that_begins_with_the_gate_is_not_within_the_five_days() -> None:
    permission = permit("2026-06-13 12:00", "2026-06-14 00:00")
    assert state(permission, now="2026-06-13 23:59:59") == "Escalated"
    assert state(permission, now="2026-06-14 00:00") == "Resolved"


def test_a_notice_without_effect_gets_none_by_what_is_recorded_later() -> None:
    permission = permit("2026-06-14 10:00", "2026-06-16 20:00")
    withdrawn = said("cve", "2026-06-15 12:00", "Withdrawn")
    assert state(permission, NOTICE, withdrawn, now="2026-06-20 00:00") == "TerminationPermitted"
