"""Where data is, in a pass: nodes outside hold up the installation, later they are told (D-1)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from builders import NOW, body, nodes
from contract.test_recovery_store import GOOD, wanted
from dedicated.api.instance import Infrastructure
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.places import Places
from dedicated.api.store import Target
from dedicated.contract.places import atlas_of, built_in
from dedicated.contract.prerequisites import Node
from dedicated.reconcile.location import declared, locate
from dedicated.reconcile.observed import Observed, PodState, node_of
from reconcile.simulation import Cluster

ZURICH = "gcp:europe-west6"
FRANKFURT = "gcp:europe-west3"
SWISS: Manifest = {"dataLocation": {"region": "Switzerland"}}
INSIDE = tuple(replace(node, place=ZURICH) for node in nodes(3))


def infrastructure(**more: JsonValue) -> Infrastructure:
    return Infrastructure.model_validate({**SWISS, **more})


def pod(node: str, *, finished: bool = False) -> PodState:
    return PodState("p", "server", node, True, finished, False, "")


def moved(zone: str, place: str) -> tuple[Node, ...]:
    """All nodes inside, but for those of a zone."""
    return tuple(replace(node, place=place) if node.zone == zone else node for node in INSIDE)


def test_a_node_outside_holds_up_the_first_installation() -> None:
    cluster = Cluster(body(infrastructure=SWISS), nodes=moved("z3", FRANKFURT))
    assert cluster.step().actions == ()
    assert cluster.condition("DataLocationCompliant") == ("False", "OutsideRegion")
    assert cluster.condition("Ready") == ("False", "OutsideRegion")
    said = [get_str(item, "message") for item in get_list(cluster.body, "status", "findings")]
    assert said == [f"Node z3-{number} ({FRANKFURT}) is outside CH (D-1)" for number in (1, 2)]
    cluster.nodes = INSIDE
    cluster.stand()
    assert cluster.condition("DataLocationCompliant") == ("True", "InsideRegion")
    assert cluster.condition("Ready") == ("True", "Ready")


def test_a_node_outside_is_told_later_and_holds_nothing_up() -> None:
    cluster = Cluster(body(infrastructure=SWISS), nodes=INSIDE)
    cluster.stand()
    cluster.nodes = moved("z3", FRANKFURT)
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    assert cluster.condition("DataLocationCompliant") == ("False", "OutsideRegion")
    assert cluster.condition("Reconciling")[1] != "OutsideRegion"


def test_without_a_region_nothing_is_held_up() -> None:
    cluster = Cluster(body(), nodes=nodes(3))
    cluster.stand()
    assert cluster.condition("DataLocationCompliant") == ("Unknown", "NoRegion")
    assert cluster.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    ("installed", "pods", "more", "status"),
    [
        (False, (), {}, "False"),
        (False, (), {"zones": {"minimum": 3, "names": ["z1", "z2", "z4"]}}, "True"),
        (True, (), {}, "True"),
        (True, (pod("z3-1"),), {}, "False"),
        (True, (pod("z3-1", finished=True),), {}, "True"),
        (True, (pod("z3-1"),), {"zones": {"minimum": 3, "names": ["z1", "z2", "z4"]}}, "False"),
        (True, (pod("gone"),), {}, "True"),
    ],
)
def test_nodes_count_where_pods_are_and_before_where_they_may_be(
    installed: bool, pods: tuple[PodState, ...], more: Manifest, status: str
) -> None:
    observed = Observed(nodes=moved("z3", FRANKFURT), pods=pods)
    found = locate(infrastructure(**more), observed, installed=installed, now=NOW)
    assert found.condition.status == status


def test_a_node_that_takes_no_pods_is_not_asked_before_and_unlabelled_ones_are_unknown() -> None:
    shut = tuple(replace(node, schedulable=False) for node in moved("z3", FRANKFURT) if node.zone == "z3")
    assert locate(infrastructure(), Observed(nodes=shut), installed=False, now=NOW).findings == ()
    bare = locate(infrastructure(), Observed(nodes=moved("z3", "")), installed=False, now=NOW)
    assert bare.condition.status == "Unknown"
    assert {item.action for item in bare.findings} == {"label it with its region"}
    blind = locate(infrastructure(), Observed(nodes=None), installed=True, now=NOW)
    assert blind.condition.message == "not known to be inside CH: Node any (not readable)"


def test_an_unknown_region_holds_up_the_installation() -> None:
    place = infrastructure(dataLocation={"region": "Alps"})
    found = locate(place, Observed(nodes=INSIDE), installed=False, now=NOW)
    assert (found.condition.status, found.allowed) == ("Unknown", None)
    assert [(item.code, item.blocks) for item in found.findings] == [("RegionUnknown", "Creation")]
    assert declared(place, None, atlas=built_in()) == found.findings
    alps = atlas_of(Places.model_validate({"regions": {"Alps": ["CH", "AT"]}}))
    assert declared(place, None, atlas=alps) == ()
    told = locate(place, Observed(nodes=INSIDE, atlas=alps), installed=False, now=NOW)
    assert sorted(told.allowed or ()) == ["AT", "CH"]


def test_what_the_agent_read_of_the_stores_counts() -> None:
    observed = Observed(nodes=INSIDE)
    now = GOOD.at + timedelta(minutes=1)

    def status(*targets: Target) -> str:
        store = replace(GOOD, targets=targets)
        found = locate(
            infrastructure(), observed, installed=True, backup=wanted(), stores=[store], now=now
        )
        return found.condition.status

    assert status() == "True"
    assert status(Target("virginia", "")) == "False"
    assert status(Target("shut")) == "Unknown"
    frankfurt = wanted(endpoint="s3.eu-central-1.amazonaws.com", region="eu-central-1")
    (said,) = declared(infrastructure(), frankfurt, atlas=built_in())
    assert (said.code, said.blocks) == ("OutsideRegion", "Storing")


def test_a_nodes_place_is_its_cloud_and_its_region() -> None:
    node: Manifest = {
        "metadata": {"name": "n", "labels": {"topology.kubernetes.io/region": "europe-west6"}},
        "spec": {"providerID": "gce://project/europe-west6-a/n"},
    }
    assert node_of(node).place == ZURICH
    assert node_of({"metadata": {"name": "n"}}).place == ""
