"""A server's folder of barman-cloud is listed from the object store itself."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dedicated.agents.recovery.repositories import BarmanRepository
from dedicated.contract.recovery.wal import SEGMENT, Ancestor, Segment, Stretch
from dedicated.probes.barman import Barman
from dedicated.probes.objects import open_objects
from dedicated.probes.repository import RepositoryError
from lab.s3 import S3, object_store
from parts.barman_recorded import HISTORY, HISTORY_NAME, INFOS, SIZES

AT = datetime(2026, 11, 28, 10, 29, tzinfo=UTC)


@pytest.fixture(autouse=True)
def lab_programs() -> None:
    """The store comes as a wheel: it is there wherever the tests are."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        yield running


async def fill(store: S3, name: str, folder: str) -> None:
    """A bucket as barman-cloud leaves it, and a neighbour whose name begins alike."""
    await store.make_bucket(name)
    contents = {**{key: b"x" * min(size, 9) for key, size in SIZES.items()}, HISTORY_NAME: HISTORY}
    contents |= {key: text.encode() for key, text in INFOS.items()}
    contents["../SRV2/wals/0000000300000000/000000030000000000000001.gz"] = b"x"
    async with open_objects(name, store.access()) as bucket:
        for key, content in contents.items():
            path = f"{folder}/{key}".replace("SRV/../", "")
            assert (await bucket.ask(method="PUT", key=path, body=content)).status == 200


async def test_segments_backups_and_the_history_are_listed(store: S3) -> None:
    await fill(store, "barman", "acme/SRV")
    repository = BarmanRepository(Barman("barman", "/acme/SRV", store.access()))
    found = await repository.listing(at=AT, archived_before=Segment(2, 7), segment_size=SEGMENT)
    assert found.archive.segments == {1: (Stretch(1, 4),), 2: (Stretch(5, 7),)}
    assert [backup.label for backup in found.backups] == ["20261128T102741", "20261128T102803"]
    assert found.ancestors == (Ancestor(1, 0x5000060),)
    assert (found.at, found.archived_before) == (AT, Segment(2, 7))


async def test_an_empty_folder_is_an_empty_repository_and_a_missing_bucket_none(store: S3) -> None:
    await store.make_bucket("nothing")
    repository = BarmanRepository(Barman("nothing", "acme/SRV", store.access()))
    found = await repository.listing(at=AT, archived_before=None, segment_size=SEGMENT)
    assert (found.backups, found.archive.newest) == ((), 0)
    for bucket, access, said in (
        ("missing", store.access(), "NoSuchBucket"),
        ("nothing", store.access("reader"), "AccessDenied"),
        ("nothing", store.access(endpoint="localhost:1"), "ClientConnectorError"),
    ):
        lost = BarmanRepository(Barman(bucket, "acme/SRV", access))
        with pytest.raises(RepositoryError, match=said):
            await lost.listing(at=AT, archived_before=None, segment_size=SEGMENT)
