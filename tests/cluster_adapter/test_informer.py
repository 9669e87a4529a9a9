"""Informers against a server in trouble: nothing is lost, nothing is told twice, nothing ends the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial, partialmethod

import pytest

from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CONFIG_MAP, NODE, Key
from dedicated.cluster import informer as informer_module
from dedicated.cluster.client import Client
from dedicated.cluster.informer import Informer
from fakeapi import FakeApi, answer, refusal

Change = tuple[str, str | None, str | None]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer_module, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(informer_module, "LONGEST_PAUSE", 0.05)


def data_of(manifest: Manifest) -> str | None:
    if get_str(manifest, "data") == "odd":
        raise ValueError("odd")
    return get_str(manifest, "data") or None


class Watched:
    """A running informer and what it told."""

    def __init__(self, client: Client, **options: object) -> None:
        self.changes: list[Change] = []
        self.told = asyncio.Event()
        make: Callable[..., Informer[str]] = partial(Informer, client=client, kind=CONFIG_MAP)
        self.informer = make(reduce=data_of, changed=self.note, **options)

    def note(self, key: Key, old: str | None, new: str | None) -> None:
        self.changes.append((str(key), old, new))
        self.told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - conditions over the informer, which tells nobody
                await asyncio.sleep(0.005)

    async def next(self, count: int) -> list[Change]:
        """The first `count` changes, once they are there; forgets them."""
        await self.until(lambda: len(self.changes) >= count)
        taken, self.changes[:] = self.changes[:], []
        return taken


@asynccontextmanager
async def running(client: Client, **options: object) -> AsyncIterator[Watched]:
    watched = Watched(client, **options)
    task = asyncio.create_task(watched.informer.run())
    try:
        yield watched
        assert not task.done(), "the loop must never end by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def watching(api: FakeApi, client: Client, **options: object) -> AsyncIterator[Watched]:
    """The same, once its first watch is open and the first list is forgotten."""
    async with running(client, **options) as watched:
        await watched.informer.synced()
        await api.until(lambda: bool(api.streams))
        watched.changes.clear()
        yield watched


async def test_the_first_list_is_told_as_additions(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    api.put("ignored")
    async with running(client) as watched:
        assert not watched.informer.has_synced
        await watched.informer.synced()
        assert watched.informer.has_synced
        assert watched.changes == [("a/x", None, "1")]
        assert dict(watched.informer.store) == {Key("a", "x"): "1"}


async def test_events_are_told_once_each_and_only_if_they_differ(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    async with watching(api, client) as watched:
        await api.tell("MODIFIED", api.put("x", data="1"))
        await api.tell("MODIFIED", api.put("x", data="2"))
        await api.tell("ADDED", api.put("y", data="3"))
        await api.tell("DELETED", api.forget("x"))
        await api.tell("MODIFIED", api.put("y"))
        assert await watched.next(4) == [
            ("a/x", "1", "2"),
            ("a/y", None, "3"),
            ("a/x", "2", None),
            ("a/y", "3", None),
        ]
        assert not watched.informer.store


async def test_what_was_deleted_in_a_watch_gap_is_found_by_a_list(api: FakeApi, client: Client) -> None:
    for name in ("kept", "lost", "changed"):
        api.put(name, data="1")
    async with watching(api, client) as watched:
        api.forget("lost")
        api.put("changed", data="2")
        await api.tell("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
        assert sorted(await watched.next(2)) == [("a/changed", "1", "2"), ("a/lost", "1", None)]
        assert len(api.asked("GET", watch=False)) == 2
        assert watched.informer.problem is None


async def test_a_broken_watch_goes_on_from_where_it_was_without_a_list(api: FakeApi, client: Client) -> None:
    async with watching(api, client) as watched:
        await api.tell("ADDED", api.put("x", data="1"))
        await watched.next(1)
        last = str(api.version)
        api.cut()
        await api.until(lambda: bool(api.streams))
        assert len(api.asked("GET", watch=False)) == 1
        assert api.asked("GET", watch=True)[-1].query["resourceVersion"] == last


async def test_bookmarks_move_the_version_on(api: FakeApi, client: Client) -> None:
    async with watching(api, client):
        api.version += 50
        await api.bookmark()
        await asyncio.sleep(0.02)
        api.cut()
        await api.until(lambda: len(api.asked("GET", watch=True)) == 2)
        assert api.asked("GET", watch=True)[-1].query["resourceVersion"] == str(api.version)


async def test_a_list_that_expires_half_way_is_begun_again(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    half: Manifest = {"metadata": {"continue": "1", "resourceVersion": "1"}, "items": []}
    api.scripts.extend([answer(half), refusal(410, "Expired")])
    async with running(client) as watched:
        await watched.informer.synced()
        assert watched.changes == [("a/x", None, "1")]


async def test_after_two_silent_watches_everything_is_listed_again(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "watch", partialmethod(Client.watch, idle_timeout=0.1))
    async with running(client) as watched:
        await watched.informer.synced()
        api.put("x", data="1")
        assert await watched.next(1) == [("a/x", None, "1")]
        assert len(api.asked("GET", watch=False)) == 2
        assert len(api.asked("GET", watch=True)) >= 2


@pytest.mark.parametrize(("status", "reason"), [(404, "NotFound"), (403, "Forbidden")])
async def test_a_kind_that_is_missing_or_forbidden_is_asked_for_until_it_is_there(
    api: FakeApi, client: Client, status: int, reason: str
) -> None:
    api.put("x", data="1")
    api.scripts.extend([refusal(status, reason, message="says the server")] * 3)
    async with running(client) as watched:
        await watched.until(lambda: watched.informer.problem is not None)
        assert watched.informer.problem == f"configmaps: {status} {reason}: says the server"
        assert not watched.informer.has_synced
        await watched.informer.synced()
        assert watched.informer.problem is None
        assert watched.changes == [("a/x", None, "1")]


async def test_a_kind_that_vanishes_leaves_the_store_alone(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    async with watching(api, client) as watched:
        api.scripts.extend([refusal(404, "NotFound")] * 2)
        api.cut()
        await watched.until(lambda: watched.informer.problem is not None)
        assert dict(watched.informer.store) == {Key("a", "x"): "1"}
        await watched.until(lambda: watched.informer.problem is None)
        assert watched.changes == []


async def test_an_outage_costs_no_list(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    async with watching(api, client) as watched:
        api.scripts.extend([refusal(503, "ServiceUnavailable")] * 3)
        api.cut()
        await api.until(lambda: not api.scripts and bool(api.streams))
        await api.tell("MODIFIED", api.put("x", data="2"))
        assert await watched.next(1) == [("a/x", "1", "2")]
        assert len(api.asked("GET", watch=False)) == 1


async def test_a_version_from_the_future_leads_to_a_list(api: FakeApi, client: Client) -> None:
    async with watching(api, client) as watched:
        api.version = 50
        api.scripts.append(refusal(504, "Timeout", message="Too large resource version"))
        api.cut()
        await watched.until(lambda: len(api.asked("GET", watch=False)) == 2)


async def test_one_odd_object_does_not_blind_us(api: FakeApi, client: Client) -> None:
    async with watching(api, client) as watched:
        await api.tell("ADDED", api.put("bad", data="odd"))
        await api.tell("ADDED", api.put("good", data="1"))
        assert await watched.next(1) == [("a/good", None, "1")]


async def test_namespaces_are_watched_one_by_one_and_never_mixed(api: FakeApi, client: Client) -> None:
    for namespace in ("a", "b", "c"):
        api.put("x", namespace=namespace, data=namespace)
    async with running(client, namespaces=("a", "b")) as watched:
        await watched.informer.synced()
        assert sorted(watched.changes) == [("a/x", None, "a"), ("b/x", None, "b")]
        await api.until(lambda: len(api.streams) == 2)
        watched.changes.clear()
        api.forget("x", namespace="b")
        await api.tell("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
        assert await watched.next(1) == [("b/x", "b", None)]
    assert {seen.path for seen in api.requests} == {f"/api/v1/namespaces/{n}/configmaps" for n in ("a", "b")}


async def test_cluster_scoped_kinds_are_watched_everywhere(api: FakeApi, client: Client) -> None:
    api.put("n1", namespace="", data="1")
    async with running(client, kind=NODE, namespaces=("a",)) as watched:
        await watched.informer.synced()
        assert watched.changes == [("/n1", None, "1")]
    assert {seen.path for seen in api.requests} == {"/api/v1/nodes"}


async def test_own_writes_are_taken_over_and_their_echo_is_no_change(api: FakeApi, client: Client) -> None:
    api.put("x", data="1")
    async with watching(api, client) as watched:
        stale = api.put("x", data="stale")
        ours = api.put("x", data="ours")
        watched.informer.put(ours)
        assert watched.informer.store[Key("a", "x")] == "ours"
        await api.tell("MODIFIED", stale)
        await api.tell("MODIFIED", ours)
        await api.tell("MODIFIED", api.put("x", data="theirs"))
        assert await watched.next(1) == [("a/x", "ours", "theirs")]


async def test_an_own_write_that_the_watch_has_overtaken_is_ignored(api: FakeApi, client: Client) -> None:
    async with watching(api, client) as watched:
        ours = api.put("x", data="ours")
        await api.tell("ADDED", ours)
        await api.tell("DELETED", api.forget("x"))
        await watched.next(2)
        watched.informer.put(ours)
        assert not watched.informer.store


async def test_the_heartbeat_is_the_age_of_the_last_sign_of_life(api: FakeApi, client: Client) -> None:
    clock = [100.0]
    async with watching(api, client, monotonic=lambda: clock[0]) as watched:
        clock[0] = 160.0
        assert watched.informer.heartbeat_age(160.0) == 60.0
        await api.bookmark()
        await watched.until(lambda: watched.informer.heartbeat_age(160.0) == 0.0)


async def test_a_kind_that_may_be_missing_has_synced_and_is_seen_when_it_is_sought_and_comes(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer_module, "ABSENT_PAUSE", 0.02)
    api.put("x", data="1")
    api.scripts.extend([refusal(404, "NotFound")] * 3)
    came: list[bool] = []
    sought = asyncio.Event()
    async with running(client, sought=sought, appeared=lambda: came.append(True)) as watched:
        await watched.informer.synced()
        assert (watched.informer.is_absent, watched.informer.problem) == (True, None)
        await asyncio.sleep(0.1)
        assert len(api.scripts) == 2, "nobody seeks it, so nobody asks"
        assert watched.informer.heartbeat_age(1e9) == 0.0
        sought.set()
        assert await watched.next(1) == [("a/x", None, "1")]
        assert (watched.informer.is_absent, came) == (False, [True])


async def test_any_other_kind_that_is_missing_has_not_synced(api: FakeApi, client: Client) -> None:
    api.scripts.extend([refusal(404, "NotFound")] * 2)
    async with running(client) as watched:
        await watched.until(lambda: watched.informer.problem is not None)
        assert not watched.informer.has_synced
        assert not watched.informer.is_absent
        await watched.informer.synced()
