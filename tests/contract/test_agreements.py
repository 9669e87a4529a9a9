"""Deviations in writing (G-3, K-9): looser than the contract only while an agreement holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import instance
from dedicated.api.instance import CONTRACT_ZONES, InstanceSpec
from dedicated.api.json import JsonValue
from dedicated.contract.agreements import zones_in_force


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
    assert zones_in_force(spec(zones), valid=()) == (zones, ())


@settings(deadline=None)
@given(st.integers(1, CONTRACT_ZONES - 1))
def test_looser_holds_only_with_a_record_in_force(zones: int) -> None:
    assert zones_in_force(spec(zones, "r1"), valid={"r1"}) == (zones, ())
    assert zones_in_force(spec(zones, "r1"), valid={"r2"})[0] == CONTRACT_ZONES


def test_a_missing_record_is_told_with_figures_and_party() -> None:
    zones, (finding,) = zones_in_force(spec(2, "r1"), valid=())
    assert zones == CONTRACT_ZONES
    assert finding.code == "AgreementNotValid"
    assert finding.responsible == "Provider"
    assert finding.blocks == ""
    for part in ("is 2", "is 3", "S-2", "r1"):
        assert part in finding.message
    assert "3" in finding.action


def test_an_agreement_on_another_clause_does_not_loosen_this_one() -> None:
    other: list[JsonValue] = [{"clause": "S-2", "record": "r1"}, {"clause": "B-1", "record": "r2"}]
    looser = instance(infrastructure={"zones": {"minimum": 2}}, agreements=other).spec
    assert zones_in_force(looser, valid={"r2"})[0] == CONTRACT_ZONES
