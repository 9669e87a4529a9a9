"""An instance from nothing to Ready, on the real control plane with real processes behind the pods."""

import pytest

from cluster.instances import database_secret, instance, wait_ready
from dedicated.api.json import get_str
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = pytest.mark.cluster


@pytest.mark.usefixtures("crds")
def test_an_instance_becomes_ready(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    run_operator(namespace, watch=(namespace,))
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace))
    body = wait_ready(cluster.api, namespace)
    assert get_str(body, "status", "summary", "zones") == "3/3"
