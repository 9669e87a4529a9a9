"""The fault proxy does what its policy says, and nothing else."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from dedicated.api.json import Manifest, as_manifest
from fakeapi import FakeApi, answer, fake_api
from faultproxy import (
    Answer,
    Asked,
    CloseWatch,
    Decision,
    Delay,
    ExpireWatch,
    FaultProxy,
    Forward,
    Gate,
    Half,
    Hold,
    Kill,
    Outage,
    Reset,
    StallWatch,
    fault_proxy,
    proxied_kubeconfig,
)
from faultproxy.asked import Target, target_of, verb_of

PODS = "/api/v1/namespaces/a/pods"
BROKEN = (urllib3.exceptions.ProtocolError, urllib3.exceptions.IncompleteRead)


@dataclass
class Server:
    """A fake API server in a thread, with a way to act in its loop."""

    api: FakeApi
    loop: asyncio.AbstractEventLoop

    def bookmark(self) -> None:
        asyncio.run_coroutine_threadsafe(self.api.bookmark(), self.loop).result(5)


@pytest.fixture
def server() -> Iterator[Server]:
    started = threading.Event()
    over = asyncio.Event()
    made: list[Server] = []

    async def serve() -> None:
        async with fake_api() as api:
            made.append(Server(api, asyncio.get_running_loop()))
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(5)
    yield made[0]
    made[0].loop.call_soon_threadsafe(over.set)
    thread.join(5)


@dataclass
class Client:
    """Requests through a proxy, without retries."""

    proxy: FaultProxy
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=5, maxsize=8)
    )

    def ask(self, method: str, path: str, body: Manifest | None = None) -> urllib3.BaseHTTPResponse:
        return self.pool.request(method, self.proxy.url + path, json=body)

    def watch(self) -> urllib3.BaseHTTPResponse:
        return self.pool.request("GET", f"{self.proxy.url}{PODS}?watch=true", preload_content=False)


@contextlib.contextmanager
def asking(server: Server, *decisions: Decision, in_order: bool = False) -> Iterator[Client]:
    """A client behind a proxy whose first decisions are given; then all is forwarded."""
    left = list(decisions)

    def policy(asked: Asked) -> Decision:
        return left.pop(0) if left else Forward()

    url = f"http://127.0.0.1:{server.api.port}"
    with fault_proxy(server=url, policy=policy, in_order=in_order) as proxy:
        yield Client(proxy)


def eventually(holds: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < 5
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/namespaces/a/pods/p/status", Target("", "pods/status", "a", "p")),
        ("/apis/apps/v1/deployments", Target("apps", "deployments", "", "")),
        ("/api/v1/namespaces/a", Target("", "namespaces", "", "a")),
        ("/api/v1/namespaces/a/finalize", Target("", "namespaces/finalize", "", "a")),
        ("/version", Target("", "", "", "")),
    ],
)
def test_a_path_is_read_as_the_api_server_reads_it(path: str, expected: Target) -> None:
    assert target_of(path) == expected


@pytest.mark.parametrize(
    ("method", "name", "watch", "content", "verb"),
    [
        ("GET", "", "true", "", "watch"),
        ("GET", "", "", "", "list"),
        ("GET", "p", "", "", "get"),
        ("POST", "", "", "", "create"),
        ("PATCH", "p", "", "application/apply-patch+yaml", "apply"),
        ("PATCH", "p", "", "application/merge-patch+json", "patch"),
        ("DELETE", "p", "", "", "delete"),
        ("DELETE", "", "", "", "deletecollection"),
    ],
)
def test_verbs_are_those_of_rbac(method: str, name: str, watch: str, content: str, verb: str) -> None:
    assert (
        verb_of(method, Target("", "pods", "a", name), query={"watch": watch}, content_type=content) == verb
    )


def test_requests_are_passed_on_and_kept_in_a_log(server: Server) -> None:
    body: Manifest = {"metadata": {"name": "p"}, "spec": {"a": 1}}
    with asking(server) as client:
        assert client.ask("POST", PODS, body).json() == body
        client.pool.request("GET", client.proxy.url + PODS, headers={"Authorization": "Bearer t"})
        client.ask("POST", "/apis/coordination.k8s.io/v1/namespaces/a/leases", {"metadata": {"name": "l"}})
        created, listed, lease = client.proxy.log()
        assert (str(created.asked), created.asked.write, created.status) == ("create pods a/p", 1, 200)
        assert created.asked.body == body
        assert (listed.asked.verb, listed.asked.write, listed.asked.body) == ("list", 0, None)
        assert (lease.asked.number, lease.asked.write) == (3, 0)
        assert client.proxy.writes() == [created]
    assert server.api.requests[1].headers["Authorization"] == "Bearer t"


def test_an_answer_of_its_own_never_reaches_the_server(server: Server) -> None:
    with asking(server, Answer(429, retry_after=3), Answer(410)) as client:
        first, second = client.ask("POST", PODS, {}), client.ask("GET", PODS)
    assert (first.status, first.headers["Retry-After"]) == (429, "3")
    assert as_manifest(first.json())["reason"] == "TooManyRequests"
    assert as_manifest(second.json())["reason"] == "Expired"
    assert server.api.requests == []


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_a_connection_is_broken_before_or_after(server: Server, when: str, arrived: int) -> None:
    decision = Reset("before") if when == "before" else Reset("after")
    with asking(server, decision) as client:
        with pytest.raises(BROKEN):
            client.ask("POST", PODS, {})
        (exchange,) = client.proxy.log()
        assert (exchange.status, bool(exchange.forwarded)) == (0, bool(arrived))
        assert client.ask("GET", PODS).status == 200
    assert len(server.api.asked("POST")) == arrived


@pytest.mark.parametrize(("when", "arrived"), [("before", 1), ("after", 2)])
def test_a_kill_lets_exactly_the_writes_before_it_through(server: Server, when: str, arrived: int) -> None:
    dead, gate = threading.Event(), Gate()
    kill = Kill("before", dead.set) if when == "before" else Kill("after", dead.set)
    with asking(server, Hold(gate), kill, in_order=True) as client:
        writers = [threading.Thread(target=_ignore_broken, args=(client,)) for _ in range(6)]
        for writer in writers:
            writer.start()
        eventually(lambda: client.proxy.in_hand == 6)
        gate.open()
        for writer in writers:
            writer.join()
        assert dead.is_set()
        # Those that waited for their turn went with the process; its successor is heard.
        assert len(server.api.asked("POST")) == arrived
        eventually(lambda: _listens(client.proxy))
        assert client.ask("GET", PODS).status == 200


def _ignore_broken(client: Client) -> None:
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        client.ask("POST", PODS, {})


def test_half_an_answer(server: Server) -> None:
    server.api.scripts.append(answer({"data": "x" * 1000}))
    with asking(server, Half()) as client, pytest.raises(BROKEN):
        client.ask("GET", PODS)


def test_a_request_is_held_until_its_gate_opens(server: Server) -> None:
    gate = Gate()
    with asking(server, Hold(gate)) as client:
        waiting = threading.Thread(target=lambda: client.ask("POST", PODS, {}))
        waiting.start()
        assert gate.arrived.wait(5)
        assert server.api.requests == []
        gate.open()
        waiting.join(5)
    assert len(server.api.asked("POST")) == 1


def test_a_delay(server: Server) -> None:
    with asking(server, Delay(0.3), Delay(0.3, "after")) as client:
        started = time.monotonic()
        client.ask("GET", PODS)
        client.ask("GET", PODS)
        assert time.monotonic() - started >= 0.6


def test_a_watch_is_streamed_and_closed_in_good_order(server: Server) -> None:
    with asking(server) as client:
        stream = client.watch()
        eventually(lambda: bool(server.api.streams))
        server.bookmark()
        chunks = stream.stream()
        assert b"BOOKMARK" in next(chunks)
        assert [str(asked) for asked in client.proxy.watches] == ["watch pods a"]
        assert client.proxy.close_watches() == 1
        assert list(chunks) == []
        eventually(lambda: not server.api.streams)
    with asking(server, CloseWatch(0.05)) as client:
        assert client.watch().read() == b""


def test_a_watch_is_told_that_its_version_is_too_old(server: Server) -> None:
    with asking(server, ExpireWatch(0.05)) as client:
        told = as_manifest(client.watch().json())
    assert told["type"] == "ERROR"
    assert as_manifest(told["object"])["code"] == 410


def test_a_stalled_watch_is_open_and_silent(server: Server) -> None:
    with asking(server, StallWatch()) as client:
        stream = client.pool.request(
            "GET", f"{client.proxy.url}{PODS}?watch=true", preload_content=False, timeout=0.5
        )
        eventually(lambda: bool(server.api.streams))
        server.bookmark()
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            next(stream.stream())
    with asking(server) as client:
        stream = client.watch()
        eventually(lambda: bool(server.api.streams))
        assert client.proxy.stall_watches(lambda asked: asked.resource == "services") == 0
        assert client.proxy.stall_watches() == 1


def test_half_an_event_of_a_watch(server: Server) -> None:
    with asking(server, Half()) as client:
        stream = client.watch()
        eventually(lambda: bool(server.api.streams))
        server.bookmark()
        with pytest.raises(BROKEN):
            stream.read()


def test_an_outage_refuses_connections_and_ends(server: Server) -> None:
    with asking(server, Forward(), Outage(0.5)) as client:
        stream = client.watch()
        with pytest.raises(BROKEN):
            client.ask("POST", PODS, {})
        with pytest.raises(BROKEN):
            stream.read()
        with pytest.raises(urllib3.exceptions.NewConnectionError):
            client.ask("GET", PODS)
        eventually(lambda: _listens(client.proxy))
        assert client.ask("GET", PODS).status == 200
    assert server.api.asked("POST") == []


def _listens(proxy: FaultProxy) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) == 0


def test_a_server_that_is_not_there_breaks_the_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with fault_proxy(server=f"http://127.0.0.1:{unused.getsockname()[1]}") as proxy:
            with pytest.raises(BROKEN):
                Client(proxy).ask("GET", PODS)
            assert proxy.log()[0].status == 0


def test_the_proxy_leaves_nothing_listening(server: Server) -> None:
    with asking(server) as client:
        assert _listens(client.proxy)
    assert not _listens(client.proxy)


def test_a_kubeconfig_leads_through_the_proxy(tmp_path: Path, server: Server) -> None:
    original = Path(server.api.kubeconfig(tmp_path / "config"))
    copy = proxied_kubeconfig(tmp_path / "copy", original, "http://127.0.0.1:1")
    assert '"server": "http://127.0.0.1:1"' in copy.read_text()
    assert "tokenFile" in copy.read_text()
