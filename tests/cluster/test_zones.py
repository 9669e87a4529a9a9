"""Zones that go and come back: the service goes on, and the status tells what is left (S-2, O-2)."""

import pytest

from cluster.instances import condition, database_secret, instance, is_ready, wait_for
from cluster.observing import LOGIN, SECONDS, SERVER, finding, kstatus_of, pods_by_zone, visitor
from cluster.standing import NOWHERE, SIMULATED, children, stand
from dedicated.api.json import Manifest, get_list, get_str
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.nodes import nodes_of

pytestmark = pytest.mark.cluster

EVEN = {"zone-a": 1, "zone-b": 1, "zone-c": 1}


def told_zones(body: Manifest | None) -> dict[str, tuple[object, object]]:
    """Zone -> ready pods of server and login, as the status has them."""
    return {
        get_str(zone, "name"): (zone["server"], zone["login"])
        for zone in get_list(body, "status", "zones")
        if isinstance(zone, dict)
    }


def is_whole(body: Manifest | None) -> bool:
    side = ("PrerequisitesMet", "HighlyAvailable", "Available", "UpToDate")
    told = all(condition(body, kind).get("status") == "True" for kind in side)
    return is_ready(body) and told and get_str(body, "status", "summary", "zones") == "3/3"


def test_a_zone_lost_and_back_and_one_cordoned(
    cluster: Cluster, crds: None, alone: None, namespace: str, database: str, run_operator: RunOperator
) -> None:
    at = stand(cluster, namespace, database, run_operator)
    wait_for(at.api, namespace, is_whole, what="everything True")
    guest = visitor(cluster, f"{namespace}.example.test")

    cluster.lose_zone("zone-a")
    body = wait_for(
        at.api,
        namespace,
        lambda body: (
            condition(body, "PrerequisitesMet").get("status") == "False"
            and get_str(body, "status", "summary", "zones") == "2/3"
            and told_zones(body).get("zone-a", (0, 0)) == (0, 0)
        ),
        seconds=SECONDS,
        what="the loss told",
    )
    assert is_ready(body)
    assert kstatus_of(body) == "Current"
    assert condition(body, "PrerequisitesMet")["reason"] == "TooFewZones"
    assert finding(body, "TooFewZones")["responsible"] == "Provider"
    assert "Provider" in get_str(condition(body, "PrerequisitesMet"), "message")
    assert get_str(body, "status", "summary", "findings") == "Provider: TooFewZones"
    # Two zones survive the loss of one more; the figures say that it is two.
    assert condition(body, "HighlyAvailable")["status"] == "True"
    assert "ready in 2 zones (zone-b 1, zone-c 1)" in get_str(condition(body, "HighlyAvailable"), "message")
    zones = told_zones(body)
    assert zones["zone-b"][0] == zones["zone-c"][0] == 1
    assert guest.ask("/.well-known/openid-configuration")[0] == 200
    assert condition(body, "Available")["status"] == "True"

    cluster.return_zone("zone-a")
    body = wait_for(at.api, namespace, is_whole, seconds=SECONDS, what="everything True again")
    assert get_list(body, "status", "findings") == []
    assert told_zones(body) == dict.fromkeys(EVEN, (1, 1))
    assert pods_by_zone(at.api, namespace, SERVER) == EVEN
    assert pods_by_zone(at.api, namespace, LOGIN) == EVEN

    cordoned = nodes_of(at.api, "zone-b")
    cluster.kubectl("cordon", *cordoned)
    try:
        body = wait_for(
            at.api,
            namespace,
            lambda body: condition(body, "PrerequisitesMet").get("status") == "False",
            what="TooFewZones",
        )
        # Nothing is lost, but nothing could be put there again.
        assert is_ready(body)
        assert told_zones(body) == dict.fromkeys(EVEN, (1, 1))
    finally:
        cluster.kubectl("uncordon", *cordoned)
    wait_for(at.api, namespace, is_whole, what="everything True once more")


@pytest.mark.slow
def test_nothing_is_built_on_two_zones(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    run_operator(namespace, watch=(namespace,))
    cordoned = nodes_of(api, "zone-c")
    cluster.kubectl("cordon", *cordoned)
    try:
        api.create(database_secret(namespace, NOWHERE))
        infrastructure: Manifest = {"class": "SelfHosted", "owner": "Customer"}
        api.create(instance(namespace, infrastructure=infrastructure))
        body = wait_for(
            api,
            namespace,
            lambda body: condition(body, "PrerequisitesMet").get("status") == "False",
            what="TooFewZones",
        )
        assert condition(body, "PrerequisitesMet")["reason"] == "TooFewZones"
        assert finding(body, "TooFewZones")["responsible"] == "Customer"
        assert condition(body, "Ready")["status"] == "False"
        assert kstatus_of(body) == "InProgress"
        assert children(api, namespace) == {}
        # One cordoned node of a zone is no lost zone.
        cluster.kubectl("uncordon", cordoned[0])
        body = wait_for(
            api,
            namespace,
            lambda body: get_str(body, "status", "summary", "zones") == "3/3",
            seconds=SECONDS,
            what="built on three zones",
        )
        assert condition(body, "PrerequisitesMet")["status"] == "True"
    finally:
        cluster.kubectl("uncordon", *cordoned)
