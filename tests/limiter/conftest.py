"""Tests with a real HAProxy are the lab's: skipped where it is missing, but where it is required."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.programs import REQUIRED
from limiter.haproxy import find

WITHOUT = frozenset({"test_reference.py"})


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """All in this folder but what needs no HAProxy."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.path.name not in WITHOUT:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(autouse=True)
def haproxy_program(request: pytest.FixtureRequest) -> None:
    """Skip where HAProxy is missing. CI requires it."""
    if request.node.get_closest_marker("lab") is None:
        return
    try:
        find()
    except LookupError as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(str(error))
