"""`dedicated export` and `export-verify`: the order that is made, its plan, and what a folder lacks."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from api.export_examples import RECIPIENT
from builders import body, clustered, spec
from cli.running import Ran, instance, run
from contract.export_examples import MANIFEST
from contract.physical_examples import MANIFEST as PHYSICAL
from dedicated.agents.export.storing import seal
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cli import cluster, export
from dedicated.cli.export import progress_line
from dedicated.cli.frame import Cluster
from dedicated.cli.source import Source, source_from
from dedicated.cluster.errors import ApiError
from dedicated.contract.transfer.export import manifest_json, read_manifest
from dedicated.contract.transfer.physical_export import PhysicalManifest, physical_json

IDENTITY = pyrage.x25519.Identity.generate()


class FakeServer:
    """Takes creations as an API server does; each look at an order finds the next of `statuses`."""

    def __init__(self) -> None:
        self.stored: dict[str, Manifest] = {}
        self.statuses: list[Manifest] = [{}]

    async def create(self, kind: Kind, body: Manifest, *, dry_run: bool = False) -> Manifest:
        assert kind.kind == "InstanceExport"
        name = get_str(body, "metadata", "name")
        if name in self.stored:
            raise ApiError(status=409, reason="AlreadyExists", message=f"{name} exists")
        if not dry_run:
            self.stored[name] = body
        return body

    async def get(self, _kind: Kind, _namespace: str, name: str) -> Manifest:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {**self.stored[name], "status": status}

    async def list(self, _kind: Kind, _namespace: str) -> tuple[list[Manifest], str]:
        return [{**body, "status": self.statuses[-1]} for body in self.stored.values()], ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """An API server with one instance, as the command's own conversations reach it."""
    fake = FakeServer()

    def ask(_cluster: Cluster, work: Callable[[FakeServer, str], Awaitable[object]]) -> object:
        async def done() -> object:
            return await work(fake, "acme")

        return asyncio.run(done())

    def in_cluster(_name: str, _cluster: Cluster) -> Source:
        return source_from(instance(), [])

    monkeypatch.setattr(cluster, "ask", ask)
    monkeypatch.setattr(export, "in_cluster", in_cluster)
    monkeypatch.setattr(export, "LOOK_SECONDS", 0)
    return fake


def asked(*more: str) -> Ran:
    place = ("--endpoint", "s3.eu-central-2.amazonaws.com", "--region", "eu-central-2", "--secret", "keys")
    to = ("--recipient", RECIPIENT, "--to", "exports/out/2026", *place)
    return run("export", "acme", *to, "--as", "out", "--image", "postgres:17", *more)


def test_an_order_is_made_once_and_another_of_the_name_is_told(server: FakeServer) -> None:
    assert asked().code == 0
    destination = get_map(server.stored["out"], "spec", "destination")
    assert (destination["bucket"], destination["prefix"]) == ("exports", "out/2026")
    assert asked().code == 0
    again = asked("--scratch", "50Gi")
    assert (again.code, "says otherwise" in again.err) == (1, True)


def test_a_dry_run_tells_the_plan_and_stores_nothing(server: FakeServer) -> None:
    ran = asked("--dry-run")
    assert (ran.code, server.stored) == (0, {})
    assert [line[0] for line in ran.out.splitlines()[:5]] == ["1", "2", "3", "4", "5"]
    assert "postgres:17" in ran.out
    assert "for each GB; the size is not known before the first export" in ran.out
    asked()
    server.statuses = [{"phase": "Completed", "completedAt": "2026-11-28T09:00:00Z", "databaseBytes": 10**9,
                        "dumpSeconds": 100, "verifySeconds": 200, "storeSeconds": 300}]  # fmt: skip
    assert "expected: 10m30s for 1000 MB" in asked("--dry-run").out


def test_a_physical_one_is_asked_for_and_its_plan_says_for_how_long(server: FakeServer) -> None:
    plan = asked("--format", "physical", "--valid-for", "48h", "--dry-run").out
    assert "valid for 48h" in plan
    assert "postgres:17" not in plan
    assert asked("--format", "physical", "--valid-for", "48h").code == 0
    spec = get_map(server.stored["out"], "spec")
    assert (spec["format"], spec["validFor"]) == ("Physical", "48h")
    server.statuses = [{"phase": "Completed", "expires": "2026-11-29T12:00:00Z", "manifest": "m"}]
    told = asked("--format", "physical", "--valid-for", "48h", "--wait").out
    assert "addresses expire 2026-11-29T12:00:00Z" in told


def test_a_drill_by_a_dump_is_asked_for_without_a_store(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("drill", "acme", "--logical")
    assert (ran.code, "the database is external" in ran.err) == (1, True)
    engines: Manifest = {**body(), "spec": spec(**clustered("percona"))}
    monkeypatch.setattr(export, "in_cluster", lambda *_: source_from(engines, []))
    assert run("drill", "acme", "--logical", "--to", "2026-01-01").code == 2
    plan = run("drill", "acme", "--logical", "--dry-run")
    assert (plan.code, server.stored) == (0, {})
    assert "nothing is stored" in plan.out
    server.statuses = [{}, {"phase": "Completed"}]
    ran = run("drill", "acme", "--logical")
    ((name, made),) = server.stored.items()
    assert (ran.code, name.startswith("acme-drill-")) == (0, True)
    assert made["spec"] == {"instance": "acme", "purpose": "Drill", "scratch": {"size": "20Gi"}}
    assert ran.out.splitlines()[-1] == "Completed"


def test_it_is_followed_to_its_end(server: FakeServer) -> None:
    storing: Manifest = {"phase": "Storing", "progress": {"bytes": 5 * 10**6, "total": 10**7}}
    done: Manifest = {"phase": "Completed", "manifest": "out/manifest.json", "manifestSha256": "ab"}
    server.statuses = [{}, storing, storing, done]
    ran = asked("--wait")
    assert (ran.code, ran.out.splitlines()[1:]) == (
        0,
        ["Pending", "Storing 50 % of 10 MB", "Completed: out/manifest.json, sha256 ab"],
    )
    server.statuses = [{"phase": "Failed", "message": "the store refuses: AccessDenied"}]
    ran = asked("--wait")
    assert (ran.code, "AccessDenied" in ran.err) == (1, True)


def test_the_line_of_a_step_has_its_expected_end() -> None:
    line = progress_line({"phase": "Dumping", "expectedEnd": "2026-11-28T09:01:02Z", "message": "m"})
    assert line == "Dumping, expected end 09:01:02Z: m"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An export of two files, downloaded."""
    out = tmp_path / "out"
    (out / "dump").mkdir(parents=True)
    files = []
    for name in ("dump/1.dat.gz", "keys.tar.gz"):
        plain = tmp_path / "plain"
        plain.write_bytes(name.encode() * 100)
        sealed = out / f"{name}.age"
        files.append(seal(plain, sealed, name=name, recipient=str(IDENTITY.to_public())))
    (out / "manifest.json").write_bytes(manifest_json(replace(MANIFEST, files=tuple(files))))
    (tmp_path / "identity").write_text(f"# created\n{IDENTITY}\n")
    return out


def fetched_into(folder: Path) -> PhysicalManifest:
    """Make the folder one of a physical export, all of it fetched."""
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    found = replace(PHYSICAL, files=manifest.files)
    (folder / "manifest.json").write_bytes(physical_json(found))
    for one in found.objects:
        path = folder / "repository" / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * one.size)
    return found


def test_a_physical_one_is_checked_before_and_after_it_was_fetched(folder: Path) -> None:
    first, second = fetched_into(folder).objects
    ran = verified(folder)
    assert (ran.code, "4 files are as exported" in ran.out) == (0, True)
    assert "PostgreSQL 17" in ran.out
    (folder / "repository" / first.name).write_bytes(b"x")
    (folder / "repository" / second.name).unlink()
    ran = verified(folder)
    assert ran.code == 1
    assert f"FileDamaged repository/{first.name}" in ran.out
    assert f"FileMissing repository/{second.name}" in ran.out
    (folder / "repository" / first.name).unlink()  # nothing was fetched yet
    assert verified(folder).code == 0


def verified(folder: Path, *more: str) -> Ran:
    return run("export-verify", str(folder), "--identity", str(folder.parent / "identity"), *more)


def test_a_good_folder_is_told_and_opened(folder: Path, tmp_path: Path) -> None:
    digits = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    ran = verified(folder, "--sha256", digits, "--output", str(tmp_path / "opened"))
    assert ran.code == 0
    assert "2 files are as exported" in ran.out
    assert (tmp_path / "opened" / "keys.tar.gz").read_bytes() == b"keys.tar.gz" * 100
    assert "none was opened" in run("export-verify", str(folder)).out


def test_what_is_wrong_is_named(folder: Path) -> None:
    data = bytearray((folder / "keys.tar.gz.age").read_bytes())
    data[-1] ^= 1
    (folder / "keys.tar.gz.age").write_bytes(bytes(data))
    (folder / "dump" / "1.dat.gz.age").unlink()
    ran = verified(folder)
    assert ran.code == 1
    assert "FileMissing dump/1.dat.gz.age" in ran.out
    assert "FileDamaged keys.tar.gz.age" in ran.out
    assert "2 of 2 files" in ran.err


def test_what_was_changed_with_its_manifest_is_seen_by_the_digits_of_the_status(folder: Path) -> None:
    digits = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    told = json.loads((folder / "manifest.json").read_bytes())
    told["files"] = told["files"][:1]
    (folder / "manifest.json").write_text(json.dumps(told))
    ran = verified(folder, "--sha256", digits)
    assert (ran.code, "its SHA-256 differs" in ran.err) == (1, True)


def test_a_folder_without_a_manifest_and_a_file_without_an_identity_are_told(folder: Path) -> None:
    (folder.parent / "identity").write_text("nothing\n")
    ran = verified(folder)
    assert (ran.code, "holds no identity" in ran.err) == (2, True)
    (folder / "manifest.json").unlink()
    ran = run("export-verify", str(folder))
    assert (ran.code, "manifest.json is missing" in ran.err) == (1, True)
