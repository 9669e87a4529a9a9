"""A database is backed up to the object store over TLS, and listed from it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dedicated.api.json import get_map
from dedicated.parts.database.pgbackrest import archive_of, backups_in
from dedicated.probes.objects import open_objects
from lab.laboratory import laboratory
from lab.repository import STANZA
from lab.s3 import S3, object_store


@pytest.fixture
def store() -> Iterator[S3]:
    """Where the database's user may read the certificate of its authority."""
    with tempfile.TemporaryDirectory(prefix="s3-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with object_store(Path(folder)) as running:
            yield running


async def test_a_backup_and_its_log_are_in_the_bucket(store: S3) -> None:
    await store.make_bucket("backups")
    with laboratory(archive_timeout=5, repository=store.pgbackrest("backups", "/acme/uid")) as lab:
        lab.repository.backup("diff")
        archive_id = f"{lab.programs.postgres.parts[-2]}-1"
        listing = lab.repository.answer("repo-ls", "--recurse", f"archive/{STANZA}/{archive_id}")
        archive = archive_of(get_map(listing))
        full, differential = sorted(
            backups_in(lab.repository.answer("info"), archive_id), key=lambda backup: backup.completed
        )
    assert (full.kind, differential.kind) == ("full", "differential")
    held = {
        number
        for stretch in archive.segments[1]
        for number in range(stretch.first, stretch.last + 1)
    }
    assert {full.first.number, full.last.number, differential.last.number} <= held
    async with open_objects("backups", store.access()) as bucket:
        names = [name async for name, _ in bucket.sizes("acme/uid/backup/")]
    assert f"acme/uid/backup/{STANZA}/{full.label}/backup.manifest" in names
