"""The status: whole from the first sight, the same after a wipe, and the same for people and tools."""

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import (
    SECONDS,
    History,
    finding,
    kstatus_of,
    never_current_before_ready,
    uids,
    wait_applied,
    wait_stalled,
)
from dedicated.api.conditions import TYPES
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import CHILD_KINDS, INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed_oracles import argo_health

pytestmark = pytest.mark.cluster


def timeless(body: Manifest) -> Manifest:
    """The status without the times of its transitions."""
    status = get_map(body, "status")
    conditions: list[JsonValue] = [
        {key: value for key, value in as_manifest(item).items() if key != "lastTransitionTime"}
        for item in get_list(status, "conditions")
    ]
    return {**status, "conditions": conditions}


def test_whole_from_the_first_sight_and_the_same_after_a_wipe(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    history = History.of(api, INSTANCE, namespace)
    api.create(database_secret(namespace, database))
    api.create(instance(namespace))
    body = wait_ready(api, namespace, seconds=SECONDS)
    _whole_from_the_first_sight(history.look())
    assert kstatus_of(body) == "Current"
    assert argo_health(body).status == "Healthy"

    # A rest without figures that still move: the start of service is recorded with the first Ready.
    body = wait_for(api, namespace, _rests, what="rest")
    assert get_map(body, "status", "summary") == {
        "version": "v4.15.2",
        "zones": "3/3",
        "server": "3/3",
        "login": "3/3",
        "findings": "",
    }
    at_rest = timeless(body)
    api.patch(INSTANCE, namespace, "acme", {"status": None}, subresource="status")
    wait_for(api, namespace, lambda one: timeless(one or {}) == at_rest, what="the same after a wipe")
    operator.stop()
    api.patch(INSTANCE, namespace, "acme", {"status": None}, subresource="status")
    run_operator(namespace, watch=(namespace,), identity="operator-1")
    wait_for(api, namespace, lambda one: timeless(one or {}) == at_rest, what="the same after a restart")
    _reads_well(cluster, namespace)


def _rests(body: Manifest | None) -> bool:
    kinds = ("HighlyAvailable", "MaintenanceWithinQuarter", "ServiceLevelMet")
    return all(condition(body, kind).get("status") == "True" for kind in kinds)


def _whole_from_the_first_sight(history: list[Manifest]) -> None:
    with_status = [body for body in history if get_map(body, "status")]
    for body in with_status:
        assert [get_str(item, "type") for item in get_list(body, "status", "conditions")] == list(TYPES)
        assert get_int(body, "status", "observedGeneration") == get_int(body, "metadata", "generation")
    first = with_status[0]
    assert condition(first, "Ready")["status"] in {"False", "Unknown"}
    assert condition(first, "Reconciling")["status"] == "True"
    assert condition(first, "Available")["status"] == "Unknown"
    verdicts = never_current_before_ready(with_status)
    assert set(verdicts) == {"InProgress", "Current"}
    assert kstatus_of(with_status[-1]) == "Current"


def _reads_well(cluster: Cluster, namespace: str) -> None:
    lines = cluster.kubectl("get", "di", "-n", namespace).splitlines()
    assert lines[0].split() == [
        *("NAME", "READY", "REASON", "VERSION", "ZONES", "UPTIME-%", "NEXT-SLOT", "FINDINGS", "AGE")
    ]
    assert lines[1].split()[:6] == ["acme", "True", "Ready", "v4.15.2", "3/3", "100.000"]
    wide = cluster.kubectl("get", "di", "-n", namespace, "-o", "wide").splitlines()
    assert wide[0].split()[-5:] == ["URL", "PLAN", "SERVER", "LOGIN", "MESSAGE"]
    assert f"https://{namespace}.example.test" in wide[1]
    assert wide[1].endswith("the instance runs as specified and its public name answers")
    described = " ".join(cluster.kubectl("describe", "di", "acme", "-n", namespace).split())
    for text in ("Admin Secret: acme-admin", "server ready in 3 zones (zone-a 1, zone-b 1, zone-c 1)"):
        assert text in described


def test_a_second_instance_in_the_namespace_is_refused(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels={"testbed/pods": "simulated"})
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    api.create(instance(namespace))
    wait_applied(api, namespace)
    before = uids(api, namespace, *CHILD_KINDS)
    api.create(instance(namespace, "second", domain="second.example.test"))
    body = wait_stalled(api, namespace, "NamespaceShared", "second")
    found = finding(body, "NamespaceShared")
    assert found["responsible"] == "Customer"
    assert "acme" in get_str(found, "message")
    assert argo_health(body).status == "Degraded"
    assert uids(api, namespace, *CHILD_KINDS) == before
    assert condition(api.get(INSTANCE, namespace, "acme"), "Stalled")["status"] == "False"
    api.delete(INSTANCE, namespace, "acme")
    wait_for(
        api,
        namespace,
        lambda one: condition(one, "Stalled").get("status") == "False",
        "second",
        seconds=SECONDS,
        what="the namespace is its own now",
    )
