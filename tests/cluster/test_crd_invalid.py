"""Bad input: for every constraint of the schema, the real API server refuses an object and says why."""

import pytest

from api.counterexamples import FULL, SMALL, STATUS, Case, cases, instance
from cluster.validation import SHARE, dry_run, fault, faults, placed
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.objects import INSTANCE
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


@SHARE
def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster, every: int) -> None:
    broken = [case for case in cases() if case.before is None and case.constraint.path[:1] != ("status",)]
    found = faults(fault(case, *dry_run(cluster.api, INSTANCE, case.body)) for case in broken[::every])
    assert not found, "\n".join(found)


@SHARE
def test_every_constraint_of_the_status_is_enforced(cluster: Cluster, namespace: str, every: int) -> None:
    stored = cluster.api.create(placed(instance(FULL), namespace, name="acme"))

    def send(status: JsonValue) -> tuple[int, Manifest]:
        body: Manifest = {**stored, "status": status}
        return dry_run(cluster.api, INSTANCE, body, method="PUT", namespace=namespace, path="/acme/status")

    assert send(STATUS)[0] == 200
    broken = [case for case in cases() if case.constraint.path[:1] == ("status",)]
    found = faults(fault(case, *send(case.body.get("status"))) for case in broken[::every])
    assert not found, "\n".join(found)


def test_every_transition_rule_is_enforced(cluster: Cluster, namespace: str) -> None:
    def send(number: int, case: Case) -> str:
        assert case.before is not None
        name = f"acme-{number}"
        stored = cluster.api.create(placed(case.before, namespace, name=name))
        body: Manifest = {**stored, "spec": case.body["spec"]}
        refused = dry_run(cluster.api, INSTANCE, body, method="PUT", namespace=namespace, path=f"/{name}")
        return fault(case, *refused)

    transitions = [case for case in cases() if case.before is not None]
    assert transitions
    found = faults(send(number, case) for number, case in enumerate(transitions))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("spec", [SMALL, FULL])
def test_what_counterexamples_are_made_of_is_valid(cluster: Cluster, spec: JsonValue) -> None:
    status, answer = dry_run(cluster.api, INSTANCE, instance(spec, status=STATUS))
    assert status == 201, get_str(answer, "message")

