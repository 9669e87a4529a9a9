"""What a small process asks of the API server by its pod's token: one ConfigMap of its own, and lists.

The official client costs a small process some 40 MB of memory; for this, three requests are enough. The
token and the certificate authority are read at each request, as both are exchanged while a pod runs.

Written by a merge patch, which makes nothing: an object that is absent stays so. Both keys of a write arrive
together or not at all. Errors are told in our own words.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str, strings
from dedicated.api.objects import Kind

SECONDS = 10.0
PAGE = 200
"""Objects in one answer of a list."""
MERGE_PATCH = "application/merge-patch+json"
CAUSES = {
    401: "the token is refused",
    403: "the right to it is missing",
    404: "it does not exist",
    413: "it is too large",
}


class OwnObjectError(Exception):
    """The object could not be read or written; the text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Door:
    """An API server, as a pod knows it. `credentials` is a folder with `token` and `ca.crt`.

    `heard` is told the API server's time with each answer.
    """

    server: str
    credentials: Path
    heard: Callable[[datetime], None] = lambda _: None

    async def list_objects(self, kind: Kind, namespace: str, *, field_selector: str = "") -> list[Manifest]:
        """All objects of a kind in a namespace, page by page. Raises OwnObjectError."""
        path = f"/apis/{kind.api_version}/namespaces/{namespace}/{kind.plural}"
        found: list[Manifest] = []
        parameters = {"limit": str(PAGE)} | ({"fieldSelector": field_selector} if field_selector else {})
        while True:
            page = await self.request("GET", path, parameters)
            found += [get_map(item) for item in get_list(page, "items")]
            more = get_str(page, "metadata", "continue")
            if not more:
                return found
            parameters["continue"] = more

    async def request(
        self, method: str, path: str, parameters: Mapping[str, str], body: Manifest | None = None
    ) -> JsonValue:
        """One request, and its answer. Raises OwnObjectError."""
        headers, trust = self._access()
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH
        try:
            async with (
                asyncio.timeout(SECONDS),
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
                session.request(
                    method, f"{self.server}{path}", params=parameters, headers=headers, json=body
                ) as answer,
            ):
                self._tell_time(answer)
                if answer.status != 200:
                    cause = CAUSES.get(answer.status, "the API server refuses")
                    raise OwnObjectError(f"{cause} (status {answer.status})")
                read: JsonValue = await answer.json()
                return read
        except TimeoutError:
            raise OwnObjectError(f"no answer within {SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise OwnObjectError("the API server cannot be reached") from None

    @asynccontextmanager
    async def stream(
        self, path: str, parameters: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer that is read while it comes. Raises OwnObjectError, and what `aiohttp` raises."""
        headers, trust = self._access()
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), timeout=limits) as session,
            session.get(f"{self.server}{path}", params=parameters, headers=headers) as answer,
        ):
            yield answer

    def _access(self) -> tuple[dict[str, str], ssl.SSLContext | bool]:
        """Headers with the token, and whom to trust."""
        try:
            token = (self.credentials / "token").read_text(encoding="ascii").strip()
            trust = self._trust()
        except (OSError, ValueError):
            raise OwnObjectError("the pod's token or certificate authority cannot be read") from None
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}, trust

    def _trust(self) -> ssl.SSLContext | bool:
        authority = self.credentials / "ca.crt"
        return ssl.create_default_context(cafile=str(authority)) if self.server.startswith("https:") else True

    def _tell_time(self, answer: aiohttp.ClientResponse) -> None:
        try:
            self.heard(parsedate_to_datetime(answer.headers.get("Date", "")))
        except ValueError:
            return


@dataclass(frozen=True, slots=True)
class OwnConfigMap:
    """A ConfigMap by name, behind a `Door`."""

    server: str
    credentials: Path
    namespace: str
    name: str
    manager: str
    heard: Callable[[datetime], None] = lambda _: None

    async def read(self) -> dict[str, str]:
        """Its data. Raises OwnObjectError."""
        found = await self._request("GET", {})
        return {key: value for key, value in get_map(found, "data").items() if isinstance(value, str)}

    async def write(self, data: Mapping[str, str]) -> None:
        """Set keys of its data. Raises OwnObjectError."""
        await self._request("PATCH", {"fieldManager": self.manager}, {"data": strings(data)})

    async def _request(
        self, method: str, parameters: Mapping[str, str], body: Manifest | None = None
    ) -> JsonValue:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}"
        return await Door(self.server, self.credentials, self.heard).request(method, path, parameters, body)
