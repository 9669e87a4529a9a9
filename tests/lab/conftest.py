"""The lab's programs: without them its tests are skipped, but where they are required."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import programs
from lab.contents import DATABASE
from lab.export import BUCKET, Exporting, exporting
from lab.laboratory import Lab, laboratory
from lab.s3 import S3, object_store


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


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A store with a bucket for exports."""
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        asyncio.run(running.make_bucket(BUCKET))
        yield running


@pytest.fixture
def export(lab: Lab, store: S3, tmp_path: Path) -> Iterator[Exporting]:
    """An export that is not started yet."""
    with exporting(lab, store, tmp_path, database=DATABASE) as made:
        yield made
