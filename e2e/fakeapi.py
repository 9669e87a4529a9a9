"""A few endpoints that behave like an API server in trouble, on a real socket.

For what a healthy server never shows: half answers, silent watches, lists that miss what was deleted. It has
one flat store of objects for all paths, decimal resourceVersions, paging and watches; no schemas, no
ownership, no RBAC. What must be true of a real server is tested on a real one.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from dedicated.api.json import JsonValue, Manifest, get_map, get_str

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: JsonValue


@dataclass
class FakeApi:
    """The store, what was asked, answers fixed by path, and answers out of turn (`scripts`, in order)."""

    port: int = 0
    version: int = 100
    objects: dict[tuple[str, str], Manifest] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    scripts: deque[Script] = field(default_factory=deque)
    pages: dict[str, JsonValue] = field(default_factory=dict)
    streams: list[web.StreamResponse] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def put(self, name: str, *, namespace: str = "a", **data: JsonValue) -> Manifest:
        """Store an object and tell nobody."""
        self.version += 1
        known = self.objects.get((namespace, name), {})
        metadata: Manifest = {
            "name": name,
            "namespace": namespace,
            "uid": get_str(known, "metadata", "uid") or f"uid-{self.version}",
            "resourceVersion": str(self.version),
        }
        manifest: Manifest = {"metadata": metadata, **data}
        self.objects[namespace, name] = manifest
        return manifest

    def forget(self, name: str, *, namespace: str = "a") -> Manifest:
        """Delete an object and tell nobody; the object as it last was."""
        self.version += 1
        manifest = self.objects.pop((namespace, name))
        metadata = get_map(manifest, "metadata") | {"resourceVersion": str(self.version)}
        return {**manifest, "metadata": metadata}

    async def tell(self, event: str, manifest: Manifest) -> None:
        """Send an event to all open watches."""
        await self.send(json.dumps({"type": event, "object": manifest}).encode() + b"\n")

    async def send(self, raw: bytes) -> None:
        """Send bytes to all open watches."""
        for stream in list(self.streams):
            with suppress(ConnectionError):
                await stream.write(raw)

    async def bookmark(self) -> None:
        """Send a bookmark to all open watches."""
        await self.tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def cut(self) -> None:
        """Break the connections of all open watches."""
        for stream in self.streams:
            transport = stream._req.transport if stream._req is not None else None
            if transport is not None:
                transport.abort()
        self.streams.clear()

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Wait until a condition holds that some request or watch makes true."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(condition)

    def asked(self, method: str, *, watch: bool | None = None) -> list[Seen]:
        """The requests of a method; of GET those that watch, or those that do not."""
        return [
            seen
            for seen in self.requests
            if seen.method == method and watch in {None, seen.query.get("watch") == "true"}
        ]

    def kubeconfig(self, path: Path, *, token: str = "t0ken") -> str:
        """Write a kubeconfig for this server that reads its token from a file beside it."""
        path.with_suffix(".token").write_text(token)
        user: JsonValue = {"tokenFile": str(path.with_suffix(".token"))}
        cluster: JsonValue = {"server": f"http://127.0.0.1:{self.port}"}
        context: JsonValue = {"cluster": "c", "user": "u"}
        document: Manifest = {
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": context}],
            "current-context": "x",
        }
        path.write_text(json.dumps(document))
        return str(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request; answer by script, else from the store."""
        text = await request.text()
        body = json.loads(text) if text else None
        seen = Seen(request.method, request.path, dict(request.query), dict(request.headers), body)
        async with self.arrived:
            self.requests.append(seen)
            self.arrived.notify_all()
        if self.scripts:
            return await self.scripts.popleft()(request)
        if request.path in self.pages:
            return web.json_response(self.pages[request.path])
        match request.method, request.query.get("watch"):
            case "GET", "true":
                return await self._watch(request)
            case "GET", _:
                return self._list(request)
        return web.json_response(body if isinstance(body, dict) else {"patched": True})

    def _list(self, request: web.Request) -> web.Response:
        namespace = _namespace(request.path)
        items = [item for (place, _), item in sorted(self.objects.items()) if namespace in {None, place}]
        start = int(request.query.get("continue") or 0)
        end = start + int(request.query.get("limit") or len(items) or 1)
        token = str(end) if end < len(items) else ""
        metadata: Manifest = {"resourceVersion": str(self.version), "continue": token}
        return web.json_response({"kind": "List", "metadata": metadata, "items": list(items[start:end])})

    def _is_open(self, request: web.Request, response: web.StreamResponse) -> bool:
        transport = request.transport
        return response in self.streams and transport is not None and not transport.is_closing()

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        async with self.arrived:
            self.streams.append(response)
            self.arrived.notify_all()
        try:
            while self._is_open(request, response):  # noqa: ASYNC110 - a closed transport tells nobody
                await asyncio.sleep(0.01)
        finally:
            if response in self.streams:
                self.streams.remove(response)
        return response


def _namespace(path: str) -> str | None:
    _, found, rest = path.partition("/namespaces/")
    return rest.split("/")[0] if found else None


def refusal(
    status: int, reason: str, *, message: str = "no", headers: dict[str, str] | None = None
) -> Script:
    """A script that answers with a `Status` object."""

    async def script(_: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "code": status, "reason": reason, "message": message}
        return web.json_response(body, status=status, headers=headers)

    return script


def answer(body: JsonValue) -> Script:
    """A script that answers 200 with JSON."""

    async def script(_: web.Request) -> web.StreamResponse:
        return web.json_response(body)

    return script


def raw_answer(raw: bytes) -> Script:
    """A script that answers 200 with these bytes."""

    async def script(_: web.Request) -> web.StreamResponse:
        return web.Response(body=raw, content_type="application/json")

    return script


def half_answer(raw: bytes, *, promised: int = 1000) -> Script:
    """A script that promises more bytes than it sends before it hangs up."""

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(promised)})
        await response.prepare(request)
        await response.write(raw)
        assert request.transport is not None
        request.transport.close()
        return response

    return script


@asynccontextmanager
async def fake_api() -> AsyncIterator[FakeApi]:
    """A server on a free loopback port for the time of the block."""
    api = FakeApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.port = runner.addresses[0][1]
    try:
        yield api
    finally:
        api.streams.clear()
        await runner.cleanup()
