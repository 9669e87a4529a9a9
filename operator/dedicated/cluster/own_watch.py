"""One ConfigMap, followed as it changes, by a pod's own token.

Asked are lists and watches that name the object: so a right to this one object is enough. Each watch ends
after some minutes, and the object is read anew: what a watch may have missed is seen then at the latest.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from dedicated.api.json import JsonValue, get_list, get_map, get_str
from dedicated.cluster.own_object import CAUSES, Door, OwnObjectError

WATCH_SECONDS = 240
IDLE_SECONDS = 30
"""More than a watch lasts: silence after that is a connection that broke."""
LONGEST = 4 * 2**20


@dataclass(frozen=True, slots=True)
class OwnWatch:
    """A ConfigMap by name, behind a `Door`."""

    door: Door
    namespace: str
    name: str

    async def read(self) -> dict[str, str]:
        """Its data now. Raises OwnObjectError."""
        return (await self._list())[0]

    async def follow(self) -> AsyncIterator[dict[str, str]]:
        """Its data now, and at each change. Raises OwnObjectError where it cannot be followed."""
        while True:
            data, version = await self._list()
            yield data
            async for event in self._watch(version):
                kind = get_str(event, "type")
                if kind in ("ADDED", "MODIFIED"):
                    yield _data(get_map(event, "object"))
                elif kind == "DELETED":
                    raise OwnObjectError(f"ConfigMap {self.name} was deleted")
                else:
                    break

    async def _list(self) -> tuple[dict[str, str], str]:
        page = await self.door.request("GET", self._path, {"fieldSelector": self._selector})
        items = get_list(page, "items")
        if not items:
            raise OwnObjectError(f"ConfigMap {self.name} does not exist")
        return _data(items[0]), get_str(page, "metadata", "resourceVersion")

    async def _watch(self, version: str) -> AsyncIterator[JsonValue]:
        """Events until the watch ends. A line may come in parts."""
        parameters = {
            "watch": "1",
            "fieldSelector": self._selector,
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        limits = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=WATCH_SECONDS + IDLE_SECONDS)
        try:
            async with self.door.stream(self._path, parameters, limits) as answer:
                if answer.status != 200:
                    cause = CAUSES.get(answer.status, "the API server refuses")
                    raise OwnObjectError(f"{cause} (status {answer.status})")
                rest = b""
                async for part in answer.content.iter_any():
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        yield json.loads(line)
                    if len(rest) > LONGEST:
                        raise OwnObjectError("an event is too long")
        except TimeoutError:
            raise OwnObjectError("the watch fell silent") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise OwnObjectError("the API server cannot be reached") from None

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps"

    @property
    def _selector(self) -> str:
        return f"metadata.name={self.name}"


def _data(found: JsonValue) -> dict[str, str]:
    return {key: value for key, value in get_map(found, "data").items() if isinstance(value, str)}
