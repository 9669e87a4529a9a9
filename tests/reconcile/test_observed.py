"""What is kept of the objects of 1,000 instances: equal strings once."""

import json
from decimal import Decimal

from dedicated.api.json import Manifest, as_manifest
from dedicated.contract.prerequisites import Node
from dedicated.reconcile.observed import child_of, instance_of, node_of, pod_of

DEPLOYMENT: Manifest = {
    "kind": "Deployment",
    "metadata": {
        "name": "acme-server",
        "labels": {"app.kubernetes.io/component": "server-of-the-instance"},
        "ownerReferences": [
            {
                "apiVersion": "dedicated.zitadel.com/v1alpha1",
                "kind": "DedicatedInstance",
                "name": "acme-of-the-label",
                "uid": "8f4c3a52-1111-4222-8333-444455556666",
            }
        ],
    },
}
POD: Manifest = {
    "metadata": {"labels": {"app.kubernetes.io/component": "server-of-the-instance"}},
    "spec": {"nodeName": "node-of-zone-1"},
}


def _as_read(manifest: Manifest) -> Manifest:
    """As the API server's answer gives it: with strings of its own."""
    return as_manifest(json.loads(json.dumps(manifest)))


def test_children_share_what_they_have_in_common() -> None:
    one, other = child_of(_as_read(DEPLOYMENT)), child_of(_as_read(DEPLOYMENT))
    assert one.ref.kind == "Deployment"
    assert one.ref.kind is other.ref.kind
    assert one.component is other.component
    assert one.owner_uid is other.owner_uid
    assert instance_of(_as_read(DEPLOYMENT)) is instance_of(_as_read(DEPLOYMENT))


def test_pods_share_their_component_and_node() -> None:
    one, other = pod_of(_as_read(POD)), pod_of(_as_read(POD))
    assert (one.component, one.node) == ("server-of-the-instance", "node-of-zone-1")
    assert one.component is other.component
    assert one.node is other.node


def test_a_node_has_the_size_of_its_machine() -> None:
    node: Manifest = {
        "metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z1"}},
        "spec": {},
        "status": {
            "capacity": {"cpu": "4", "memory": "8145348Ki"},
            "allocatable": {"cpu": "3920m", "memory": "6Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    assert node_of(node) == Node("n", "z1", True, Decimal(4), Decimal(8145348 * 1024))
    assert node_of(node).large
    assert node_of({"metadata": {"name": "new"}}) == Node("new", "", False)
