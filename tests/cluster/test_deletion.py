"""Deletion: step by step, restart-safe; what can be rebuilt goes, keys stay, others' finalizers count."""

import pytest

from cluster.instances import database_secret, instance, wait_for
from cluster.observing import SECONDS, kstatus_of, uids, wait_applied, wait_until
from cluster.standing import SIMULATED, rest
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.names import FINALIZER
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INSTANCE,
    JOB,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

HOLD = "example.com/hold"
KEPT = {
    "ConfigMap/acme-identity",
    "Secret/acme-admin",
    "Secret/acme-login-key",
    "Secret/acme-masterkey",
    "Secret/acme-operator-key",
}


def create(api: Api, namespace: str) -> Manifest:
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    api.create(instance(namespace))
    return wait_applied(api, namespace)


def is_gone(body: Manifest | None) -> bool:
    return body is None


def finalizers(body: Manifest | None) -> list[JsonValue]:
    return get_list(body, "metadata", "finalizers")


def test_children_go_keys_stay_and_other_finalizers_are_respected(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    body = create(api, namespace)
    assert finalizers(body) == [FINALIZER]
    api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": [FINALIZER, HOLD]}})
    before = uids(api, namespace, *CHILD_KINDS)
    assert {name.partition("/")[0] for name in before.keys() - KEPT} == {
        kind.kind
        for kind in (
            CONFIG_MAP,
            DEPLOYMENT,
            DISRUPTION_BUDGET,
            JOB,
            NETWORK_POLICY,
            SERVICE,
            SERVICE_ACCOUNT,
        )
    }

    operator.kill()
    api.delete(INSTANCE, namespace, "acme")
    body = api.get(INSTANCE, namespace, "acme")
    assert finalizers(body) == [FINALIZER, HOLD]
    assert kstatus_of(body) == "Terminating"
    operator = run_operator(namespace, watch=(namespace,))
    body = wait_for(
        api, namespace, lambda one: finalizers(one) == [HOLD], seconds=SECONDS, what="our finalizer is gone"
    )
    assert kstatus_of(body) == "Terminating"
    assert uids(api, namespace, *CHILD_KINDS) == before
    operator.kill()
    run_operator(namespace, watch=(namespace,))
    assert finalizers(api.get(INSTANCE, namespace, "acme")) == [HOLD]

    api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": None}})
    api.wait_for(INSTANCE, namespace, "acme", is_gone, what="the instance is gone")
    wait_until(
        api,
        namespace,
        lambda: not uids(api, namespace, *CHILD_KINDS).keys() - KEPT,
        what="all children but keys and identity are gone",
    )
    assert uids(api, namespace, SECRET, CONFIG_MAP) == {name: before[name] for name in KEPT}


def test_nothing_is_rebuilt_while_an_instance_goes(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """Foreground deletion: children go first, and the instance waits for them."""
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    create(api, namespace)
    rest(cluster, operator)
    position = cluster.audit_position()
    api.delete(INSTANCE, namespace, "acme", propagation="Foreground")
    api.wait_for(INSTANCE, namespace, "acme", is_gone, timeout=SECONDS, what="the instance is gone")
    wait_until(api, namespace, lambda: not api.list(POD, namespace), what="no pods")
    assert uids(api, namespace, *CHILD_KINDS).keys() == KEPT
    aside = {"leases", "events", "selfsubjectaccessreviews", "selfsubjectreviews"}
    writes = [
        (request.verb, request.resource)
        for request in cluster.requests(since=position, user=operator.account)
        if request.verb not in {"get", "list", "watch"} and request.resource not in aside
    ]
    # The label of the namespace, and the finalizer.
    assert writes == [("patch", "namespaces"), ("patch", "dedicatedinstances")]


def test_a_namespace_with_an_instance_inside_ends(
    cluster: Cluster, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """In cluster mode: a Role in the namespace would go before the operator could let the instance go."""
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    operator = run_operator(home, watch=())
    create(cluster.api, namespace)
    cluster.api.delete("v1/namespaces", "", namespace)
    cluster.api.wait_for("v1/namespaces", "", namespace, is_gone, timeout=SECONDS, what="it is gone")
    problems = [line for line in operator.logs() if get_str(line, "level") in {"error", "critical"}]
    assert problems == []
