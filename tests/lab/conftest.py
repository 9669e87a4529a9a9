"""The lab's programs: without them its tests are skipped, but where they are required."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import programs
from lab.laboratory import Lab, laboratory


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """All tests in this folder are the lab's."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(autouse=True)
def lab_programs() -> None:
    """Skip where a program is missing. CI requires them all."""
    try:
        programs.find()
    except LookupError as error:
        if os.environ.get(programs.REQUIRED):
            raise
        pytest.skip(str(error))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A primary that archives at least every 5 s, without standbys."""
    with laboratory(archive_timeout=5) as made:
        yield made


@pytest.fixture
def quorum() -> Iterator[Lab]:
    """A primary that archives at least every 5 s, with two standbys of which any one has to acknowledge."""
    with laboratory(archive_timeout=5, standbys=2) as made:
        yield made
