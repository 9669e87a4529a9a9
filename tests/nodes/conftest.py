"""A namespace of its own for each test on real nodes, with the image of its pods in every node."""

import secrets
from collections.abc import Iterator

import pytest

from nodes.machine import import_images
from nodes.provider import NodesProvider


@pytest.fixture(scope="session")
def test_image(nodes_cluster: NodesProvider) -> None:
    """The nodes' image inside the nodes."""
    import_images(nodes_cluster.place, "node.tar")


@pytest.fixture
def room(real_nodes: NodesProvider, test_image: None) -> Iterator[str]:
    """A namespace, deleted afterwards."""
    name = f"test-{secrets.token_hex(3)}"
    real_nodes.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    real_nodes.api.wait_for(
        "v1/serviceaccounts", name, "default", lambda found: found is not None, what="its account"
    )
    yield name
    real_nodes.api.delete("v1/namespaces", "", name)
