"""An export, cut at each of its calls and started again: it ends alike, and sends no part of it again."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from agents.bucket import Bucket, opening
from agents.cutting import CutError, Cutter, When
from dedicated.agents.export import dumping, main, storing
from dedicated.agents.export.folder import check, manifest_in
from dedicated.agents.export.settings import Settings
from dedicated.cluster.own_object import Door
from dedicated.contract.transfer.export import MANIFEST, SEALED, read_report
from dedicated.probes import uploads
from dedicated.probes.exported import Facts, Role, Snapshot
from dedicated.probes.objects import Access
from lab.agent import INSTANCE, NAMESPACE, UID
from lab.export import EXPORT, IDENTITY, MASTERKEY_SECRET, RECORD, listed_instance, plant_keys
from lab.record_server import RecordServer, plant_credentials, record_server

T = TypeVar("T")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PART = 1000
DUMPED = {"toc.dat": b"t" * 10, "1.dat.gz": b"r" * 2500}
"""Sealed, the larger file is sent in three parts, and the smaller one is put as it is."""
FOLDER = "out"


@dataclass
class Programs:
    """PostgreSQL's programs beside the process: they do what is asked for, and outlive it."""

    scratch: Path
    over: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)

    def play(self) -> None:
        """Answer each asking once."""
        marks = {"dump": "", "import": ""}
        while not self.over.wait(0.001):
            for step, known in marks.items():
                try:
                    mark = (self.scratch / f"{step}.ask").read_text().split()[0]
                except OSError:
                    continue
                if mark != known:
                    marks[step] = mark
                    self._do(step)
                    (self.scratch / f"{step}.new").write_text(f"{mark} 0\n")
                    (self.scratch / f"{step}.new").rename(self.scratch / f"{step}.done")

    def _do(self, step: str) -> None:
        self.done[step] += 1
        if step == "dump":
            (self.scratch / "dump").mkdir(exist_ok=True)
            for name, data in DUMPED.items():
                (self.scratch / "dump" / name).write_bytes(data)


@contextmanager
def programs(scratch: Path) -> Iterator[Programs]:
    found = Programs(scratch)
    thread = threading.Thread(target=found.play, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        thread.join()


@dataclass
class Source:
    """A database of one table, and its import."""

    cutter: Cutter

    def session(self, _: str) -> object:
        """A session on it."""

        @asynccontextmanager
        async def opened() -> AsyncIterator[Source]:
            yield self

        return opened()

    async def snapshot(self) -> Snapshot:
        return await self._answered(Snapshot("00000003-1", ""))

    async def facts(self) -> Facts:
        return await self._answered(Facts(18, AT, 40_000_000))

    async def roles(self) -> tuple[Role, ...]:
        return await self._answered((Role("zitadel", True, False, False),))

    async def tables(self) -> tuple[tuple[str, str, int], ...]:
        return await self._answered((("eventstore", "events2", 100),))

    async def rows(self, _: str, __: str) -> tuple[int, str]:
        return await self._answered((7, "123"))

    async def _answered(self, value: T) -> T:
        async def question() -> T:
            return value

        return await self.cutter.cuts(question)()


@pytest.fixture
def record() -> Iterator[RecordServer]:
    with record_server(namespace=NAMESPACE, name=RECORD) as server:
        server.lists = listed_instance()
        yield server


def order(folder: Path, record: RecordServer, scratch: Path) -> Settings:
    return Settings(
        export=EXPORT,
        record=RECORD,
        instance=INSTANCE,
        namespace=NAMESPACE,
        uid=UID,
        zitadel="v4.7.1",
        recipient=str(IDENTITY.to_public()),
        bucket="exports",
        folder=FOLDER,
        access=Access("127.0.0.1:1", "eu-central-1", folder),
        keys=folder,
        masterkey=f"{MASTERKEY_SECRET}/masterkey",
        secrets=(MASTERKEY_SECRET,),
        scratch=scratch,
        api_server=record.url,
        credentials=folder / "pod",
    )


@pytest.fixture(autouse=True)
def unchanged_rights() -> Iterator[None]:
    """What else runs in this process keeps the rights of the files that it makes."""
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022


def attempt(settings: Settings, bucket: Bucket, cutter: Cutter) -> bool:
    """One process of the Job: whether it was left to its end, which is a good one then."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "open_objects", opening(cutter.cuts(bucket.ask)))
        patched.setattr(Door, "request", cutter.cuts(Door.request))
        patched.setattr(dumping, "exported", Source(cutter).session)
        patched.setattr(dumping, "LOOK_SECONDS", 0.001)
        patched.setattr(storing, "PAUSE", 0.0)
        patched.setattr(uploads, "PART", PART)
        for module in (main, storing):
            patched.setattr(module, "keep", cutter.cuts_sync(module.keep))
        try:
            assert asyncio.run(main.run(settings, now=lambda: AT))
        except CutError:
            return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_it_is_killed_the_next_process_ends_alike(
    record: RecordServer, tmp_path: Path, when: When
) -> None:
    plant_keys(tmp_path)
    plant_credentials(tmp_path / "pod")
    cut_at, sends = Counter[str](), 0
    for number in range(300):
        record.data, bucket, scratch = {}, Bucket(), tmp_path / str(number)
        scratch.mkdir()
        settings, cutter = order(tmp_path, record, scratch), Cutter(number, when)
        with programs(scratch) as beside:
            is_whole = attempt(settings, bucket, cutter)
            assert is_whole or attempt(settings, bucket, Cutter())
        ends_well(record, bucket, tmp_path / f"out-{number}")
        if number == 0:  # nothing was cut
            sends, begun = sealed_sent(bucket), bucket.begun
            continue
        if is_whole:
            break
        cut_at[cutter.calls[-1]] += 1
        told = f"killed {when} call {number}, {cutter.calls[-1]}: {beside.done}, {bucket.sent}"
        # What was on its way when it was killed is done once more, and what is put last, as it is.
        assert beside.done.total() <= 3, told
        assert sealed_sent(bucket) <= sends + 1, told
        assert max(bucket.sent.values()) <= 2, told
        assert bucket.begun <= begun + 1, told
    assert cut_at.keys() == {"ask", "request", "question", "keep"}
    assert cut_at["ask"] > sends


def sealed_sent(bucket: Bucket) -> int:
    """How many requests put sealed bytes."""
    return sum(times for name, times in bucket.sent.items() if SEALED in name)


def ends_well(record: RecordServer, bucket: Bucket, out: Path) -> None:
    """All of it is stored, opens, and is what the report says; no upload is left behind that was ended."""
    report = read_report(record.data or {}, export=EXPORT)
    assert report is not None
    assert (report.step, report.rows, report.manifest) == ("Completed", 7, f"{FOLDER}/{MANIFEST}")
    for key, data in bucket.objects.items():
        path = out / key.removeprefix(f"{FOLDER}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = manifest_in(out, sha256=report.manifest_sha256)
    assert [*check(out, manifest, IDENTITY, output=out)] == []
    assert {name: (out / "dump" / name).read_bytes() for name in DUMPED} == DUMPED
