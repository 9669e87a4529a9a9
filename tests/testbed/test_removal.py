"""What a test made does not outlive it."""

import pytest

from cluster.instances import instance
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import remove_namespace

pytestmark = pytest.mark.cluster


def test_an_instance_that_its_operator_never_let_go_ends_with_its_namespace(
    cluster: Cluster, crds: None, namespace: str
) -> None:
    made = cluster.api.create(instance(namespace))
    held: Manifest = {"metadata": {"finalizers": ["testbed.test/held"]}}
    cluster.api.patch(INSTANCE, namespace, get_str(made, "metadata", "name"), held)
    remove_namespace(cluster, namespace)
    assert cluster.api.list(INSTANCE, namespace) == []
