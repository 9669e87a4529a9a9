"""What others change in an instance's children: repaired at once, and told with who, what and when (O-4)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pytest

from cluster.instances import condition, wait_for
from cluster.observing import SECONDS, is_applied, kstatus_of, pods
from cluster.standing import (
    SIMULATED,
    Standing,
    children,
    events_of,
    modification_of,
    modifications,
    stand_simulated,
    until,
)
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, LABEL_INSTANCE, LABEL_MANAGED_BY
from dedicated.api.objects import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INSTANCE,
    KIND_BY_NAME,
    NETWORK_POLICY,
    SERVICE,
    Kind,
)
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

REPAIR_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Meddling:
    """Something that a person or a program does to a child.

    `told` is the field as the status names it.
    """

    kind: Kind
    name: str
    act: Callable[[Standing], object]
    manager: str
    operation: str
    told: str
    event: str = ""
    """What the event tells instead: what is out of sight looks deleted until it is found again."""

    @property
    def child(self) -> str:
        return f"{self.kind.kind}/{self.name}"


def kubectl(*args: str) -> Callable[[Standing], object]:
    return lambda at: at.cluster.kubectl("-n", at.namespace, *args)


def patched(
    kind: Kind, name: str, body: JsonValue, content: Literal["strategic", "merge", "json"] = "strategic"
) -> Callable[[Standing], object]:
    return lambda at: at.api.patch(kind, at.namespace, name, body, content=content, manager="somebody")


def deleted(kind: Kind, name: str) -> Callable[[Standing], object]:
    return lambda at: at.api.delete(kind, at.namespace, name)


SIDECAR: Manifest = {"name": "sidecar", "image": "registry.test/sidecar:1", "securityContext": {}}
EXTRA_PORT: Manifest = {"name": "debug", "port": 6060, "targetPort": 6060}
OTHER_PORT: Manifest = {"op": "replace", "path": "/spec/ports/0/port", "value": 9}
MEDDLINGS = {
    "env": Meddling(
        DEPLOYMENT,
        "acme-server",
        kubectl("set", "env", "deployment/acme-server", "DEBUG=1", "ZITADEL_PORT=9"),
        "kubectl-set",
        "Update",
        "spec.template.spec.containers[name=server].env[name=DEBUG]",
    ),
    "scale": Meddling(
        DEPLOYMENT,
        "acme-server",
        kubectl("scale", "deployment/acme-server", "--replicas=1"),
        "kubectl",
        "Update (scale)",
        "spec.replicas",
    ),
    "restart": Meddling(
        DEPLOYMENT,
        "acme-login",
        kubectl("rollout", "restart", "deployment/acme-login"),
        "kubectl-rollout",
        "Update",
        "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt",
    ),
    "container": Meddling(
        DEPLOYMENT,
        "acme-login",
        patched(DEPLOYMENT, "acme-login", {"spec": {"template": {"spec": {"containers": [SIDECAR]}}}}),
        "somebody",
        "Update",
        "spec.template.spec.containers[name=sidecar]",
    ),
    "field": Meddling(
        SERVICE,
        "acme-server",
        patched(SERVICE, "acme-server", {"spec": {"sessionAffinity": "ClientIP"}}),
        "somebody",
        "Update",
        "spec.sessionAffinity",
    ),
    "port": Meddling(
        SERVICE,
        "acme-login",
        patched(SERVICE, "acme-login", {"spec": {"ports": [EXTRA_PORT]}}),
        "somebody",
        "Update",
        "spec.ports[port=6060,protocol=TCP]",
    ),
    "policy": Meddling(
        NETWORK_POLICY,
        "acme-login",
        patched(NETWORK_POLICY, "acme-login", {"spec": {"egress": [{}]}}, "merge"),
        "somebody",
        "Update",
        "spec.egress",
    ),
    "label": Meddling(
        SERVICE,
        "acme-server",
        kubectl("label", "service/acme-server", "app.kubernetes.io/part-of=other", "--overwrite"),
        "kubectl-label",
        "Update",
        "metadata.labels.app.kubernetes.io/part-of",
    ),
    "hash": Meddling(
        DISRUPTION_BUDGET,
        "acme-server",
        kubectl("annotate", "pdb/acme-server", f"{ANNOTATION_APPLIED}=forged", "--overwrite"),
        "kubectl-annotate",
        "Update",
        "metadata.annotations",
    ),
    "managed-by": Meddling(
        SERVICE,
        "acme-login",
        kubectl("label", "service/acme-login", f"{LABEL_MANAGED_BY}=other", "--overwrite"),
        "kubectl-label",
        "Update",
        f"metadata.labels.{LABEL_MANAGED_BY}",
        event="(whole object)",
    ),
    "instance": Meddling(
        NETWORK_POLICY,
        "acme-server",
        kubectl("label", "networkpolicy/acme-server", f"{LABEL_INSTANCE}=other", "--overwrite"),
        "kubectl-label",
        "Update",
        f"metadata.labels.{LABEL_INSTANCE}",
    ),
    "renamed port": Meddling(
        SERVICE,
        "acme-server",
        patched(SERVICE, "acme-server", [OTHER_PORT], "json"),
        "somebody",
        "Update",
        "spec.ports[port=9,protocol=TCP]",
    ),
    "deletion": Meddling(
        DISRUPTION_BUDGET,
        "acme-login",
        deleted(DISRUPTION_BUDGET, "acme-login"),
        "unknown",
        "Delete",
        "(whole object)",
    ),
}


def essence(child: Manifest | None) -> Manifest:
    """What of a child is the operator's: spec and data, labels and the hash."""
    metadata = get_map(child, "metadata")
    kept = {key: value for key, value in get_map(child).items() if key in ("spec", "data", "immutable")}
    applied = get_map(metadata, "annotations").get(ANNOTATION_APPLIED)
    spec = {key: value for key, value in get_map(kept, "spec").items() if "IP" not in key}
    return {**kept, "spec": spec, "labels": metadata.get("labels"), "applied": applied}


def meddle(at: Standing, case: Meddling) -> float:
    """Do it and wait for the repair; its seconds."""
    before = essence(at.api.get(case.kind, at.namespace, case.name))
    case.act(at)
    return until(
        lambda: essence(at.api.find(case.kind, at.namespace, case.name)) == before,
        f"{case.child} repaired",
    )


def noted(at: Standing, case: Meddling) -> bool:
    """Whether exactly one event tells of it."""
    notes = [get_str(event, "note") for event in events_of(at.api, at.namespace, "ModificationRepaired")]
    return len([note for note in notes if case.child in note and (case.event or case.told) in note]) == 1


def told_of(body: Manifest, case: Meddling) -> Manifest:
    """What the status tells of a case; two changes of a child may have been made in the same second."""
    found = (
        item
        for item in modifications(body)
        if item["object"] == case.child and case.told in get_list(item, "fields")
    )
    return next(found, {})


def test_every_modification_is_repaired_and_told(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    for name, case in MEDDLINGS.items():
        seconds = meddle(at, case)
        assert seconds < REPAIR_SECONDS, name
        body = wait_for(
            at.api,
            at.namespace,
            lambda body, case=case: bool(told_of(body, case)),
            what=f"{name}: {case.child} {case.told} told",
        )
        told = told_of(body, case)
        assert (told["manager"], told["operation"]) == (case.manager, case.operation), name
        assert get_str(told, "at"), name
        assert condition(body, "Unmodified")["status"] == "False", name
        assert get_str(condition(body, "Unmodified"), "message").endswith("; repaired"), name
        until(partial(noted, at, case), f"{name}: one event")
    wait_for(at.api, at.namespace, is_applied, seconds=SECONDS, what="rolled out again")


def test_attribution_survives_the_status_and_the_operator(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    assert meddle(at, MEDDLINGS["field"]) < REPAIR_SECONDS
    at.rest()
    before = modifications(at.body())
    assert [item["object"] for item in before] == ["Service/acme-server"]
    assert at.operator.stop() == 0
    # While nobody looks: the status goes, another child is changed, a third one is deleted.
    at.api.patch(INSTANCE, at.namespace, "acme", {"status": None}, subresource="status")
    MEDDLINGS["port"].act(at)
    MEDDLINGS["deletion"].act(at)
    run_operator(at.namespace, watch=(at.namespace,))
    body = wait_for(
        at.api,
        at.namespace,
        lambda body: bool(modification_of(body, "Service/acme-login")) and is_applied(body),
        what="the modification of the pause told",
    )
    assert modification_of(body, "Service/acme-server") == before[0]
    assert modification_of(body, "Service/acme-login")["manager"] == "somebody"
    ports = get_list(at.api.get(SERVICE, at.namespace, "acme-login"), "spec", "ports")
    assert EXTRA_PORT["name"] not in [get_str(port, "name") for port in ports]
    until(lambda: "PodDisruptionBudget/acme-login" in children(at.api, at.namespace), "made again")


def test_what_is_no_modification_is_left_alone(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    since = cluster.audit_position()
    metadata: Manifest = {"labels": {"example.test/a": "1"}, "annotations": {"example.test/b": "2"}}
    foreign: Manifest = {"metadata": metadata}
    for kind, name in (
        (INSTANCE, "acme"),
        (SERVICE, "acme-server"),
        (DEPLOYMENT, "acme-login"),
        (DISRUPTION_BUDGET, "acme-server"),
    ):
        at.api.patch(kind, at.namespace, name, foreign, manager="somebody")
    at.rest()
    assert at.writes(since) == []
    deployment = at.api.get(DEPLOYMENT, at.namespace, "acme-server")
    revision = get_str(deployment, "metadata", "annotations", "deployment.kubernetes.io/revision")
    assert revision == "1"  # written by the platform, and no drift
    service = at.api.get(SERVICE, at.namespace, "acme-server")
    assert get_str(service, "metadata", "labels", "example.test/a") == "1"
    immutable_all(at)
    evict_all(at)
    body = at.body()
    assert modifications(body) == []
    assert condition(body, "Unmodified")["status"] == "True"
    assert kstatus_of(body) == "InProgress"  # nothing serves behind simulated pods


def immutable_all(at: Standing) -> None:
    """Configuration and keys cannot be edited at all."""
    extra: Manifest = {"data": {"extra": "eA=="}}
    guarded = [item for item in children(at.api, at.namespace).values() if "data" in item]
    assert len(guarded) == 6  # four keys, the identity, the configuration
    for item in guarded:
        kind = KIND_BY_NAME[get_str(item, "kind")]
        with pytest.raises(ApiError, match="immutable"):
            at.api.patch(kind, at.namespace, get_str(item, "metadata", "name"), extra)


def evict_all(at: Standing) -> None:
    """A drain takes one pod at a time, and is nobody's modification."""
    names = [get_str(pod, "metadata", "name") for pod in pods(at.api, at.namespace, "server")]
    assert len(names) == 3
    until(lambda: _allowed(at) == 1, "a budget that counts three healthy pods")
    answers = [_evict(at, name) for name in names]
    assert answers[0] == 201
    assert 429 in answers[1:], answers
    wait_for(at.api, at.namespace, is_applied, seconds=SECONDS)
    until(lambda: _allowed(at) == 1, "three healthy pods again")


def _allowed(at: Standing) -> object:
    budget = at.api.get(DISRUPTION_BUDGET, at.namespace, "acme-server")
    return get_map(budget, "status").get("disruptionsAllowed")


def _evict(at: Standing, pod: str) -> int:
    path = f"/api/v1/namespaces/{at.namespace}/pods/{pod}/eviction"
    body: Manifest = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": at.namespace},
    }
    try:
        at.api.request("POST", path, body=body)
    except ApiError as error:
        return error.status
    return 201
