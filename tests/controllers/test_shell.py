"""kopf as the shell: what it sees reaches us, it writes nothing, and it outlives what ends it elsewhere."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import kopf
import pytest

from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from dedicated.cluster.client import connect
from dedicated.cluster.transport import Credentials, Login
from dedicated.controllers import shell
from dedicated.controllers.shell import JitteredForever, connection_info, run_shell
from fakeapi import FakeApi, fake_api, refusal

COLLECTION = f"/apis/{GROUP}/{VERSION}/{PLURAL}"


def discovery() -> dict[str, JsonValue]:
    version: Manifest = {"groupVersion": API_VERSION, "version": VERSION}
    resource: Manifest = {
        "name": PLURAL,
        "singularName": "dedicatedinstance",
        "kind": KIND,
        "namespaced": True,
        "verbs": ["get", "list", "watch", "patch"],
    }
    # kopf waits until it has discovered namespaces, of which it watches none.
    namespaces: Manifest = {
        "name": "namespaces",
        "singularName": "namespace",
        "kind": "Namespace",
        "namespaced": False,
        "verbs": ["list", "watch"],
    }
    return {
        "/api": {"versions": ["v1"]},
        "/api/v1": {"resources": [namespaces]},
        "/apis": {"groups": [{"name": GROUP, "versions": [version], "preferredVersion": version}]},
        f"/apis/{API_VERSION}": {"resources": [resource]},
    }


class Running:
    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.stop = asyncio.Event()
        self.present = asyncio.Event()
        self.present.set()
        self.seen: list[tuple[str, str]] = []
        self.task: asyncio.Task[None] | None = None

    def note(self, event: str, manifest: Manifest) -> None:
        asyncio.get_running_loop()
        self.seen.append((event, get_str(manifest, "metadata", "name")))

    async def wait_present(self) -> None:
        await self.present.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - the condition is set by another thread's loop
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(
    tmp_path: Path, *, namespaces: tuple[str, ...] = (), present: bool = True
) -> AsyncIterator[Running]:
    async with (
        fake_api() as api,
        connect(Login(kubeconfig=api.kubeconfig(tmp_path / "config")), user_agent="t") as client,
    ):
        api.pages.update(discovery())
        api.put("acme", kind=KIND, apiVersion=API_VERSION)
        it = Running(api)
        if not present:
            it.present.clear()
        it.task = asyncio.create_task(
            run_shell(
                source=client,
                namespaces=namespaces,
                on_instance=it.note,
                stop=it.stop,
                kind_exists=it.wait_present,
            )
        )
        try:
            yield it
        finally:
            it.stop.set()
            async with asyncio.timeout(15):
                await asyncio.wait({it.task})
        if not it.task.cancelled():
            it.task.result()


async def test_objects_and_events_are_handed_over_and_nothing_is_written(tmp_path: Path) -> None:
    ours = asyncio.create_task(asyncio.Event().wait())
    before = signal.getsignal(signal.SIGTERM)
    async with running(tmp_path) as it:
        await it.until(lambda: bool(it.api.streams))
        younger = asyncio.create_task(asyncio.Event().wait())
        await it.until(lambda: it.seen == [("", "acme")])
        await it.api.tell("MODIFIED", it.api.put("acme", kind=KIND, apiVersion=API_VERSION, spec={"x": 1}))
        await it.api.tell("DELETED", it.api.forget("acme"))
        await it.until(lambda: it.seen[1:] == [("MODIFIED", "acme"), ("DELETED", "acme")])
        assert {seen.method for seen in it.api.requests} == {"GET"}
        assert not [seen for seen in it.api.requests if "customresourcedefinitions" in seen.path]
        assert {seen.headers["Authorization"] for seen in it.api.requests} == {"Bearer t0ken"}
    assert not ours.done()
    assert not younger.done(), "kopf must not cancel what it did not start"
    assert signal.getsignal(signal.SIGTERM) is before
    ours.cancel()
    younger.cancel()


async def test_it_needs_no_name_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr("getpass.getuser", nameless)
    async with running(tmp_path) as it:
        await it.until(lambda: it.seen == [("", "acme")])


async def test_cancelled_it_ends_with_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operator = kopf.operator

    async def slow_to_end(**settings: Any) -> None:
        await operator(**settings)
        await asyncio.sleep(0.5)

    monkeypatch.setattr(kopf, "operator", slow_to_end)
    async with running(tmp_path) as it:
        await it.until(lambda: bool(it.api.streams))
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "kopf")
        assert it.task is not None
        it.task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait({it.task})
        assert it.task.cancelled()
        thread.join(0.05)  # its last word was that it is done
        assert not thread.is_alive()
        await it.until(lambda: not it.api.streams)


async def test_namespaces_are_watched_one_by_one(tmp_path: Path) -> None:
    async with running(tmp_path, namespaces=("a", "b")) as it:
        await it.until(lambda: len(it.api.streams) == 2)
        await it.until(lambda: it.seen == [("", "acme")])
        lists = {seen.path for seen in it.api.asked("GET") if seen.path.endswith(PLURAL)}
    assert lists == {f"/apis/{GROUP}/{VERSION}/namespaces/{name}/{PLURAL}" for name in ("a", "b")}


async def test_kopf_waits_for_the_kind(tmp_path: Path) -> None:
    async with running(tmp_path, present=False) as it:
        await asyncio.sleep(0.1)
        assert it.api.requests == []
        it.present.set()
        await it.until(lambda: it.seen == [("", "acme")])


async def test_what_ends_kopf_does_not_end_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "FIRST_PAUSE", 0.05)
    async with running(tmp_path) as it:
        await it.until(lambda: bool(it.api.streams) and len(it.seen) == 1)
        await it.api.tell("ERROR", {"kind": "Status", "code": 500, "reason": "InternalError"})
        await it.until(lambda: it.seen == [("", "acme")] * 2)


async def test_a_rejected_token_is_read_again(tmp_path: Path) -> None:
    async with running(tmp_path) as it:
        await it.until(lambda: bool(it.api.streams))
        (tmp_path / "config.token").write_text("fresh")
        it.api.scripts.append(refusal(401, "Unauthorized"))
        it.api.cut()
        await it.until(lambda: bool(it.api.streams))
        assert it.api.requests[-1].headers["Authorization"] == "Bearer fresh"


async def test_an_outage_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(shell, "LONGEST_PAUSE", 0.02)
    async with running(tmp_path) as it:
        await it.until(lambda: bool(it.api.streams))
        it.api.scripts.extend([refusal(503, "ServiceUnavailable")] * 30)
        it.api.cut()
        await it.until(lambda: not it.api.scripts and bool(it.api.streams))
        await it.api.tell("MODIFIED", it.api.put("acme", kind=KIND, apiVersion=API_VERSION))
        await it.until(lambda: it.seen[-1] == ("MODIFIED", "acme"))


def test_delays_grow_and_never_end() -> None:
    delays = list(islice(iter(JitteredForever(1, 30)), 500))
    assert all(0.5 <= delay <= 30 for delay in delays)
    assert all(15 <= delay <= 30 for delay in delays[10:])
    assert len(set(delays)) > 400


def test_the_same_user_whatever_the_scheme() -> None:
    credentials = Credentials(
        server="https://k",
        ca_path="/ca",
        insecure=False,
        authorization="Basic YQ==",
        certificate_path=None,
        private_key_path=None,
        proxy="http://p:1",
    )
    info = connection_info(credentials)
    assert info.as_http_headers() == {"Authorization": "Basic YQ=="}
    assert (info.server, info.ca_path, info.proxy_url) == ("https://k", "/ca", "http://p:1")
