"""Requests and responses of the server, and the ASGI frame around one function that answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from fakezitadel.runtime import Json

MAX_BODY_BYTES = 1 << 20
# gRPC code -> HTTP status, as ZITADEL's gateway maps them.
STATUS = {3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 9: 412, 13: 500, 16: 401}


@dataclass(frozen=True, slots=True)
class Request:
    """A request; header names in lower case, HTTP/2's `:authority` as `host`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. Trailers reach the client over HTTP/2 only."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    trailers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error with its gRPC code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def response(self) -> Response:
        """As the JSON gateway writes it."""
        body: Json = {"code": self.code, "message": str(self), "details": []}
        return json_response(body, status=STATUS[self.code])


def json_response(value: Json, *, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(value).encode(), "application/json")


def redirect(location: str) -> Response:
    """302."""
    return Response(302, headers={"location": location})


class Frame:
    """The ASGI application. Counts requests that the end of the process cut off."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response | None]], *, version: str) -> None:
        self.cut = 0
        self._answer = answer
        self._version = version

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """One request. An answer of None is silence until the client leaves."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        pairs = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        headers = {name.lower(): value for name, value in pairs}
        try:
            request = Request(scope["method"], scope["path"], headers, await _body(receive))
            response = await self._answer(request)
            if response is None:
                await _until_disconnect(receive)
                return
            await self._write(response, send)
        except asyncio.CancelledError:
            self.cut += 1
            raise

    async def _write(self, response: Response, send: ASGISendCallable) -> None:
        headers = {
            "content-type": response.content_type,
            # With trailers the end of the body is not the end of the stream.
            **({} if response.trailers else {"content-length": str(len(response.body))}),
            "x-fakez-version": self._version,
            **response.headers,
        }
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": _encoded(headers),
                "trailers": bool(response.trailers),
            }
        )
        await send({"type": "http.response.body", "body": response.body, "more_body": False})
        if response.trailers:
            await send(
                {
                    "type": "http.response.trailers",
                    "headers": _encoded(response.trailers),
                    "more_trailers": False,
                }
            )


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


async def _body(receive: ASGIReceiveCallable) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        chunks.append(message["body"])
        if not message["more_body"] or sum(map(len, chunks)) > MAX_BODY_BYTES:
            return b"".join(chunks)


async def _until_disconnect(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
