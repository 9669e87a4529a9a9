"""The clocks as conditions and findings: figure, limit, next date, party."""

import pytest

from contract.clock_facts import (
    act,
    asked_months,
    at,
    notified,
    ran,
    read,
    refused_months,
    said,
    service,
    slot,
    terms,
)  # fmt: skip
from dedicated.api.conditions import (
    EMERGENCY_PERMITTED,
    ESCALATION_DUE,
    REGULAR_PERMITTED,
    TERMINATION_PERMITTED,
    WITHIN_QUARTER,
    Condition,
)
from dedicated.contract.clock_conditions import conditions, findings, next_change
from dedicated.contract.facts import Fact
from dedicated.contract.permission import Terms

SERVICE = service("2025-12-05 10:00")
ASKED, PLAN = terms(), terms(plan="Standard")
EMERGENCY = notified("cve", "2026-06-01 09:00", "Security")
CVE: list[Fact] = [SERVICE, EMERGENCY, act("cve", "2026-06-08 10:00", "Escalated"),
                   act("cve", "2026-06-15 11:00", "TerminationNotice")]  # fmt: skip
STREAK: list[Fact] = [SERVICE, *refused_months("2026-01", "2026-02", "2026-03")]


def told(facts: list[Fact], now: str, under: Terms = ASKED) -> dict[str, Condition]:
    return {item.type: item for item in conditions(read(facts, under, now), under)}


@pytest.mark.parametrize(
    ("facts", "now", "kind", "status", "reason", "words"),
    [
        ([], "2026-01-01 00:00", REGULAR_PERMITTED, "Unknown", "ServiceNotStarted", ()),
        (
            STREAK,
            "2026-01-05 00:00",
            REGULAR_PERMITTED,
            "False",
            "Unanswered",
            ("0 of 3", "2026-03-31T22:00:00Z (2026-04-01 00:00 Europe/Zurich)", "Customer"),
        ),
        (STREAK, "2026-02-20 00:00", REGULAR_PERMITTED, "False", "Refused", ("1 of 3", "Customer")),
        (STREAK, "2026-04-01 00:00", REGULAR_PERMITTED, "False", "FailedToPermit", ("3 of 3",)),
        ([SERVICE, *asked_months("2026-01")], "2025-12-20 00:00", REGULAR_PERMITTED, "True", "Partial", ()),
        (CVE, "2026-05-30 00:00", EMERGENCY_PERMITTED, "True", "NoEmergency", ()),
        (
            CVE,
            "2026-06-02 00:00",
            EMERGENCY_PERMITTED,
            "False",
            "PermissionNeeded",
            ("cve", "2026-06-06T22:00:00Z (2026-06-07 00:00 Europe/Zurich)", "Customer"),
        ),
        (CVE, "2026-06-07 00:00", EMERGENCY_PERMITTED, "False", "FailedToPermit", ("5 days", "Customer")),
        (
            CVE,
            "2026-03-05 23:59:59",
            WITHIN_QUARTER,
            "True",
            "WithinQuarter",
            ("2026-03-05T23:00:00Z (2026-03-06 00:00 Europe/Zurich)", "Provider"),
        ),
        (CVE, "2026-03-06 00:00", WITHIN_QUARTER, "False", "Overdue", ("3 months", "2 months in a row")),
        (CVE, "2026-06-06 23:59:59", ESCALATION_DUE, "False", "NothingToEscalate", ()),
        (
            CVE,
            "2026-06-07 00:00",
            ESCALATION_DUE,
            "True",
            "FailedToPermit",
            ("2026-06-06T22:00:00Z", "Provider"),
        ),
        (CVE, "2026-06-08 10:00", ESCALATION_DUE, "False", "NothingToEscalate", ()),
        (
            CVE,
            "2026-06-08 10:00",
            TERMINATION_PERMITTED,
            "False",
            "Escalated",
            ("2026-06-13T22:00:00Z", "Customer"),
        ),
        (CVE, "2026-06-14 00:00", TERMINATION_PERMITTED, "True", "NotResolved", ("30 days", "ends nothing")),
        (CVE, "2026-06-15 11:00", TERMINATION_PERMITTED, "False", "NoticeGiven", ("2026-07-15T22:00:00Z",)),
        (CVE, "2026-07-16 00:00", TERMINATION_PERMITTED, "False", "TerminationEffective", ("ends nothing",)),
        (CVE, "2026-06-01 00:00", TERMINATION_PERMITTED, "False", "NothingEscalated", ()),
    ],
)
def test_conditions_tell_figure_limit_date_and_party(
    facts: list[Fact], now: str, kind: str, status: str, reason: str, words: tuple[str, ...]
) -> None:
    found = told(facts, now)[kind]
    assert (found.status, found.reason) == (status, reason)
    for word in words:
        assert word in found.message


def test_a_permitted_emergency_waits_for_the_provider() -> None:
    permission = said("cve", "2026-06-02 00:00", "Permitted", slot("2026-06-03 00:00", "2026-06-03 04:00"))
    found = told([SERVICE, EMERGENCY, permission], "2026-06-02 00:00")["EmergencyMaintenancePermitted"]
    assert (found.status, found.reason) == ("True", "Permitted")


def test_without_clocks_the_conditions_say_so() -> None:
    found = told([*STREAK, *CVE[1:]], "2026-08-01 00:00", terms(infrastructure="SelfHosted"))
    assert {item.reason for item in found.values()} == {"NotApplicable"}
    assert [found[kind].status for kind in ("EscalationDue", "TerminationPermitted")] == ["False", "False"]


def test_findings_name_who_must_act_and_until_when() -> None:
    early = act("regular-2026-01", "2026-03-01 00:00", "Escalated")
    found = {
        (item.code, item.responsible, item.deadline is not None)
        for now in (f"2026-{day} 00:00" for day in ("03-02", "06-02", "06-07", "06-09", "06-20"))
        for item in findings(read([*STREAK, *CVE[1:], early], ASKED, now), ASKED, now=at(now))
    }
    assert found == {
        ("MaintenanceNotPermitted", "Customer", True),
        ("MaintenanceNotPermitted", "Customer", False),
        ("MaintenanceOverdue", "Customer", False),
        ("EscalationDue", "Provider", False),
        ("ResolutionDue", "Customer", True),
        ("TerminationNoticeGiven", "Provider", True),
        ("RecordWithoutEffect", "Provider", False),
    }


def test_where_all_is_in_order_nobody_must_act() -> None:
    facts = [SERVICE, *asked_months("2026-01"), ran("regular-2026-01", "2026-01-11 03:00")]
    now = "2026-01-12 00:00"
    assert findings(read(facts, PLAN, now), PLAN, now=at(now)) == ()


def test_a_record_without_effect_is_told_for_a_week() -> None:
    early = act("regular-2026-01", "2026-03-01 00:00", "Escalated")

    def codes(now: str) -> set[str]:
        return {item.code for item in findings(read([SERVICE, early], ASKED, now), ASKED, now=at(now))}

    assert "RecordWithoutEffect" in codes("2026-03-07 23:59")
    assert "RecordWithoutEffect" not in codes("2026-03-08 00:00")
    found = read([SERVICE, early], ASKED, "2026-03-07 23:59")
    assert next_change(found, now=at("2026-03-07 23:59")) == at("2026-03-08 00:00")
    assert next_change(found, now=at("2026-03-08 00:00")) is None
