"""The limiter in plans while its pods fare badly, come and go, or are no longer wanted."""

from api.edge_examples import GATEWAY
from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import SECRET, Ref
from dedicated.parts.edge.entry import EdgeState
from dedicated.reconcile import limiting
from reconcile.rolling import rolled_out
from reconcile.simulation import Cluster
from reconcile.test_plan_limiter import (
    FILES,
    PEERS,
    PODS,
    TO_SERVER,
    WAY_IN,
    applied,
    before_the_limiter,
    override,
    sources,
    stood,
)

ROUTE = Ref("HTTPRoute", "acme-edge")


def test_a_limiter_that_never_came_up_goes_with_the_way_in() -> None:
    cluster = before_the_limiter()
    stuck: Manifest = {**rolled_out(1, 3), "updatedReplicas": 1, "readyReplicas": 0, "currentRevision": "r0"}
    cluster.server.set_status(cluster.server.objects[PODS], stuck)
    cluster.settle()
    assert cluster.message("Ready") == "rolling out the limiter"
    cluster.edit_spec(edge=None)
    cluster.settle()
    left = [ref for ref in cluster.server.objects if "limiter" in ref.name]
    assert left == [Ref(SECRET.kind, PEERS)]
    assert cluster.condition("Reconciling") == ("False", "Applied")


def test_a_pod_that_is_drained_degrades_the_limiter_and_rolls_nothing() -> None:
    cluster = stood()
    # Its name is taken until it is gone, and until then it is not counted as updated.
    drained = {**rolled_out(1, 3), "updatedReplicas": 2, "readyReplicas": 2}
    cluster.server.set_status(cluster.server.objects[PODS], drained)
    cluster.settle()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("Reconciling")[0] == "False"


def test_nobody_is_locked_out_where_no_way_in_can_be_made() -> None:
    absent = EdgeState(missing=frozenset({"HTTPRoute", "GRPCRoute"}))
    cluster = before_the_limiter(edge=GATEWAY)
    cluster.edge = absent
    cluster.rollout()
    cluster.settle()
    assert "GatewayApiMissing" in cluster.findings()
    assert sources(cluster, TO_SERVER) == ["", ""]
    cluster.edge = EdgeState()
    cluster.settle()
    assert sources(cluster, TO_SERVER) == ["limiter", "login"]
    cluster.edge = absent
    cluster.settle()
    assert sources(cluster, TO_SERVER) == ["limiter", "login"]
    assert ROUTE in cluster.server.objects, "a starting API server denies kinds for a moment"


def test_a_record_that_raises_limits_is_no_rollout() -> None:
    cluster = stood()
    override(cluster)
    assert applied(cluster.step()) == {FILES}
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.condition("Reconciling") == ("False", "Applied")


def test_an_edit_of_the_mode_is_under_way_until_it_is_applied() -> None:
    cluster = stood()
    cluster.edit_spec(rateLimit={"mode": "Shadow"})
    assert FILES in applied(cluster.step())
    assert cluster.condition("Reconciling")[0] == "True"
    cluster.settle()
    assert cluster.condition("Reconciling") == ("False", "Applied")


def test_the_files_are_for_the_replicas_that_there_are() -> None:
    cluster = stood()
    assert in_files(cluster, zones=2) == (2, 3)
    pods = cluster.server.objects[PODS]
    get_map(pods.manifest, "spec")["replicas"] = 2
    assert in_files(cluster, zones=2) == (2, 2)
    assert in_files(cluster, zones=3) == (3, 2)


def in_files(cluster: Cluster, *, zones: int) -> tuple[int, int]:
    """Replicas wanted, and those that the files know."""
    found = limiting.judge(cluster.instance(), cluster.observed(), zones=zones, now=cluster.server.now)
    assert found.wanted is not None
    return found.wanted.replicas, len(found.wanted.files.contents)


def test_in_shadow_mode_clients_are_led_to_it_before_the_other_ways_close() -> None:
    cluster = stood(rateLimit={"mode": "Shadow"})
    assert WAY_IN in cluster.server.objects
    assert sources(cluster, TO_SERVER) == ["", ""]
    cluster.edit_spec(rateLimit={"mode": "Enforce"})
    cluster.settle()
    assert sources(cluster, TO_SERVER) == ["limiter", "login"]
