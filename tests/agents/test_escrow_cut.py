"""The key bundle's writer, cut at each of its calls and run again: nothing lost, one object more at most."""

import asyncio
import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest

from agents.bucket import Bucket, opening
from agents.cutting import CutError, Cutter, When
from builders import IDENTITY, MASTERKEY
from dedicated.agents.escrow import main
from dedicated.agents.escrow.settings import Settings
from dedicated.api.names import API_VERSION
from dedicated.cluster.own_object import Door
from dedicated.contract.recovery.bundle import sha256, unpack
from dedicated.contract.recovery.escrow import REPORT, Report, from_json
from dedicated.probes.objects import Access
from lab.record_server import RecordServer, plant_credentials, record_server

NAMESPACE, UID = "acme-ns", "uid-1"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEYS = pyrage.x25519.Identity.generate()


@pytest.fixture
def record() -> Iterator[RecordServer]:
    with record_server(namespace=NAMESPACE, name="acme-escrow") as server:
        root = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}"
        named = {"metadata": {"name": "acme", "namespace": NAMESPACE, "uid": UID}, "spec": {}}
        of_it = {"metadata": {"name": "one"}, "spec": {"instance": "acme"}}
        server.lists = {
            f"{root}/dedicatedinstances": [named],
            f"{root}/contractrecords": [of_it],
            f"{root}/maintenances": [],
            f"{root}/instancebackups": [],
            f"{root}/instancerestores": [],
        }
        yield server


def task(folder: Path, record: RecordServer) -> Settings:
    for path, data in {
        "secrets/acme-masterkey/masterkey": MASTERKEY,
        "configmaps/acme-identity/salt": IDENTITY.salt.encode(),
        "configmaps/acme-identity/masterkey": IDENTITY.masterkey.encode(),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    key = str(KEYS.to_public())
    return Settings(
        instance="acme",
        namespace=NAMESPACE,
        incarnation=UID,
        bundle="mark-of-the-bundle",
        ledger="mark-of-the-ledger",
        masterkey="acme-masterkey/masterkey",
        secrets=("acme-masterkey",),
        material=folder,
        recipients=(("Provider", key), ("Customer", key)),
        versions={},
        bucket="keys",
        prefix="kept",
        access=Access("127.0.0.1:1", "eu-central-1", folder),
        api_server=record.url,
        credentials=plant_credentials(folder / "pod"),
    )


def attempt(settings: Settings, bucket: Bucket, cutter: Cutter) -> bool:
    """One process of the Job: whether it was left to its end, which is a good one then."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "open_objects", opening(cutter.cuts(bucket.ask)))
        patched.setattr(Door, "request", cutter.cuts(Door.request))
        try:
            assert asyncio.run(main.run(settings, now=lambda: AT))
        except CutError:
            return False
    return True


def report_of(record: RecordServer) -> Report:
    found = from_json((record.data or {})[REPORT])
    assert found is not None
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_it_is_killed_the_next_attempt_ends_alike(
    record: RecordServer, tmp_path: Path, when: When
) -> None:
    settings = task(tmp_path, record)
    cut_at, doubled = [], Counter[int]()
    for number in range(1, 100):
        record.data, bucket = {}, Bucket()
        cutter = Cutter(number, when)
        if attempt(settings, bucket, cutter):
            break
        cut_at.append(cutter.calls[-1])
        assert attempt(settings, bucket, Cutter())
        ends_well(record, bucket)
        doubled[len(bucket.objects) - 2] += 1
    # The record; instance and put, record; instance, records, maintenances, orders and put, record.
    assert cut_at == ["request"] * 2 + ["ask"] + ["request"] * 6 + ["ask"] + ["request"]
    # Twice is put what was put and not written down: right after the put, and right before the record.
    assert doubled == {0: 9, 1: 2}


def ends_well(record: RecordServer, bucket: Bucket) -> None:
    """The record names what is there, first of its kind and whole; nothing was put over another."""
    report = report_of(record)
    assert report.bundle is not None
    assert report.ledger is not None
    assert (report.bundle.mark, report.ledger.mark) == ("mark-of-the-bundle", "mark-of-the-ledger")
    assert (report.bundle.number, report.ledger.number, report.trouble) == (1, 1, None)
    for written in (report.bundle, report.ledger):
        assert sha256(bucket.objects[written.object]) == written.sha256
    for sealed in bucket.objects.values():
        contents, _ = unpack(gzip.decompress(pyrage.decrypt(sealed, [KEYS])))
        assert (contents.number, contents.previous.object) == (1, "")
    assert set(bucket.sent.values()) == {1}


def test_what_is_written_down_is_not_put_again(record: RecordServer, tmp_path: Path) -> None:
    settings, bucket = task(tmp_path, record), Bucket()
    for _ in range(2):
        assert attempt(settings, bucket, Cutter())
    assert len(bucket.objects) == 2
    assert len(record.writes) == 2
