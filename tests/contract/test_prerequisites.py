"""Prerequisites of the infrastructure (O-3, P-5)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import instance, nodes
from dedicated.api.instance import Infrastructure, Zones
from dedicated.contract.prerequisites import Node, check_zones, zones_of

NODES = st.lists(
    st.builds(
        Node,
        name=st.text(max_size=3),
        zone=st.sampled_from(["", "a", "b", "c", "d"]),
        schedulable=st.booleans(),
    ),
    max_size=8,
)
OWN = instance().spec.infrastructure


@settings(max_examples=100, deadline=None)
@given(NODES, st.integers(1, 4))
def test_a_zone_counts_with_one_schedulable_node(found: list[Node], needed: int) -> None:
    usable = {node.zone for node in found if node.schedulable and node.zone}
    findings = check_zones(found, infrastructure=OWN, needed=needed)
    assert (findings == ()) == (len(usable) >= needed)
    for finding in findings:
        assert f"{len(usable)} zones" in finding.message
        assert f"{needed} are needed" in finding.message
        assert finding.blocks == "Creation"


def test_nodes_without_zone_or_room_do_not_count() -> None:
    found = (*nodes(2), Node("x", "", True), Node("y", "z3", False))
    (finding,) = check_zones(found, infrastructure=OWN, needed=3)
    assert "(z1, z2)" in finding.message


def test_only_named_zones_count() -> None:
    pinned = Infrastructure(zones=Zones(names=["z1", "z2", "z9"]))
    (finding,) = check_zones(nodes(5), infrastructure=pinned, needed=3)
    assert "2 zones of those named (z1, z2, z9)" in finding.message
    assert zones_of(nodes(5), allowed=["z2", "z9"]) == ["z2"]


def test_the_owner_of_the_infrastructure_must_act() -> None:
    for owner in ("Provider", "Customer"):
        of = instance(infrastructure={"owner": owner}).spec.infrastructure
        (finding,) = check_zones((), infrastructure=of, needed=3)
        assert finding.responsible == owner
        assert "(none)" in finding.message


def test_nodes_that_may_not_be_read_are_unknown_and_block_nothing() -> None:
    (finding,) = check_zones(None, infrastructure=OWN, needed=3)
    assert (finding.code, finding.blocks) == ("ZonesUnknown", "")
    assert "rbac.nodes" in finding.action
