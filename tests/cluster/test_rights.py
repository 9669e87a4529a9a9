"""Rights that common days do not use: each is there for a reason, and this is the reason."""

from datetime import timedelta

import pytest

from cluster.instances import condition
from cluster.limiter_stage import stand_with_limiter
from cluster.records_stage import instruction
from cluster.standing import SIMULATED, Standing, children, events_of, stand_simulated, until
from dedicated.api.json import JsonValue, Manifest, get_int, get_map, get_str
from dedicated.api.names import API_VERSION, FIELD_MANAGER, KIND, LABEL_INSTANCE, LABEL_MANAGED_BY
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INSTANCE,
    JOB,
    NETWORK_POLICY,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

NOTHING: Manifest = {"matchLabels": {"example.test/nobody": "true"}}
POD: Manifest = {
    "metadata": {"labels": {"example.test/nobody": "true"}},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "old",
                "image": "registry.test/old",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
JOB_POD: Manifest = {**POD, "spec": {**get_map(POD, "spec"), "restartPolicy": "Never"}}
LEFT_OVER: dict[Kind, Manifest] = {
    CONFIG_MAP: {"data": {"old": "true"}},
    SERVICE: {"spec": {"selector": {"example.test/nobody": "true"}, "ports": [{"port": 80}]}},
    SERVICE_ACCOUNT: {},
    STATEFUL_SET: {
        "spec": {"replicas": 0, "serviceName": "old", "selector": NOTHING, "template": POD}
    },
    DEPLOYMENT: {"spec": {"replicas": 0, "selector": NOTHING, "template": POD}},
    JOB: {"spec": {"suspend": True, "template": JOB_POD}},
    DISRUPTION_BUDGET: {"spec": {"maxUnavailable": 1, "selector": NOTHING}},
    NETWORK_POLICY: {"spec": {"podSelector": NOTHING}},
    ROLE: {"rules": []},
    ROLE_BINDING: {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "acme-old"},
        "subjects": [],
    },
}
"""What an older operator might have made that no instance needs any more."""


def left_over(at: Standing, kind: Kind) -> Manifest:
    owner: JsonValue = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": "acme",
        "uid": get_str(at.body(), "metadata", "uid"),
        "controller": True,
    }
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": "acme-old",
            "namespace": at.namespace,
            "labels": {LABEL_INSTANCE: "acme", LABEL_MANAGED_BY: FIELD_MANAGER},
            "ownerReferences": [owner],
        },
        **LEFT_OVER[kind],
    }


def test_delete_takes_away_what_nothing_wants_any_more(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    assert set(LEFT_OVER) == set(CHILD_KINDS) - {SECRET}
    before = set(children(at.api, at.namespace))
    for kind in LEFT_OVER:
        at.api.create(left_over(at, kind))
    until(lambda: set(children(at.api, at.namespace)) == before, "only what is wanted is left")


def test_get_finds_out_whose_an_object_is_that_lost_its_label(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_with_limiter(cluster, make_namespace(labels=SIMULATED), run_operator)
    at.api.create(instruction(at.namespace, timedelta(hours=1)))
    until(lambda: "RoleBinding/acme-instruction" in children(at.api, at.namespace), "somebody instructed")
    at.rest()
    before = children(at.api, at.namespace)
    # The identity is made once and found by its name: no label of it is needed.
    applied = sorted(before.keys() - {"ConfigMap/acme-identity"})
    one_of_each = {name.partition("/")[0]: name for name in applied if not name.startswith("Secret/")}
    assert len(one_of_each) == len(LEFT_OVER)
    since = cluster.audit_position()
    for name in one_of_each.values():
        cluster.kubectl("-n", at.namespace, "label", name, f"{LABEL_MANAGED_BY}=other", "--overwrite")

    def labelled() -> bool:
        return set(children(at.api, at.namespace)) == set(before) and all(
            get_str(body, "metadata", "labels", LABEL_MANAGED_BY) == FIELD_MANAGER
            for body in children(at.api, at.namespace).values()
        )

    until(labelled, "everything carries its label again")
    at.rest()
    after = children(at.api, at.namespace)
    assert {name: get_str(body, "metadata", "uid") for name, body in after.items()} == {
        name: get_str(body, "metadata", "uid") for name, body in before.items()
    }
    asked = cluster.requests(since=since, user=at.operator.account)
    read = {request.resource for request in asked if request.verb == "get"}
    assert read >= {kind.plural for kind in LEFT_OVER}


def test_update_of_finalizers_lets_a_child_hold_its_owner(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """The API server asks for this right where a child's owner reference blocks the owner's deletion."""
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    role = at.api.get("rbac.authorization.k8s.io/v1/roles", at.namespace, "dedicated-operator")
    rules = [rule for rule in _rules(role) if "dedicatedinstances/finalizers" not in str(rule)]
    assert len(rules) == len(_rules(role)) - 1
    at.api.patch(
        "rbac.authorization.k8s.io/v1/roles", at.namespace, "dedicated-operator", {"rules": [*rules]}
    )
    at.api.delete(SERVICE, at.namespace, "acme-login")
    until(lambda: "ApplyRefused" in str(at.body()), "the refusal is told")
    assert "blockOwnerDeletion" in str(at.body())
    at.api.patch(
        "rbac.authorization.k8s.io/v1/roles", at.namespace, "dedicated-operator", {"rules": _rules(role)}
    )
    until(lambda: at.api.find(SERVICE, at.namespace, "acme-login") is not None, "the Service again")


def test_patch_counts_up_an_event_that_another_process_told(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    _stall_and_recover(at, told=0)
    at.operator.stop()
    again = run_operator(at.namespace, watch=(at.namespace,))
    _stall_and_recover(Standing(cluster, at.namespace, again), told=2)


def _stall_and_recover(at: Standing, *, told: int) -> None:
    _release(at, "v9.9.9", stalled="ReleaseUnknown")
    _release(at, "v4.15.2", stalled="NotStalled")
    until(lambda: _stalled_series(at) == told, f"the event, told {told or 1} times")
    at.rest()


def _release(at: Standing, version: str, *, stalled: str) -> None:
    at.api.patch(INSTANCE, at.namespace, "acme", {"spec": {"release": {"version": version}}})
    until(lambda: condition(at.body(), "Stalled")["reason"] == stalled, f"Stalled/{stalled}")


def _stalled_series(at: Standing) -> int | None:
    """The count of the series of the event `Stalled` (0: no series); None where it was not told."""
    found = events_of(at.api, at.namespace, "Stalled")
    return get_int(found[0], "series", "count") if found else None


def _rules(role: Manifest) -> list[JsonValue]:
    rules = role["rules"]
    assert isinstance(rules, list)
    return rules
