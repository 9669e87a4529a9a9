"""Nothing is installed on nodes outside the region; the operator's own map says where they are (D-1)."""

import pytest

from cluster.instances import condition, database_secret, instance, wait_for
from cluster.observing import SECONDS, is_applied
from cluster.standing import NOWHERE, SIMULATED
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.nodes import REGION

pytestmark = pytest.mark.cluster


def located(namespace: str, *countries: JsonValue) -> Manifest:
    """An instance whose data may be in these countries."""
    body = instance(namespace)
    where: Manifest = {"dataLocation": {"countries": [*countries]}}
    get_map(body, "spec")["infrastructure"] = {**get_map(body, "spec", "infrastructure"), **where}
    return body


def codes(body: Manifest | None) -> list[str]:
    return [get_str(item, "code") for item in get_list(body or {}, "status", "findings")]


@pytest.mark.slow
def test_nodes_outside_hold_an_installation_up_and_nodes_inside_do_not(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    swiss, german = (make_namespace(labels=SIMULATED) for _ in range(2))
    for namespace, country in ((swiss, "CH"), (german, "DE")):
        cluster.api.create(database_secret(namespace, NOWHERE))
        cluster.api.create(located(namespace, country))
    run_operator(german, watch=(swiss, german), values={"places": {"places": {REGION: ["DE"]}}})
    inside = wait_for(cluster.api, german, is_applied, seconds=SECONDS, what="applied")
    assert condition(inside, "DataLocationCompliant")["status"] == "True"
    outside = wait_for(
        cluster.api, swiss, lambda body: "OutsideRegion" in codes(body), seconds=SECONDS, what="told"
    )
    said = condition(outside, "DataLocationCompliant")
    assert (said["status"], said["reason"]) == ("False", "OutsideRegion")
    assert f"({REGION})" in get_str(said, "message")
    assert condition(outside, "Ready")["reason"] == "OutsideRegion"
    assert cluster.api.list(DEPLOYMENT, swiss) == []
    assert cluster.api.get(INSTANCE, swiss, "acme")


def test_nodes_that_are_not_on_the_map_hold_it_up_too(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    cluster.api.create(database_secret(namespace, NOWHERE))
    cluster.api.create(located(namespace, "CH"))
    run_operator(namespace, watch=(namespace,))
    held = wait_for(
        cluster.api, namespace, lambda body: "PlaceUnknown" in codes(body), seconds=SECONDS, what="told"
    )
    assert condition(held, "DataLocationCompliant")["status"] == "Unknown"
    assert cluster.api.list(DEPLOYMENT, namespace) == []
