"""HTTPS to the target at the given address, a new connection for each request unless told otherwise."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, IPPROTO_TCP, AddressFamily

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from clients.target import Target

CONNECTIONS = 64
"""At once from one source, where they are kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; of several headers of a name, the first. Names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class NoAnswerError(Exception):
    """The connection failed, broke, or was silent; the text says which."""


@dataclass(frozen=True, slots=True)
class Session:
    """A client at one source address."""

    target: Target
    source: str
    http: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """One request. Raises `NoAnswerError`; who calls sets the deadline."""
        url = f"{self.target.origin}{path}"
        try:
            async with self.http.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                named = {name.lower(): response.headers[name] for name in response.headers}
                return Answer(response.status, await response.read(), named)
        except aiohttp.ClientConnectorError as error:
            raise NoAnswerError(f"no connection: {error.os_error.strerror or error.os_error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(f"the connection broke: {type(error).__name__}") from error


class _Given(AbstractResolver):
    """The target's address, whatever the name."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: AddressFamily = AF_INET,
    ) -> list[ResolveResult]:
        """The one address."""
        family = AF_INET6 if ip_address(self._address).version == 6 else AF_INET
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=family,
                proto=IPPROTO_TCP,
                flags=AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def sessions(target: Target, *, keep: bool = False) -> AsyncIterator[list[Session]]:
    """One for each source. `keep`: connections are used again. Raises `OSError` for a bad CA file."""
    context = ssl.create_default_context(cafile=target.ca or None)
    made: list[Session] = []
    try:
        for source in target.sources or ("",):
            connector = aiohttp.TCPConnector(
                force_close=not keep,
                limit=CONNECTIONS if keep else 0,
                resolver=_Given(target.address),
                use_dns_cache=False,
                ssl=context,
                local_addr=(source, 0) if source else None,
            )
            http = aiohttp.ClientSession(
                connector=connector,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
            made.append(Session(target, source, http))
        yield made
    finally:
        await asyncio.gather(*(session.http.close() for session in made))


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """When something began, on the wall and on the monotonic clock."""

    at: float = field(default_factory=time.time)
    _began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Since then."""
        return time.monotonic() - self._began
