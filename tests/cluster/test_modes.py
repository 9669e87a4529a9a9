"""Where an operator looks, with which rights, and what it says when something it needs is missing."""

import json

import pytest

from cluster.instances import condition, database_secret, instance, wait_for
from cluster.observing import SECONDS, finding, is_applied, wait_applied
from cluster.standing import NOWHERE, SIMULATED, create_simulated, refused, until
from dedicated.api.json import get_list, get_str
from dedicated.api.names import API_VERSION, GROUP, PLURAL
from dedicated.api.objects import INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.home import CHECKOUT
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

CRD = f"{PLURAL}.{GROUP}"


def missing(operator: OperatorProcess) -> str:
    """What `/readyz` says is missing; empty where nothing is."""
    status, body = operator.http("/readyz")
    return str(json.loads(body)["missing"]) if status == 503 else ""


def test_cluster_mode_serves_every_namespace(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    names = [make_namespace(labels=SIMULATED) for _ in range(2)]
    create_simulated(cluster.api, names[0])
    since = cluster.audit_position()
    operator = run_operator(make_namespace(), watch=())
    create_simulated(cluster.api, names[1])
    for name in names:
        wait_applied(cluster.api, name)
    for name in names:
        cluster.api.delete(INSTANCE, name, "acme")
    for name in names:
        cluster.api.wait_for(INSTANCE, name, "acme", lambda body: body is None, what="deleted")
    # Namespaces of tests that are over are in its sight too: what ends takes no new objects.
    mine = ("", *names)
    assert [
        line
        for line in refused(cluster, operator, since)
        if line.split()[-1].partition("/")[0] in mine and not line.startswith("create events")
    ] == []


def test_a_watched_namespace_is_all_that_it_sees(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    watched, other = make_namespace(labels=SIMULATED), make_namespace(labels=SIMULATED)
    since = cluster.audit_position()
    operator = run_operator(watched, watch=(watched,))
    create_simulated(cluster.api, other)
    create_simulated(cluster.api, watched)
    wait_applied(cluster.api, watched)
    assert refused(cluster, operator, since) == []
    asked = cluster.requests(since=since, user=operator.account)
    without = {request.resource for request in asked if not request.namespace and request.resource}
    assert without == {"ingressclasses", "nodes", "selfsubjectaccessreviews", "selfsubjectreviews"}
    assert {request.namespace for request in asked if request.namespace} == {watched}
    assert "status" not in cluster.api.get(INSTANCE, other, "acme")


def test_without_the_right_to_read_nodes(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    since = cluster.audit_position()
    operator = run_operator(namespace, watch=(namespace,), values={"rbac": {"nodes": False}})
    create_simulated(cluster.api, namespace)
    body = wait_for(cluster.api, namespace, is_applied, seconds=SECONDS, what="applied")
    for kind in ("PrerequisitesMet", "HighlyAvailable"):
        assert condition(body, kind)["status"] == "Unknown"
        assert condition(body, kind)["reason"] == "ZonesUnknown"
    assert finding(body, "ZonesUnknown")["responsible"] == "Provider"
    assert "rbac.nodes" in get_str(finding(body, "ZonesUnknown"), "action")
    assert refused(cluster, operator, since) == []


def test_a_kind_that_is_not_there_yet(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    for left in cluster.api.list(INSTANCE):  # of tests that are over
        where, name = get_str(left, "metadata", "namespace"), get_str(left, "metadata", "name")
        cluster.api.patch(INSTANCE, where, name, {"metadata": {"finalizers": None}})
    cluster.kubectl("delete", "crd", CRD, "--timeout=60s")
    try:
        operator = run_operator(namespace, watch=(namespace,), ready=False)
        until(lambda: "dedicatedinstances" in missing(operator), "/readyz names the kind")
        assert operator.http("/healthz")[0] == 200
    finally:
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHECKOUT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", f"crd/{CRD}")
    operator.wait_ready(seconds=SECONDS)
    until(lambda: _served(cluster, namespace), "the kind is served")
    cluster.api.create(database_secret(namespace, NOWHERE))
    cluster.api.create(instance(namespace))
    body = wait_for(cluster.api, namespace, is_applied, seconds=SECONDS, what="applied")
    assert get_list(body, "metadata", "finalizers")


def _served(cluster: Cluster, namespace: str) -> bool:
    return cluster.api.find(f"{API_VERSION}/{PLURAL}", namespace, "nobody") is None
