"""Bad input: for every constraint of the schema, the real API server refuses an object and says why."""

import json
import urllib.parse
from collections.abc import Iterable

import pytest

from api.counterexamples import FULL, SMALL, STATUS, Case, cases, instance
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import API_VERSION, PLURAL
from testbed.client import Api
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

INSTANCES = f"{API_VERSION}/{PLURAL}"


def dry_run(api: Api, method: str, namespace: str, body: Manifest, *, path: str = "") -> tuple[int, Manifest]:
    """HTTP status and answer of a request that stores nothing. The answer has the causes of a refusal."""
    query = urllib.parse.urlencode({"dryRun": "All", "fieldValidation": "Strict"})
    url = f"{api.server}/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}{path}?{query}"
    headers = api.headers | {"Content-Type": "application/json"}
    answer = api.pool.request(method, url, body=json.dumps(body).encode(), headers=headers)
    return answer.status, as_manifest(json.loads(answer.data))


def fault(case: Case, status: int, answer: Manifest) -> str:
    """What is wrong with the refusal of a counter-example; empty if it is as it should be."""
    causes = get_list(answer, "details", "causes")
    said = [(get_str(cause, "field"), get_str(cause, "message")) for cause in causes]
    message = get_str(answer, "message")
    in_causes = any(field == case.field and case.says in text for field, text in said)
    # People read the message, not the causes.
    in_message = case.field in message and case.says in message
    if status == 422 and in_causes and in_message:
        return ""
    return f"{case.constraint.id}: {status} {said or message}"


def faults(found: Iterable[str]) -> list[str]:
    return [text for text in found if text]


def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster) -> None:
    found = faults(
        fault(case, *dry_run(cluster.api, "POST", "default", case.body))
        for case in cases()
        if case.before is None and case.constraint.path[:1] != ("status",)
    )
    assert not found, "\n".join(found)


def test_every_constraint_of_the_status_is_enforced(cluster: Cluster, namespace: str) -> None:
    stored = cluster.api.create(_placed(instance(FULL), namespace))

    def send(case: Case) -> tuple[int, Manifest]:
        body: Manifest = {**stored, "status": case.body.get("status")}
        return dry_run(cluster.api, "PUT", namespace, body, path="/acme/status")

    good: Manifest = {**stored, "status": STATUS}
    assert dry_run(cluster.api, "PUT", namespace, good, path="/acme/status")[0] == 200
    found = faults(
        fault(case, *send(case)) for case in cases() if case.constraint.path[:1] == ("status",)
    )
    assert not found, "\n".join(found)


def test_every_transition_rule_is_enforced(cluster: Cluster, namespace: str) -> None:
    def send(number: int, case: Case) -> str:
        assert case.before is not None
        name = f"acme-{number}"
        stored = cluster.api.create(_placed(case.before, namespace, name))
        body: Manifest = {**stored, "spec": case.body["spec"]}
        return fault(case, *dry_run(cluster.api, "PUT", namespace, body, path=f"/{name}"))

    transitions = [case for case in cases() if case.before is not None]
    assert transitions
    found = faults(send(number, case) for number, case in enumerate(transitions))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("spec", [SMALL, FULL])
def test_what_counterexamples_are_made_of_is_valid(cluster: Cluster, spec: JsonValue) -> None:
    status, answer = dry_run(cluster.api, "POST", "default", instance(spec, status=STATUS))
    assert status == 201, get_str(answer, "message")


def _placed(body: Manifest, namespace: str, name: str = "acme") -> Manifest:
    return {**body, "metadata": {**get_map(body, "metadata"), "namespace": namespace, "name": name}}
