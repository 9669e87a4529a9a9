"""pytest plugin: `real_nodes`, one cluster of real nodes for all tests and workers of a run.

Tests that break nodes heal them themselves; the fixture heals what is left, so that one failure does not
cause others. A cluster that was up before the run is used, and stays.
"""

from collections.abc import Iterator

import pytest

from nodes.place import default_place
from nodes.provider import NodesProvider
from nodes.session import used


@pytest.fixture(scope="session")
def nodes_cluster() -> Iterator[NodesProvider]:
    """The cluster of the run."""
    place = default_place()
    with used(place):
        yield NodesProvider.of(place)


@pytest.fixture
def real_nodes(nodes_cluster: NodesProvider) -> Iterator[NodesProvider]:
    """The cluster, with nodes sound before and after the test."""
    yield nodes_cluster
    for node in nodes_cluster.nodes():
        nodes_cluster.heal_node(node.name)
