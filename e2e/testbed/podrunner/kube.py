"""The runner's view of the API server: mirrors of what it watches, and the few writes of a kubelet."""

import asyncio
import base64
import contextlib
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp

from dedicated.api.json import Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.objects import Key

_RETRY_SECONDS = 0.3
_WATCH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Kube:
    """Requests with one client certificate."""

    server: str
    session: aiohttp.ClientSession

    async def request(
        self, method: str, path: str, *, body: Manifest | None = None, content: str = ""
    ) -> int:
        """Send and forget the answer's body: the status code; 0 if no answer came."""
        headers = {"Content-Type": content or "application/json"}
        data = None if body is None else json.dumps(body)
        try:
            async with self.session.request(
                method, self.server + path, data=data, headers=headers, timeout=aiohttp.ClientTimeout(30)
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def patch_status(self, key: Key, uid: str, status: Manifest) -> int:
        """Strategic merge of a pod's status, refused (409) if the pod is another of the same name."""
        body: Manifest = {"metadata": {"uid": uid}, "status": status}
        path = f"/api/v1/namespaces/{key.namespace}/pods/{key.name}/status"
        return await self.request("PATCH", path, body=body, content="application/strategic-merge-patch+json")

    async def remove_pod(self, key: Key, uid: str) -> int:
        """Confirm the end of a pod, as kubelet does."""
        body: Manifest = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        return await self.request("DELETE", f"/api/v1/namespaces/{key.namespace}/pods/{key.name}", body=body)


@contextlib.asynccontextmanager
async def connect(config: Manifest) -> AsyncIterator[Kube]:
    """A connection as the user of a kubeconfig that the testbed wrote."""
    cluster = get_map(get_list(config, "clusters")[0], "cluster")
    user = get_map(get_list(config, "users")[0], "user")
    authority = base64.b64decode(get_str(cluster, "certificate-authority-data"))
    context = ssl.create_default_context(cadata=authority.decode())
    with tempfile.NamedTemporaryFile() as file:
        for part in ("client-certificate-data", "client-key-data"):
            file.write(base64.b64decode(get_str(user, part)))
        file.flush()
        context.load_cert_chain(file.name)
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**20) as session:
        yield Kube(get_str(cluster, "server"), session)


@dataclass(slots=True)
class Mirror:
    """All objects at a path, kept current. `changed(old, new)` is called for every difference."""

    kube: Kube
    path: str
    changed: Callable[[Manifest | None, Manifest | None], None]
    query: str = ""
    objects: dict[Key, Manifest] = field(default_factory=dict)
    synced: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """List, then watch, for ever; whatever goes wrong leads to a new list."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, TypeError):
                version = await self._list()
                self.synced.set()
                await self._watch(version)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _list(self) -> str:
        url = f"{self.kube.server}{self.path}?{self.query}"
        async with self.kube.session.get(
            url, raise_for_status=True, timeout=aiohttp.ClientTimeout(60)
        ) as answer:
            found = as_manifest(await answer.json())
        listed = {_key(item): as_manifest(item) for item in get_list(found, "items")}
        for key in [key for key in self.objects if key not in listed]:
            self._set(key, None)
        for key, item in listed.items():
            self._set(key, item)
        return get_str(found, "metadata", "resourceVersion")

    async def _watch(self, version: str) -> None:
        url = (
            f"{self.kube.server}{self.path}?watch=1&allowWatchBookmarks=true&timeoutSeconds={_WATCH_SECONDS}"
            f"&resourceVersion={version}&{self.query}"
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_WATCH_SECONDS + 10)
        async with self.kube.session.get(url, raise_for_status=True, timeout=timeout) as answer:
            buffered = b""
            async for chunk in answer.content.iter_any():
                *lines, buffered = (buffered + chunk).split(b"\n")
                for line in lines:
                    self._handle(as_manifest(json.loads(line)))

    def _handle(self, event: Manifest) -> None:
        item = get_map(event, "object")
        match get_str(event, "type"):
            case "ADDED" | "MODIFIED":
                self._set(_key(item), item)
            case "DELETED":
                self._set(_key(item), None)
            case "ERROR":
                raise ValueError(f"watch of {self.path}: {get_str(item, 'message')}")

    def _set(self, key: Key, new: Manifest | None) -> None:
        old = self.objects.get(key)
        if new is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = new
        if old != new:
            self.changed(old, new)


def _key(item: object) -> Key:
    manifest = as_manifest(item)
    return Key(get_str(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name"))
