"""Modifications as records: made before the repair, once, by the operator, and never gone."""

from functools import partial

import pytest

from cluster.instances import condition, wait_for
from cluster.observing import SECONDS, is_applied
from cluster.standing import (
    SIMULATED,
    Standing,
    children,
    events_of,
    modification_of,
    modifications,
    records,
    rest,
    stand_simulated,
    until,
    writes,
)
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import DISRUPTION_BUDGET, INSTANCE, RECORD, SERVICE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

AFFINITY: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
OLD_MEMORY = "dedicated.zitadel.com/modified"
"""The annotation that earlier versions kept modifications in."""


def meddle(at: Standing, name: str = "acme-server") -> None:
    """Change a Service and see it told."""
    at.api.patch(SERVICE, at.namespace, name, AFFINITY, manager="somebody")
    wait_for(at.api, at.namespace, lambda body: bool(modification_of(body, f"Service/{name}")))


def affinity(at: Standing, name: str = "acme-server") -> object:
    return get_map(at.api.get(SERVICE, at.namespace, name), "spec")["sessionAffinity"]


def test_the_record_comes_before_the_repair_and_tells_the_same(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    since = cluster.audit_position()
    meddle(at)
    at.rest()
    order = [text for text in at.writes(since) if "records" in text or "services" in text]
    # Apply cannot take away what others added: the patch after it does.
    assert [text.split()[1] for text in order] == ["contractrecords", "services", "services"]
    (record,) = records(at.api, at.namespace)
    assert get_str(record, "spec", "by") == at.operator.account
    assert get_map(record, "metadata", "labels") == {LABEL_INSTANCE: "acme"}
    assert "ownerReferences" not in get_map(record, "metadata")
    (told,) = modifications(at.body())
    repaired_at = get_str(record, "metadata", "creationTimestamp")
    assert told == {**get_map(record, "spec", "modification"), "repairedAt": repaired_at}


def test_scaling_is_recorded_once_each_time(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    cluster.kubectl("-n", at.namespace, "scale", "deployment/acme-server", "--replicas=1")
    wait_for(
        at.api, at.namespace, lambda body: bool(modification_of(body, "Deployment/acme-server"))
    )
    at.rest()
    (record,) = records(at.api, at.namespace)
    assert get_str(record, "spec", "modification", "operation") == "Update (scale)"
    # Again at once: repaired, and part of the same record.
    cluster.kubectl("-n", at.namespace, "scale", "deployment/acme-server", "--replicas=2")
    until(
        lambda: cluster.kubectl(
            "-n", at.namespace, "get", "deployment/acme-server", "-o", "jsonpath={.spec.replicas}"
        )
        == "3",
        "scaled back",
    )
    at.rest()
    assert len(records(at.api, at.namespace)) == 1
    assert len(events_of(at.api, at.namespace, "ModificationRepaired")) >= 1


def test_records_outlive_the_instance_and_the_next_one_of_its_name_shows_them(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    meddle(at)
    at.rest()
    (before,) = records(at.api, at.namespace)
    body = at.body()
    at.api.delete(INSTANCE, at.namespace, "acme")
    at.api.wait_for(INSTANCE, at.namespace, "acme", lambda body: body is None, what="deleted")
    left = partial(children, at.api, at.namespace)
    until(lambda: "Service/acme-server" not in left(), "garbage collected", seconds=SECONDS)
    at.rest()
    assert records(at.api, at.namespace) == [before]
    metadata: Manifest = {"name": "acme", "namespace": at.namespace}
    at.api.create({**body, "metadata": metadata, "status": None})
    body = wait_for(at.api, at.namespace, is_applied, what="rolled out again")
    assert modification_of(body, "Service/acme-server")
    assert records(at.api, at.namespace) == [before], "a deletion of the whole is nobody's modification"


def test_an_upgrade_leaves_the_annotation_of_earlier_versions_alone(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    assert at.operator.stop() == 0
    service = at.api.get(SERVICE, at.namespace, "acme-server")
    labels, annotations = (get_map(service, "metadata", key) for key in ("labels", "annotations"))
    metadata: Manifest = {
        "name": "acme-server",
        "namespace": at.namespace,
        "labels": labels,
        "annotations": {**annotations, OLD_MEMORY: '{"manager": "somebody"}'},
        "ownerReferences": get_map(service, "metadata")["ownerReferences"],
    }
    spec = {key: get_map(service, "spec")[key] for key in ("selector", "ports", "type")}
    old: Manifest = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    at.api.apply(old, manager="dedicated-operator")
    since = cluster.audit_position()
    operator = run_operator(at.namespace, watch=(at.namespace,))
    rest(cluster, operator)
    assert writes(cluster, operator, since) == []
    kept = at.api.get(SERVICE, at.namespace, "acme-server")
    assert OLD_MEMORY in get_map(kept, "metadata", "annotations")
    assert modifications(at.body()) == []


def test_a_full_quota_of_records_does_not_leave_the_instance_unrepaired(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    name = f"count/{RECORD.plural}.{RECORD.group}"
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": at.namespace},
        "spec": {"hard": {name: "0"}},
    }
    at.api.create(quota)
    at.api.wait_for(
        "v1/resourcequotas",
        at.namespace,
        "none",
        lambda item: name in get_map(item, "status", "hard"),
        what="a quota in force",
    )
    at.api.patch(SERVICE, at.namespace, "acme-server", AFFINITY, manager="somebody")
    at.api.delete(DISRUPTION_BUDGET, at.namespace, "acme-login")
    until(lambda: affinity(at) == "None", "repaired")
    until(lambda: "PodDisruptionBudget/acme-login" in children(at.api, at.namespace), "made again")
    until(
        lambda: len(events_of(at.api, at.namespace, "ModificationRepaired")) == 2, "an event of each"
    )
    at.rest()
    assert records(at.api, at.namespace) == []
    said = [get_str(line, "message") for line in at.operator.logs()]
    assert any("somebody (Update) repaired, not recorded" in text for text in said)
    assert condition(at.body(), "UpToDate")["status"] == "True"
