"""Deviations in writing (G-3, K-9): looser than the contract only while an agreement holds."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW, instance
from dedicated.api.instance import CONTRACT_ZONES, InstanceSpec
from dedicated.api.json import JsonValue
from dedicated.contract.agreements import clauses_in_force, next_change, zones_in_force
from dedicated.contract.facts import Agreed


def spec(zones: int, *records: str) -> InstanceSpec:
    """A spec with so many zones and agreements on S-2."""
    named: list[JsonValue] = [{"clause": "S-2", "record": record} for record in records or ("none",)]
    replicas = max(zones, 3)
    return instance(
        infrastructure={"zones": {"minimum": zones}},
        agreements=named,
        server={"replicas": replicas},
        login={"replicas": replicas},
    ).spec


@settings(deadline=None)
@given(st.integers(CONTRACT_ZONES, 9))
def test_as_strict_as_the_contract_needs_no_agreement(zones: int) -> None:
    assert zones_in_force(spec(zones), agreed=()) == (zones, ())


@settings(deadline=None)
@given(st.integers(1, CONTRACT_ZONES - 1))
def test_looser_holds_only_with_a_record_in_force(zones: int) -> None:
    assert zones_in_force(spec(zones, "r1"), agreed={"S-2"}) == (zones, ())
    assert zones_in_force(spec(zones, "r1"), agreed={"B-1"})[0] == CONTRACT_ZONES


def test_a_missing_record_is_told_with_figures_and_party() -> None:
    zones, (finding,) = zones_in_force(spec(2, "r1"), agreed=())
    assert zones == CONTRACT_ZONES
    assert finding.code == "AgreementNotValid"
    assert finding.responsible == "Provider"
    assert finding.blocks == ""
    for part in ("is 2", "is 3", "S-2", "r1"):
        assert part in finding.message
    assert "3" in finding.action


FROM, UNTIL = NOW - timedelta(days=30), NOW + timedelta(days=30)


def agreed(name: str, clause: str, *, at: datetime = FROM, until: datetime | None = UNTIL) -> Agreed:
    return Agreed(name, at, "provider", clause, "2", "letter 7", valid_from=FROM, valid_until=until)


def in_force(*facts: Agreed, now: datetime = NOW) -> frozenset[str]:
    return clauses_in_force(spec(2, "r1"), facts, now=now)


def test_a_clause_is_agreed_while_the_record_that_the_spec_names_is_in_force() -> None:
    record = agreed("r1", "S-2")
    assert in_force(record) == {"S-2"}
    assert in_force(record, now=UNTIL) == frozenset()
    assert in_force(record, now=FROM - timedelta(seconds=1)) == frozenset()
    assert in_force(agreed("r1", "S-2", until=None), now=UNTIL) == {"S-2"}


def test_a_record_that_the_spec_does_not_name_under_its_clause_loosens_nothing() -> None:
    assert in_force(agreed("r2", "S-2"), agreed("r1", "M-4")) == frozenset()


def test_an_agreement_never_holds_before_it_was_recorded() -> None:
    late = agreed("r1", "S-2", at=NOW)
    assert in_force(late, now=NOW - timedelta(seconds=1)) == frozenset()
    assert in_force(late) == {"S-2"}


def test_when_agreements_change_is_known_ahead() -> None:
    of, facts = spec(2, "r1"), (agreed("r1", "S-2"), agreed("r2", "M-4"))
    assert next_change(of, facts, now=FROM - timedelta(days=1)) == FROM
    assert next_change(of, facts, now=FROM) == UNTIL
    assert next_change(of, facts, now=UNTIL) is None
    assert next_change(of, (agreed("r1", "S-2", until=None),), now=NOW) is None
