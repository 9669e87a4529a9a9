"""The key bundle's writer, as a process, with a store's user that may write and nothing else."""

import asyncio
import base64
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyrage
import pytest

from builders import IDENTITY, MASTERKEY
from cli.running import run
from dedicated.api.json import Manifest
from dedicated.api.names import API_VERSION
from dedicated.contract.recovery.bundle import unpack
from dedicated.contract.recovery.escrow import REPORT, Report, from_json
from dedicated.probes.objects import open_objects
from lab.record_server import RecordServer, kill_at, plant_credentials, record_server
from lab.s3 import REGION, S3, object_store
from testbed.home import python_path

BUCKET = "keys-acme"
PLANTED = "Planted-operator-key-material"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with object_store(tmp_path_factory.mktemp("s3")) as running:
        asyncio.run(running.make_bucket(BUCKET, lock=True))
        yield running


@pytest.fixture(autouse=True)
def lab_programs() -> None:
    """The store comes as a wheel: it is there wherever the tests are."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One instance's material and API server, a store, and a recipient's identity in a file."""

    store: S3
    api: RecordServer
    folder: Path
    identity: Path
    recipients: tuple[str, ...]

    def write(
        self, *more: str, identity: str = "writer", recipients: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        """Run the agent; exit code and log."""
        process = self.start(*more, identity=identity, recipients=recipients)
        try:
            log, _ = process.communicate(timeout=60)
        finally:
            process.kill()
        return process.returncode, log

    def start(
        self, *more: str, identity: str = "writer", recipients: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Start the agent."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "dedicated", "agent", "escrow", "--instance=acme"),
                *("--namespace=acme-ns", "--uid=uid-1", "--masterkey=acme-masterkey/masterkey"),
                *("--secret=acme-masterkey", "--secret=acme-operator-key", f"--material={self.folder}"),
                *(f"--bucket={BUCKET}", "--prefix=kept", f"--endpoint={self.store.endpoint}"),
                *(f"--region={REGION}", f"--store-credentials={self.store.folder / identity}"),
                *(f"--store-ca-file={self.store.ca_file}", f"--api-server={self.api.url}"),
                *(f"--credentials={self.folder / 'pod'}", "--version=zitadel=v4.15.2"),
                *(f"--recipient={one}" for one in recipients or self.recipients),
                *more,
            ],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def report(self) -> Report:
        """The record as it stands."""
        assert self.api.data is not None
        found = from_json(self.api.data[REPORT])
        assert found is not None
        return found

    def opened(self, sealed: Path) -> dict[str, bytes]:
        """The members of an object."""
        identity = pyrage.x25519.Identity.from_str(self.identity.read_text().strip())
        _, members = unpack(gzip.decompress(pyrage.decrypt(sealed.read_bytes(), [identity])))
        return members

    def fetched(self, name: str) -> Path:
        """An object, as a file."""

        async def read() -> bytes:
            async with open_objects(BUCKET, self.store.access()) as bucket:
                return await bucket.read(name)

        path = self.folder / Path(name).name
        path.write_bytes(asyncio.run(read()))
        return path


@pytest.fixture
def bench(store: S3, tmp_path: Path) -> Iterator[Bench]:
    identities = [pyrage.x25519.Identity.generate() for _ in range(2)]
    for path, data in {
        "secrets/acme-masterkey/masterkey": MASTERKEY,
        "secrets/acme-operator-key/private.pem": PLANTED.encode(),
        "configmaps/acme-identity/salt": IDENTITY.salt.encode(),
        "configmaps/acme-identity/masterkey": IDENTITY.masterkey.encode(),
        "configmaps/acme-measured-2026-03/month": b"2026-03",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    plant_credentials(tmp_path / "pod")
    (tmp_path / "identity.txt").write_text(f"{identities[1]}\n")
    with record_server(namespace="acme-ns", name="acme-escrow") as api:
        root = f"/apis/{API_VERSION}/namespaces/acme-ns"
        api.lists = {
            f"{root}/dedicatedinstances": [listed("acme", uid="uid-1", domain="login.acme.example")],
            f"{root}/contractrecords": [listed("acme-1", instance="acme"), listed("other", instance="b")],
            f"{root}/maintenances": [listed("m-1", instance="acme")],
            f"{root}/instancebackups": [listed("by-hand", instance="acme"), listed("x", instance="b")],
            f"{root}/instancerestores": [listed("lost", instance="acme")],
        }
        roles = zip(("Provider", "Customer"), identities, strict=True)
        recipients = tuple(f"{role}={one.to_public()}" for role, one in roles)
        yield Bench(store, api, tmp_path, tmp_path / "identity.txt", recipients)


def listed(name: str, *, uid: str = "u", **spec: str) -> Manifest:
    """An object as a list has it."""
    metadata: Manifest = {
        "name": name,
        "namespace": "acme-ns",
        "uid": uid,
        "resourceVersion": "7",
        "creationTimestamp": "2026-03-01T12:00:00Z",
    }
    return {"metadata": metadata, "spec": dict(spec)}


def test_bundle_and_ledger_are_put_by_who_may_put_alone_and_open_to_each_recipient(bench: Bench) -> None:
    code, log = bench.write("--bundle=b1", "--ledger=l1")
    assert code == 0, log
    first = bench.report
    assert first.bundle is not None
    assert first.ledger is not None
    assert (first.bundle.mark, first.ledger.mark) == ("b1", "l1")
    assert [one.role for one in first.bundle.openers] == ["Provider", "Customer"]
    for secret in (PLANTED, MASTERKEY.decode()):
        assert secret not in log + json.dumps(bench.api.data)

    async def refused() -> list[int]:
        async with open_objects(BUCKET, bench.store.access("writer")) as bucket:
            assert first.bundle is not None
            answers = [await bucket.ask(key=first.bundle.object), await bucket.ask("list-type=2")]
            return [answer.status for answer in answers]

    assert asyncio.run(refused()) == [403, 403]
    bundle, ledger = bench.fetched(first.bundle.object), bench.fetched(first.ledger.object)
    made = bench.folder / "made"
    opening = ("keys", "restore", str(bundle), "-i", str(bench.identity))
    ran = run(*opening, "--ledger", str(ledger), "-o", str(made))
    assert ran.code == 0, ran.err
    told = (made / "1-secrets.yaml").read_text()
    assert base64.b64encode(PLANTED.encode()).decode() in told
    records = (made / "4-records.yaml").read_text()
    assert "acme-1" in records
    assert "at: '2026-03-01T12:00:00Z'" in records
    assert "other" not in records
    # What was asked for is told, and nothing is made of it.
    orders = json.loads(bench.opened(ledger)["orders.json"])
    assert [(one["kind"], one["name"]) for one in orders] == [
        ("InstanceBackup", "by-hand"), ("InstanceRestore", "lost"),
    ]  # fmt: skip
    assert "by-hand" not in "".join(path.read_text() for path in made.iterdir())
    assert "2026-03" in (made / "3-measured.yaml").read_text()

    assert bench.write("--ledger=l2")[0] == 0
    second = bench.report
    assert second.ledger is not None
    assert (second.bundle, second.ledger.number) == (first.bundle, 2)
    both = ("--ledger", str(ledger), "--ledger", str(bench.fetched(second.ledger.object)))
    ran = run(*opening, *both, "-o", str(bench.folder / "two"))
    assert "ledger 2" in ran.out


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("secrets/acme-operator-key/private.pem", "Secret acme-operator-key is not there"),
        ("configmaps/acme-identity/salt", "its fingerprint differs"),
    ],
)
def test_nothing_is_put_without_what_belongs_into_it(bench: Bench, broken: str, told: str) -> None:
    (bench.folder / broken).unlink()
    code, log = bench.write("--bundle=b1")
    assert code == 1
    assert told in log
    assert bench.report.bundle is None
    assert bench.report.trouble is not None
    assert told in bench.report.trouble.cause


def test_another_masterkey_than_the_identitys_is_never_written(bench: Bench) -> None:
    assert bench.write("--bundle=b1")[0] == 0
    (bench.folder / "secrets/acme-masterkey/masterkey").write_bytes(b"x" * 32)
    code, log = bench.write("--bundle=b2")
    assert code == 1
    assert "its fingerprint differs" in log
    assert bench.report.bundle is not None
    assert bench.report.bundle.mark == "b1", "what was written stays known"


def test_who_may_not_put_is_told_in_the_stores_word_until_a_good_attempt(bench: Bench) -> None:
    code, log = bench.write("--bundle=b1", identity="reader")
    assert code == 1
    assert bench.report.trouble is not None
    assert bench.report.trouble.cause == "the store refuses to put: AccessDenied"
    assert "AccessDenied" in log
    assert bench.write("--bundle=b1")[0] == 0
    assert bench.report.trouble is None


def test_a_recipient_that_is_none_and_an_instance_that_is_gone_end_it(bench: Bench) -> None:
    wrong = bench.recipients[0][:-1] + ("q" if bench.recipients[0][-1] != "q" else "p")
    code, log = bench.write("--bundle=b1", recipients=(wrong, bench.recipients[1]))
    assert (code, "no age key" in log) == (1, True)
    path = next(path for path in bench.api.lists if path.endswith("dedicatedinstances"))
    bench.api.lists[path] = [listed("acme", uid="uid-2")]
    code, log = bench.write("--bundle=b1")
    assert (code, "gone, or another one" in log) == (1, True)


def test_a_record_of_another_incarnation_begins_anew(bench: Bench) -> None:
    assert bench.write("--bundle=b1")[0] == 0
    assert bench.api.data is not None
    bench.api.data[REPORT] = bench.api.data[REPORT].replace("uid-1", "uid-0")
    assert bench.write("--bundle=b1")[0] == 0
    assert bench.report.bundle is not None
    assert bench.report.bundle.number == 1


@pytest.mark.parametrize(("write", "put"), [(1, {"bundle": 2, "ledger": 1}), (2, {"bundle": 1, "ledger": 2})])
def test_killed_before_it_is_written_down_one_object_is_put_twice_and_no_more(
    bench: Bench, write: int, put: dict[str, int]
) -> None:
    task = (f"--prefix=killed-{write}", "--bundle=b1", "--ledger=l1")
    kill_at(bench.start(*task), bench.api, write=write)
    code, log = bench.write(*task)
    assert code == 0, log

    async def names() -> list[str]:
        async with open_objects(BUCKET, bench.store.access()) as bucket:
            return [Path(name).name async for name, _ in bucket.sizes(f"killed-{write}/")]

    found = asyncio.run(names())
    assert Counter(name.split("-")[0] for name in found) == put
    assert {name.split("-")[1] for name in found} == {"000001"}
    for written in (bench.report.bundle, bench.report.ledger):
        assert written is not None
        assert Path(written.object).name in found


def test_without_the_record_nothing_is_put(bench: Bench) -> None:
    bench.api.data = None
    code, log = bench.write("--bundle=b1")
    assert (code, "does not exist" in log) == (1, True)
