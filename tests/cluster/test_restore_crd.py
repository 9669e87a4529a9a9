"""`InstanceRestore` on the real API server: bounds, immutability, and what kubectl shows."""

import json
import urllib.parse

import pytest

from api.restore_examples import IMMUTABLE, STATUS, cases, order
from cluster.test_crd_invalid import fault, faults
from dedicated.api.json import Manifest, as_manifest, get_map
from dedicated.api.objects import INSTANCE_RESTORE
from dedicated.api.schema import RESTORE_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


def placed(body: Manifest, namespace: str) -> Manifest:
    return {**body, "metadata": {**get_map(body, "metadata"), "namespace": namespace}}


def send(cluster: Cluster, body: Manifest) -> tuple[int, Manifest]:
    """Status and answer of a creation that stores nothing."""
    query = urllib.parse.urlencode({"dryRun": "All", "fieldValidation": "Strict"})
    path = f"{INSTANCE_RESTORE.api_version}/namespaces/default/{INSTANCE_RESTORE.plural}"
    headers = cluster.api.headers | {"Content-Type": "application/json"}
    answer = cluster.api.pool.request(
        "POST", f"{cluster.api.server}/apis/{path}?{query}", body=json.dumps(body).encode(), headers=headers
    )
    return answer.status, as_manifest(json.loads(answer.data))


def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster) -> None:
    assert send(cluster, order())[0] == 201
    broken = [case for case in cases() if case.constraint.path[:1] != ("status",)]
    found = faults(fault(case, *send(cluster, case.body)) for case in broken)
    assert not found, "\n".join(found)


def test_what_is_asked_for_never_changes(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(order(), namespace))
    with pytest.raises(ApiError, match=IMMUTABLE.rpartition("/")[2]):
        cluster.api.patch(INSTANCE_RESTORE, namespace, "r", {"spec": {"retain": "48h"}})


def test_kubectl_shows_what_came_of_it(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(order(), namespace))
    cluster.api.patch(INSTANCE_RESTORE, namespace, "r", {"status": STATUS}, subresource="status")
    header, row = cluster.kubectl("get", "ir", "-n", namespace).splitlines()
    short = [name.upper() for name, _, _, priority in RESTORE_DEFINITION.columns if priority == 0]
    assert header.split() == ["NAME", *short]
    assert row.split()[:5] == ["r", "acme", "Recovery", "Retained", "2026-01-31T12:00:00Z"]
