"""`dedicated announce`: the Maintenance and the record of its notice, each made once."""

from collections.abc import Awaitable, Callable

import pytest

from cli.running import Ran, instance, run
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cli import announce, cluster
from dedicated.cli.frame import Cluster
from dedicated.cli.source import Source, source_from
from dedicated.cluster.errors import ApiError

AT = "2026-11-28T09:00:00Z"


class FakeServer:
    """Takes creations as an API server does, and gives each the same time."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Manifest] = {}
        self.tried = 0

    async def user_name(self) -> str:
        return "ops@provider.example"

    async def create(self, kind: Kind, body: Manifest, *, dry_run: bool = False) -> Manifest:
        self.tried += 1
        key = (kind.kind, get_str(body, "metadata", "name"))
        if key in self.stored:
            raise ApiError(status=409, reason="AlreadyExists", message=f"{key} exists")
        made: Manifest = {**body, "metadata": {**get_map(body, "metadata"), "creationTimestamp": AT}}
        if not dry_run:
            self.stored[key] = made
        return made

    async def get(self, kind: Kind, _namespace: str, name: str) -> Manifest:
        return self.stored[kind.kind, name]

    def records(self) -> list[Manifest]:
        return [body for (kind, _), body in self.stored.items() if kind == "ContractRecord"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """An API server with one instance, as the command's own conversations reach it."""
    import asyncio

    fake = FakeServer()

    def ask(_cluster: Cluster, work: Callable[[FakeServer, str], Awaitable[object]]) -> object:
        async def converse() -> object:
            return await work(fake, "acme")

        return asyncio.run(converse())

    def found(_name: str, _cluster: Cluster) -> Source:
        return source_from(instance(), fake.records())

    monkeypatch.setattr(cluster, "ask", ask)
    monkeypatch.setattr(announce, "in_cluster", found)
    return fake


def announced(*more: str, change: str = "v4.15.3") -> Ran:
    return run(
        "announce", "acme", "cve-1", "--kind", "Security", "--reference", "CVE-1", "--change", change,
        "--duration", "2h", *more,
    )  # fmt: skip


def test_the_request_and_its_notice_say_the_same(server: FakeServer) -> None:
    ran = announced("--downtime", "5m", "--supersedes", "cve-0")
    assert ran.code == 0, ran.err
    assert "emergency cve-1 waits: a slot must be permitted and begin before 2026-12-03T23:00:00Z" in ran.out
    notice: Manifest = {
        "kind": "Security", "duration": "2h", "changes": ["v4.15.3"], "downtime": "5m", "supersedes": "cve-0",
    }  # fmt: skip
    wanted = server.stored["Maintenance", "cve-1"]
    assert wanted["spec"] == {"instance": "acme", "reference": "CVE-1", **notice}
    (record,) = server.records()
    assert get_map(record, "spec")["notice"] == notice
    assert get_str(record, "spec", "by") == "ops@provider.example"


def test_said_again_it_is_found(server: FakeServer) -> None:
    announced()
    again = announced()
    assert again.code == 0
    assert "recorded before by ops@provider.example" in again.out
    assert len(server.stored) == 2


def test_a_notice_that_was_lost_is_made_for_the_request_there_is(server: FakeServer) -> None:
    announced()
    (name,) = [key for key in server.stored if key[0] == "ContractRecord"]
    del server.stored[name]
    assert announced().code == 0
    assert len(server.records()) == 1


def test_another_request_of_the_same_name_is_refused(server: FakeServer) -> None:
    announced()
    other = announced(change="v4.15.4")
    assert other.code == 1
    assert "Maintenance cve-1 is there and says otherwise" in other.err
    assert len(server.records()) == 1


def test_a_dry_run_stores_nothing(server: FakeServer) -> None:
    ran = announced("--dry-run")
    assert ran.code == 0
    assert "would be recorded" in ran.out
    assert (server.tried, server.stored) == (2, {})


def test_a_record_made_meanwhile_by_the_same_words_is_found(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced()

    def read_before(_name: str, _cluster: Cluster) -> Source:
        return source_from(instance(), [])

    monkeypatch.setattr(announce, "in_cluster", read_before)
    again = announced()
    assert again.code == 0
    assert "recorded before by" in again.out
    assert len(server.records()) == 1
