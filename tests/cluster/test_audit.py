"""The full audit: who writes under the operator's own name is found, and nobody else is accused."""

import time
from collections.abc import Callable

import pytest

from cluster.instances import database_secret, instance, wait_for
from cluster.observing import change, is_applied, wait_applied, wait_stalled
from cluster.standing import (
    NOWHERE,
    SIMULATED,
    Standing,
    modification_of,
    records,
    rest,
    stand_simulated,
    until,
    writes,
)
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER
from dedicated.api.objects import DEPLOYMENT, NETWORK_POLICY, SECRET, SERVICE, Kind
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

INTERVAL = 3.6
OFTEN = ("--audit-hours", str(INTERVAL / 3600))
READS = frozenset({"configmaps", "services", "serviceaccounts", "deployments", "networkpolicies"})
AMOUNTS: Manifest = {
    "requests": {"cpu": "0.5", "memory": "1024Mi"},
    "limits": {"cpu": "1500m", "memory": "1.5Gi"},
}
SPECS: dict[str, Manifest] = {
    "small": {},
    "amounts": {"server": {"resources": AMOUNTS}, "login": {"resources": AMOUNTS}},
    "configured": {
        "server": {"replicas": 4, "config": {"Log": {"Level": "debug"}, "Empty": {}, "Nothing": None}},
        "firstInstance": {"organization": "Acme"},
    },
    "zones": {
        "infrastructure": {"zones": {"minimum": 3, "names": ["zone-a", "zone-b", "zone-c"]}},
    },
}


def audits(at: Standing, since: int) -> int:
    """Full readings of the instance's Services since a position."""
    user = at.operator.account
    return len(
        [
            request
            for request in at.cluster.requests(since=since, user=user)
            if request.verb == "list" and request.resource == "services"
        ]
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_an_audit_finds_nothing_where_nothing_was_forged(
    cluster: Cluster,
    crds: None,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    spec: Manifest,
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    operator = run_operator(namespace, watch=(namespace,), extra=OFTEN)
    cluster.api.create(database_secret(namespace, NOWHERE))
    plain = instance(namespace)
    cluster.api.create({**plain, "spec": {**get_map(plain, "spec"), **spec}})
    wait_applied(cluster.api, namespace)
    at = Standing(cluster, namespace, operator)
    at.rest()
    since = cluster.audit_position()
    until(lambda: audits(at, since) >= 2, "two audits")
    assert at.writes(since) == [], "not even a dry run"
    read = {
        request.resource
        for request in cluster.requests(since=since, user=operator.account)
        if request.verb == "list"
    }
    assert read >= READS
    assert SECRET.plural not in read
    assert records(cluster.api, namespace) == []


def forge(at: Standing, kind_name: str, patch: Manifest) -> Manifest:
    """What the operator applied, with something changed, and the hash left as it was."""
    kind = {"Service": SERVICE, "Deployment": DEPLOYMENT}[kind_name]
    live = at.api.get(kind, at.namespace, "acme-server")
    metadata = get_map(live, "metadata")
    spec = {key: value for key, value in get_map(live, "spec").items() if "IP" not in key}
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {
            "name": "acme-server",
            "namespace": at.namespace,
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
            "ownerReferences": metadata["ownerReferences"],
        },
        "spec": {**spec, **patch},
    }


def repaired(at: Standing, kind_name: str, field: str, operation: str) -> None:
    """Wait until it is found and told: the undoing comes after the record, `undone` waits for it."""
    child = f"{kind_name}/acme-server"
    body = wait_for(
        at.api,
        at.namespace,
        lambda body: get_str(modification_of(body, child), "manager") == f"{FIELD_MANAGER} (forged)",
        what=f"{child} told as forged",
    )
    told = modification_of(body, child)
    assert field in get_list(told, "fields"), told
    assert get_str(told, "operation") == operation
    (record,) = records(at.api, at.namespace)
    assert get_map(record, "spec", "modification") == {
        key: value for key, value in told.items() if key != "repairedAt"
    }


def undone(at: Standing, kind: Kind, holds: Callable[[Manifest], bool]) -> Manifest:
    """The child once it is as it was."""
    return at.api.wait_for(
        kind, at.namespace, "acme-server", lambda live: live is not None and holds(live), what="undone"
    )


def plain_service(live: Manifest) -> bool:
    """Whether the Service is as the operator makes it."""
    spec = get_map(live, "spec")
    return (spec["sessionAffinity"], spec["type"]) == ("None", "ClusterIP")


def test_a_value_applied_under_our_name_with_our_hash(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator, extra=OFTEN)
    evil = forge(at, "Service", {"sessionAffinity": "ClientIP", "type": "NodePort"})
    at.api.apply(evil, manager=FIELD_MANAGER)
    repaired(at, "Service", "spec.sessionAffinity", "Apply")
    undone(at, SERVICE, plain_service)
    at.rest()
    assert len(records(at.api, at.namespace)) == 1


def no_evil(live: Manifest) -> bool:
    """Whether neither the variable nor the label that the forgery added is there."""
    (container,) = get_list(live, "spec", "template", "spec", "containers")
    variables = [get_str(item, "name") for item in get_list(as_manifest(container), "env")]
    return "EVIL" not in variables and "evil" not in get_map(live, "metadata", "labels")


def test_a_field_added_by_an_update_under_our_name(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator, extra=OFTEN)
    containers: JsonValue = [{"name": "server", "env": [{"name": "EVIL", "value": "1"}]}]
    patch: Manifest = {
        "metadata": {"labels": {"evil": "1"}},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    at.api.patch(DEPLOYMENT, at.namespace, "acme-server", patch, content="strategic", manager=FIELD_MANAGER)
    repaired(at, "Deployment", "spec.template.spec.containers[name=server].env[name=EVIL]", "Update")
    undone(at, DEPLOYMENT, no_evil)
    wait_for(at.api, at.namespace, is_applied, what="rolled out again")


def test_another_hash_applied_under_our_name_is_seen_at_once(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    evil = forge(at, "Service", {"sessionAffinity": "ClientIP"})
    metadata = get_map(evil, "metadata")
    metadata["annotations"] = {
        key: "0" * 16 for key in get_map(metadata, "annotations") if key.endswith("/applied")
    }
    at.api.apply(evil, manager=FIELD_MANAGER)
    repaired(at, "Service", "metadata.annotations.dedicated.zitadel.com/applied", "Apply")
    undone(at, SERVICE, plain_service)


def test_a_default_that_a_repair_brought_back_is_no_forgery(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """The API server fills it in again, and then it is our own patch that owns it."""
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator, extra=OFTEN)
    body: Manifest = {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}
    at.api.patch(DEPLOYMENT, at.namespace, "acme-server", body, content="strategic", manager="somebody")
    wait_for(at.api, at.namespace, lambda body: bool(modification_of(body, "Deployment/acme-server")))
    wait_for(at.api, at.namespace, is_applied, what="rolled out again")
    live = at.api.get(DEPLOYMENT, at.namespace, "acme-server")
    entries = get_list(live, "metadata", "managedFields")
    owners = {get_str(item, "operation") for item in entries if get_str(item, "manager") == FIELD_MANAGER}
    assert owners == {"Apply", "Update"}, "what this test is about"
    since = cluster.audit_position()
    until(lambda: audits(at, since) >= 2, "two audits")
    (record,) = records(at.api, at.namespace)
    assert get_str(record, "spec", "modification", "manager") == "somebody"
    version = get_str(live, "metadata", "generation")
    assert get_str(at.api.get(DEPLOYMENT, at.namespace, "acme-server"), "metadata", "generation") == version


def passes(at: Standing) -> float:
    """Passes of the operator so far."""
    _, text = at.operator.http("/metrics")
    lines = (line for line in text.splitlines() if line.startswith("dedicated_operator_reconcile_total"))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_an_audit_that_is_due_does_not_drive_an_instance_that_is_held(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator, extra=OFTEN)
    change(at.api, at.namespace, {"release": {"version": "v9.9.9"}})
    wait_stalled(at.api, at.namespace, "ReleaseUnknown")
    at.rest()
    since, before, begun = cluster.audit_position(), passes(at), time.monotonic()
    until(lambda: time.monotonic() - begun > 2 * INTERVAL, "two intervals", seconds=60)
    assert audits(at, since) == 0
    assert passes(at) - before <= 4
    change(at.api, at.namespace, {"release": {"version": "v4.15.2"}})
    until(lambda: audits(at, since) >= 1, "the audit that was due")


def test_a_restart_does_not_begin_with_an_audit(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    assert at.operator.stop() == 0
    since = cluster.audit_position()
    operator = run_operator(at.namespace, watch=(at.namespace,))
    rest(cluster, operator)
    lists = [
        request.resource
        for request in cluster.requests(since=since, user=operator.account)
        if request.verb == "list"
    ]
    assert lists.count("services") == 1, "the informer's own"
    assert writes(cluster, operator, since) == []
    assert NETWORK_POLICY.plural in lists
