"""`InstanceBackup` on the real API server: bounds, immutability, and what kubectl shows."""


import pytest

from api.backup_examples import IMMUTABLE, STATUS, cases, order
from cluster.validation import dry_run, fault, faults, placed
from dedicated.api.objects import INSTANCE_BACKUP
from dedicated.api.schema import BACKUP_DEFINITION
from testbed.client import ApiError
from testbed.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]


def test_every_constraint_of_the_spec_is_enforced(cluster: Cluster) -> None:
    assert dry_run(cluster.api, INSTANCE_BACKUP, order())[0] == 201
    broken = [case for case in cases() if case.constraint.path[:1] != ("status",)]
    found = faults(fault(case, *dry_run(cluster.api, INSTANCE_BACKUP, case.body)) for case in broken)
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
