"""Dedicated and private (S-1)."""

from dedicated.contract.isolation import check_namespace


def test_alone_in_its_namespace() -> None:
    assert check_namespace("acme-ns", senior="") == ()


def test_the_younger_of_two_waits_for_a_person() -> None:
    (finding,) = check_namespace("acme-ns", senior="elder")
    assert finding.blocks == "Stalled"
    assert finding.responsible == "Customer"
    assert "acme-ns" in finding.message
    assert "elder" in finding.message
