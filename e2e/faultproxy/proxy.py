"""The proxy in a thread with a loop of its own, for tests that know nothing of asyncio."""

import asyncio
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

from dedicated.api.json import JsonValue, as_manifest, get_list
from faultproxy import wire
from faultproxy.asked import Asked
from faultproxy.decisions import Policy, forward_all
from faultproxy.passing import Exchange, Passing, Stream
from testbed.home import write_atomically
from testbed.processes import free_port

T = TypeVar("T")

_SECONDS = 10.0
"""For the start, the end, and a word in between."""


@dataclass(frozen=True, slots=True)
class FaultProxy:
    """A running proxy. Made by `fault_proxy`; may be used from any thread."""

    _passing: Passing
    _loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Where the operator shall look for its API server."""
        return f"http://127.0.0.1:{self._passing.port}"

    def follow(self, policy: Policy) -> None:
        """Ask this policy from now on."""
        self._passing.policy = policy

    def log(self) -> list[Exchange]:
        """All exchanges so far."""
        return self._passing.exchanges[:]

    def writes(self) -> list[Exchange]:
        """The writes so far, in the order of their numbers."""
        return [exchange for exchange in self.log() if exchange.asked.write]

    @property
    def in_hand(self) -> int:
        """Requests that have come and are not answered, but for watches."""
        return len(self._passing.tasks)

    @property
    def watches(self) -> list[Asked]:
        """The watches that are open."""
        return [stream.asked for stream in self._passing.streams[:]]

    def close_watches(self, chosen: Callable[[Asked], bool] = lambda _: True) -> int:
        """End open watches in good order; how many."""
        return self._on_streams(chosen, lambda stream: stream.over.set())

    def stall_watches(self, chosen: Callable[[Asked], bool] = lambda _: True) -> int:
        """Let nothing more through on open watches; how many."""

        def stall(stream: Stream) -> None:
            stream.silent = True

        return self._on_streams(chosen, stall)

    def outage(self, seconds: float) -> None:
        """Break all connections and refuse new ones for some seconds from now on; returns at once."""

        async def go_down() -> None:
            self._passing.go_down(seconds)

        self._call(go_down())

    def _on_streams(self, chosen: Callable[[Asked], bool], act: Callable[[Stream], None]) -> int:
        async def on_each() -> int:
            found = [stream for stream in self._passing.streams if chosen(stream.asked)]
            for stream in found:
                act(stream)
            return len(found)

        return self._call(on_each())

    def _call(self, what: Coroutine[Any, Any, T]) -> T:
        answer: Future[T] = asyncio.run_coroutine_threadsafe(what, self._loop)
        return answer.result(_SECONDS)


@contextlib.contextmanager
def fault_proxy(
    *, server: str, ca: Path | None = None, policy: Policy = forward_all, in_order: bool = False
) -> Iterator[FaultProxy]:
    """A proxy on a free port of loopback, for the time of the block.

    `server` is the URL of the API server, `ca` its authority where that is not a public one. `in_order`
    passes writes on one at a time, in the order they came: then exactly the first n have happened when the
    n-th is answered.
    """
    serving: Future[FaultProxy] = Future()
    over: Future[None] = Future()

    async def serve() -> None:
        context = ssl.create_default_context(cafile=str(ca)) if ca else True
        connector = aiohttp.TCPConnector(limit=0, ssl=context)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS)
        port = free_port()
        holder = wire.bound(port)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:
            passing = Passing(server.rstrip("/"), port, session, policy, in_order)
            await passing.go_up()
            serving.set_result(FaultProxy(passing, asyncio.get_running_loop()))
            await asyncio.wrap_future(over)
            await passing.close()
        holder.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fault proxy", daemon=True)
    thread.start()
    try:
        yield serving.result(_SECONDS)
    finally:
        over.set_result(None)
        thread.join(_SECONDS)
        assert not thread.is_alive(), "the fault proxy did not stop"


def proxied_kubeconfig(path: Path, kubeconfig: Path, url: str) -> Path:
    """A copy of a kubeconfig with one cluster, whose server is the proxy at `url`."""
    config = as_manifest(yaml.safe_load(kubeconfig.read_text()))
    (cluster,) = get_list(config, "clusters")
    clusters: list[JsonValue] = [{**as_manifest(cluster), "cluster": {"server": url}}]
    write_atomically(path, json.dumps({**config, "clusters": clusters}) + "\n")
    return path
