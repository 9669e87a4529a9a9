"""When the record is written: at a transition, else rarely, and not before it was read."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agents.world import NOW, World
from dedicated.agents.recovery.keeping import to_text
from dedicated.agents.recovery.writer import Writer
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.report import SAMPLES
from dedicated.contract.recovery.sampling import Sample
from dedicated.contract.recovery.wal import SEGMENT

PATH = "/api/v1/namespaces/customer/configmaps/acme-recovery"


class Server:
    """One ConfigMap, and each request for it."""

    def __init__(self) -> None:
        self.status = 200
        self.data: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        self.seen.append((request.method, dict(request.query), body))
        if self.status == 200:
            self.data |= body.get("data", {})
        headers = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT", "X": request.headers["Authorization"]}
        return web.json_response({"data": self.data}, status=self.status, headers=headers)

    @property
    def writes(self) -> int:
        return sum(method == "PATCH" for method, _, _ in self.seen)


@pytest.fixture
async def server() -> Any:
    state = Server()
    app = web.Application()
    app.router.add_route("*", PATH, state.answer)
    async with TestServer(app) as running:
        yield state, str(running.make_url("")).rstrip("/")


def record(url: str, folder: Path, heard: list[datetime] | None = None) -> OwnConfigMap:
    (folder / "token").write_text("planted\n")
    told = heard.append if heard is not None else lambda _: None
    return OwnConfigMap(url, folder, "customer", "acme-recovery", "agent", heard=told)


async def test_a_write_is_a_merge_patch_of_a_manager_and_tells_the_time(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    state, url = server
    heard: list[datetime] = []
    own = record(url, tmp_path, heard)
    await own.write({"report": "{}"})
    assert state.seen == [("PATCH", {"fieldManager": "agent"}, {"data": {"report": "{}"}})]
    assert await own.read() == {"report": "{}"}
    assert heard == [NOW, NOW]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "token is refused"), (403, "right"), (404, "does not exist"), (500, "refuses")],
)
async def test_refusals_are_told_in_own_words(
    server: tuple[Server, str], tmp_path: Path, status: int, words: str
) -> None:
    state, url = server
    state.status = status
    with pytest.raises(OwnObjectError, match=words) as error:
        await record(url, tmp_path).read()
    assert "planted" not in str(error.value)


async def test_without_a_token_or_a_server_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(OwnObjectError, match="cannot be reached"):
        await record("http://127.0.0.1:1", tmp_path).read()
    (tmp_path / "token").unlink()
    own = OwnConfigMap("http://127.0.0.1:1", tmp_path, "customer", "acme-recovery", "agent")
    with pytest.raises(OwnObjectError, match="token"):
        await own.read()


class Writing:
    """A writer at work, on a monotonic clock that is set."""

    def __init__(self, world: World, own: OwnConfigMap) -> None:
        self.world = world
        self.changed = asyncio.Event()
        self.writer = Writer(
            record=own,
            knowledge=world.known,
            clock=world.clock,
            objectives=RecoveryObjectives(),
            incarnation="uid",
            every=timedelta(seconds=60),
            monotonic=lambda: world.passed,
            changed=self.changed,
        )

    async def settle(self) -> None:
        """Let it do what there is to do."""
        self.changed.set()
        for _ in range(20):
            await asyncio.sleep(0.005)


async def test_it_writes_at_transitions_else_once_a_minute(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    state, url = server
    world = World()
    writing = Writing(world, record(url, tmp_path))
    task = asyncio.create_task(writing.writer.run())
    for at, wanted, why in (
        (0, 1, "the first report"),
        (30, 2, "the judgement changed: it was sampled"),
        (40, 2, "one more sample is no transition"),
        (89, 2, "nor is the next, within a minute"),
        (91, 3, "a minute is over"),
    ):
        if at:
            world.read(at=at)
        await writing.settle()
        assert state.writes == wanted, why
    world.known.trouble("Repository", "away")
    await writing.settle()
    assert state.writes == 3, "not twice within five seconds"
    world.passed = 96
    await writing.settle()
    assert state.writes == 4, "trouble is a transition"
    world.known.trouble("Repository", "away for another reason")
    world.passed = 102
    await writing.settle()
    assert state.writes == 4, "its cause alone is none"
    task.cancel()


async def test_nothing_is_written_before_the_record_was_read(
    server: tuple[Server, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedicated.agents.recovery.writer.RETRY", timedelta(milliseconds=10))
    state, url = server
    old = Sample(NOW - timedelta(minutes=1), 5, 1)
    state.data = {SAMPLES: to_text((old,), segment_size=SEGMENT, incarnation="uid")}
    state.status = 503
    world = World()
    world.read(at=30)
    writing = Writing(world, record(url, tmp_path))
    task = asyncio.create_task(writing.writer.run())
    await writing.settle()
    assert state.writes == 0
    assert writing.writer.problem
    state.status = 200
    await writing.settle()
    task.cancel()
    assert state.writes == 1
    assert writing.writer.problem == ""
    assert json.loads(state.data[SAMPLES])["samples"][0][1] == 5
