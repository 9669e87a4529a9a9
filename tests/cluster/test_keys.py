"""Keys and identity: outlive their instance, are never made twice, stop everything when wrong."""

import base64

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import (
    SECONDS,
    finding,
    has_finding,
    kstatus_of,
    pod_names,
    restorable,
    secret,
    secret_data,
    uids,
    visitor,
    wait_applied,
    wait_stalled,
    work,
)
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import CHILD_KINDS, CONFIG_MAP, DEPLOYMENT, INSTANCE, JOB, SECRET, SERVICE
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

SIMULATED = {"testbed/pods": "simulated"}
LASTING = ("acme-masterkey", "acme-operator-key", "acme-login-key", "acme-admin")
KEY = "0123456789abcdefghijklmnopqrstuv"


def kept(api: Api, namespace: str) -> dict[str, JsonValue]:
    """Keys and identity: uid and data."""
    found = [api.get(SECRET, namespace, name) for name in LASTING]
    found.append(api.get(CONFIG_MAP, namespace, "acme-identity"))
    assert [get_list(item, "metadata", "ownerReferences") for item in found] == [[]] * 5
    assert [item["immutable"] for item in found] == [True] * 5
    return {
        get_str(item, "metadata", "name"): [get_str(item, "metadata", "uid"), get_map(item, "data")]
        for item in found
    }


def is_gone(body: Manifest | None) -> bool:
    return body is None


def test_keys_outlive_the_instance(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, database))
    api.create(instance(namespace))
    body = wait_ready(api, namespace, seconds=SECONDS)
    keys = kept(api, namespace)
    dump, uid = restorable(body), get_str(body, "metadata", "uid")

    api.delete(INSTANCE, namespace, "acme")
    api.wait_for(INSTANCE, namespace, "acme", is_gone, timeout=SECONDS, what="the instance is gone")
    api.wait_for(SERVICE, namespace, "acme-login", is_gone, timeout=SECONDS, what="children are gone")
    api.wait_for(DEPLOYMENT, namespace, "acme-server", is_gone, timeout=SECONDS, what="children are gone")
    assert kept(api, namespace) == keys

    api.create(dump)
    body = wait_ready(api, namespace, seconds=SECONDS)
    assert get_str(body, "metadata", "uid") != uid
    assert kept(api, namespace) == keys
    assert visitor(cluster, f"{namespace}.example.test").ask("/debug/ready")[0] == 200

    operator.stop()
    api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": None}})
    api.delete(INSTANCE, namespace, "acme")
    api.wait_for(DEPLOYMENT, namespace, "acme-server", is_gone, timeout=SECONDS, what="children are gone")
    assert kept(api, namespace) == keys

    # The database holds data of this key: an instance under another name can only read it with the key.
    existing: dict[str, JsonValue] = {
        "database": {"external": {"state": "Existing", "secretRef": {"name": "database"}}}
    }
    with pytest.raises(ApiError, match=r"keys\.masterkey\.secretRef is required"):
        api.create(instance(namespace, "beta", **existing))
    run_operator(namespace, watch=(namespace,), identity="operator-1")
    own: JsonValue = {"masterkey": {"secretRef": {"name": "acme-masterkey"}}}
    api.create(instance(namespace, "beta", **existing, keys=own))
    wait_ready(api, namespace, "beta", seconds=SECONDS)
    assert api.find(JOB, namespace, "beta-init") is None
    assert api.find(SECRET, namespace, "beta-masterkey") is None
    assert api.find(SECRET, namespace, "beta-admin") is None


def test_a_lost_and_a_changed_masterkey_stop_everything(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, database))
    api.create(instance(namespace))
    wait_ready(api, namespace, seconds=SECONDS)
    dump = restorable(api.get(SECRET, namespace, "acme-masterkey"))
    pods, before = pod_names(api, namespace), work(api, namespace)

    api.delete(SECRET, namespace, "acme-masterkey")
    api.patch(INSTANCE, namespace, "acme", {"status": None}, subresource="status")
    body = wait_stalled(api, namespace, "MasterkeyLost")
    assert finding(body, "MasterkeyLost")["responsible"] == "Provider"
    assert condition(body, "Ready")["status"] == "False"
    operator.stop()
    api.patch(INSTANCE, namespace, "acme", {"status": None}, subresource="status")
    run_operator(namespace, watch=(namespace,), identity="operator-1")
    wait_stalled(api, namespace, "MasterkeyLost")
    assert api.find(SECRET, namespace, "acme-masterkey") is None
    api.create(dump)
    body = wait_ready(api, namespace)
    assert kstatus_of(body) == "Current"
    assert get_list(body, "status", "findings") == []

    api.delete(SECRET, namespace, "acme-masterkey")
    other = {"masterkey": base64.b64encode(KEY.encode()).decode()}
    api.create({**dump, "data": dict(other)})
    api.patch(INSTANCE, namespace, "acme", {"spec": {"server": {"config": {"AuditLogRetention": "1h"}}}})
    body = wait_stalled(api, namespace, "MasterkeyChanged")
    assert KEY not in str(body)
    assert condition(body, "Available")["status"] == "True"
    assert (pod_names(api, namespace), work(api, namespace)) == (pods, before)
    api.delete(SECRET, namespace, "acme-masterkey")
    api.create(dump)
    wait_ready(api, namespace, seconds=SECONDS)
    assert work(api, namespace) != before  # the change that waited


def test_a_masterkey_brought_along(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    own: JsonValue = {"masterkey": {"secretRef": {"name": "own", "key": "master.key"}}}
    api.create(instance(namespace, keys=own))

    body = wait_for(api, namespace, has_finding("MasterkeyMissing"), what="MasterkeyMissing")
    found = finding(body, "MasterkeyMissing")
    assert found["responsible"] == "Customer"
    assert f"{namespace}/own" in get_str(found, "message")
    assert kstatus_of(body) == "InProgress"
    assert uids(api, namespace, *CHILD_KINDS) == {}

    api.create(secret(namespace, "own", **{"master.key": KEY + "\n"}))
    body = wait_stalled(api, namespace, "MasterkeyInvalid")
    message = get_str(finding(body, "MasterkeyInvalid"), "message")
    assert "33 bytes, exactly 32 are needed; the last byte is a line end" in message
    assert KEY not in str(body)
    assert uids(api, namespace, JOB, DEPLOYMENT) == {}
    assert api.find(CONFIG_MAP, namespace, "acme-identity") is None

    api.apply(secret(namespace, "own", **{"master.key": KEY}), manager="tests")
    wait_applied(api, namespace)
    assert api.find(SECRET, namespace, "acme-masterkey") is None
    assert KEY not in str(secret_data(api, namespace, "acme-operator-key"))
    server = api.get(DEPLOYMENT, namespace, "acme-server")
    (container,) = get_list(server, "spec", "template", "spec", "containers")
    variables = {get_str(item, "name"): item for item in get_list(container, "env")}
    reference = get_map(variables["ZITADEL_MASTERKEY"], "valueFrom", "secretKeyRef")
    assert reference == {"name": "own", "key": "master.key"}
