"""`InstanceBackup` on the real API server: bounds, immutability, and what kubectl shows."""

import json
import urllib.parse

import pytest

from api.backup_examples import IMMUTABLE, STATUS, cases, order
from cluster.test_crd_invalid import fault, faults
from dedicated.api.json import Manifest, as_manifest, get_map
from dedicated.api.objects import INSTANCE_BACKUP
from dedicated.api.schema import BACKUP_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


def placed(body: Manifest, namespace: str) -> Manifest:
    return {**body, "metadata": {**get_map(body, "metadata"), "namespace": namespace}}


def send(cluster: Cluster, body: Manifest) -> tuple[int, Manifest]:
    """Status and answer of a creation that stores nothing."""
    query = urllib.parse.urlencode({"dryRun": "All", "fieldValidation": "Strict"})
    path = f"{INSTANCE_BACKUP.api_version}/namespaces/default/{INSTANCE_BACKUP.plural}"
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


def test_what_is_ordered_never_changes(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(order(), namespace))
    with pytest.raises(ApiError, match=IMMUTABLE.rpartition("/")[2]):
        cluster.api.patch(INSTANCE_BACKUP, namespace, "b", {"spec": {"keepDays": 8}})


def test_kubectl_shows_what_came_of_it(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(placed(order(), namespace))
    cluster.api.patch(INSTANCE_BACKUP, namespace, "b", {"status": STATUS}, subresource="status")
    header, row = cluster.kubectl("get", "ib", "-n", namespace).splitlines()
    short = [name.upper() for name, _, _, priority in BACKUP_DEFINITION.columns if priority == 0]
    assert header.split() == ["NAME", *short]
    assert row.split()[:5] == ["b", "acme", "Differential", "Completed", "60"]
