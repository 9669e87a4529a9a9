"""The agent with its repository in an object store: it reads the store, and lists the log from it."""

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dedicated.api.store import PLACES, BucketPlace
from lab.agent import NAMESPACE, RECORD, arguments, recovery_agent
from lab.laboratory import laboratory
from lab.record_server import record_server
from lab.s3 import IDENTITIES, S3, object_store
from lab.server import until

TROUBLE = "dedicated_recovery_agent_trouble:Store"


@pytest.fixture
def store() -> Iterator[S3]:
    """Where the database's user may read the certificate of its authority."""
    with tempfile.TemporaryDirectory(prefix="s3-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        with object_store(Path(folder)) as running:
            yield running


def places(store: S3, folder: Path, *buckets: str) -> Path:
    """The file that the agent is told: the first bucket is the repository."""
    found = [
        BucketPlace(
            role="Copy" if number else "Repository",
            bucket=bucket,
            endpoint=store.endpoint,
            region="eu-central-1",
            prefix="acme/uid",
            credentials=str(store.folder / "owner"),
            ca_file=str(store.ca_file),
        )
        for number, bucket in enumerate(buckets)
    ]
    file = folder / "stores.json"
    file.write_bytes(PLACES.dump_json([*found], by_alias=True))
    return file


@pytest.mark.timeout(200)
async def test_store_and_log_are_told_and_no_key_of_the_store_is(store: S3, tmp_path: Path) -> None:
    await store.make_bucket("backups", lock=True)
    with (
        laboratory(archive_timeout=5, repository=store.pgbackrest("backups", "/acme/uid")) as lab,
        record_server(namespace=NAMESPACE, name=RECORD) as record,
    ):
        given = arguments(lab, record, tmp_path)
        given["stores"] = str(places(store, tmp_path, "backups", "missing"))
        with recovery_agent(given, tmp_path) as agent:
            until(
                lambda: record.published is not None
                and bool(record.published.stores)
                and record.published.found is not None
                and record.published.found.newest is not None,
                "the store and what can be restored are told",
                seconds=60,
            )
            report = record.published
            process = psutil.Process(agent.process.pid)
            memory, command = process.memory_info().rss, " ".join(process.cmdline())
            assert agent.metrics()[TROUBLE] == 0
    assert report is not None
    assert report.found is not None
    assert report.found.gaps == ()
    found = {one.name: one for one in report.stores}
    backups = found["backups"]
    assert (backups.versioned, backups.lock_days, backups.public, backups.writable) == (True, 14, False, True)
    assert found["missing"].unanswered == ("Location: NoSuchBucket",)
    assert memory < 80_000_000, f"{memory / 1e6:.1f} MB"
    shown = [agent.log.read_text(), command, *(str(write.data) for write in record.writes)]
    assert [key for key in IDENTITIES["owner"] for text in shown if key in text] == []


@pytest.mark.timeout(120)
async def test_a_store_that_hangs_is_told_within_15_s_and_so_is_its_return(store: S3, tmp_path: Path) -> None:
    await store.make_bucket("backups")
    with (
        laboratory(archive_timeout=5) as lab,
        record_server(namespace=NAMESPACE, name=RECORD) as record,
    ):
        given = arguments(lab, record, tmp_path)
        given["stores"] = str(places(store, tmp_path, "backups"))

        def troubles() -> list[str] | None:
            """Causes that are told of the store; None until its first check is over."""
            if record.published is None or not record.published.stores:
                return None
            return [one.cause for one in record.published.troubles if one.what == "Store"]

        with recovery_agent(given, tmp_path):
            until(lambda: troubles() == [], "the store answers", seconds=30)
            store.process.send_signal(signal.SIGSTOP)
            until(lambda: troubles() == ["backups: Unreached: Timeout"], "it is told to be away", seconds=15)
            store.process.send_signal(signal.SIGCONT)
            until(lambda: troubles() == [], "it is told to be back", seconds=15)
