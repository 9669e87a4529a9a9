"""The service level in words: figure, limit, next date, and who must act."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from contract.clock_facts import ZURICH, at
from dedicated.api.instance import InfrastructureClass
from dedicated.contract.downtime import Record, Span, Stretch
from dedicated.contract.objectives import objectives
from dedicated.contract.service_level import Circumstances, Judgement, Promise, judge
from dedicated.contract.service_level_conditions import findings, in_force, met, percent
from dedicated.contract.void import Void

NOW = at("2026-04-20 00:00")
PROMISED = objectives("Advanced", "GoogleCloud")


def judged(minutes: int, *, objective: str | None = "99.9", gap: int = 0, open_: bool = False) -> Judgement:
    since = at("2026-04-02 10:00")
    until = None if open_ else since + timedelta(minutes=minutes)
    record = Record(at("2026-01-01 00:00"), (Stretch(since, until, ("Keys",)),) if minutes else ())
    around = Circumstances(gaps=(Span(since, since + timedelta(minutes=gap)),) if gap else ())
    found = judge(record, Promise(Decimal(objective) if objective else None, ZURICH), around, now=NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("found", "status", "reason", "words"),
    [
        (None, "Unknown", "NotMeasured", ()),
        (
            judged(0),
            "True",
            "Within",
            ("100.000 %", "0 min", "objective 99.9 %", "43 min", "2026-04-30T22:00:00Z"),
        ),
        (judged(43), "True", "Within", ("99.900 %", "43 min of downtime")),
        (judged(44), "False", "Missed", ("99.898 %", "no credit", "Provider must act")),
        (judged(500), "False", "Missed", ("98.842 %", "25 %")),
        (judged(1, open_=True), "False", "Missed", ("down since 2026-04-02T08:00:00Z", "0 min")),
        (judged(500, objective=None), "True", "NoObjective", ("98.842 %",)),
        (judged(0, gap=44), "Unknown", "PartlyMeasured", ("0.100 %",)),
        (judged(500, gap=44), "False", "Missed", ()),
    ],
)
def test_whether_the_month_is_met(
    found: Judgement | None, status: str, reason: str, words: tuple[str, ...]
) -> None:
    condition = met(found, zone=ZURICH)
    assert (condition.status, condition.reason) == (status, reason)
    for word in words:
        assert word in condition.message


@pytest.mark.parametrize(
    ("kind", "suspended", "void", "status", "reason", "words"),
    [
        ("GoogleCloud", False, False, "True", "InForce", ("99.9 %",)),
        ("StaticOrOther", False, False, "False", "NoObjective", ("StaticOrOther", "measured all the same")),
        ("GoogleCloud", True, False, "False", "PrerequisitesNotMet", ("Customer", "2026-04-19T22:00:00Z")),
        ("GoogleCloud", False, True, "False", "Void", ("2026-04-18T22:00:00Z", "nothing recorded ends it")),
    ],
)
def test_whether_the_service_level_applies(
    kind: InfrastructureClass,
    suspended: bool,
    void: bool,
    status: str,
    reason: str,
    words: tuple[str, ...],
) -> None:
    promised = objectives("Advanced", kind, prerequisites_unmet=NOW if suspended else None)
    condition = in_force(promised, kind, Void(at("2026-04-19 00:00"), None) if void else None, zone=ZURICH)
    assert (condition.status, condition.reason) == (status, reason)
    for word in words:
        assert word in condition.message


def test_a_void_with_an_end_tells_it() -> None:
    void = Void(at("2026-04-19 00:00"), at("2026-04-21 00:00"))
    assert "ends 2026-04-20T22:00:00Z" in in_force(PROMISED, "GoogleCloud", void, zone=ZURICH).message


def told(found: Judgement | None) -> list[tuple[str, str, bool]]:
    return [
        (item.code, item.responsible, item.deadline is not None)
        for item in findings(found, zone=ZURICH, now=NOW)
    ]


def test_findings_name_who_must_act() -> None:
    assert told(None) == told(judged(43)) == []
    assert told(judged(44)) == [("ServiceLevelMissed", "Provider", True)]
    assert told(judged(0, gap=44)) == [("ServiceLevelPartlyMeasured", "Provider", False)]


def test_a_credit_is_the_customers_to_claim_until_its_deadline() -> None:
    found = judged(500)
    last = replace(found, levels=(*found.levels, replace(found.current, credit=0, met=True)))
    (credit,) = findings(last, zone=ZURICH, now=NOW)
    assert (credit.code, credit.responsible, credit.deadline) == (
        "CreditClaimable",
        "Customer",
        at("2026-06-01 00:00"),
    )
    assert list(findings(last, zone=ZURICH, now=at("2026-06-01 00:00"))) == []


@pytest.mark.parametrize(
    ("part", "text"),
    [(Fraction(1), "100.000"), (Fraction(99_9999, 100_0000), "99.999"), (Fraction(2, 3), "66.666")],
)
def test_figures_are_never_better_than_they_are(part: Fraction, text: str) -> None:
    assert percent(part) == text
