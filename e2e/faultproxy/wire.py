"""Sockets, and answers that no API server gave."""

import asyncio
import json
import socket
import struct

import aiohttp
from aiohttp import web

from dedicated.api.json import Manifest
from faultproxy.decisions import Answer

OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}
_HANG_UP = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 s. Such a socket is closed with RST."""


def bound(port: int) -> socket.socket:
    """A socket that has the port. If it does not listen, it keeps the port, and who connects is refused."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    return made


def abort(transport: asyncio.BaseTransport | None) -> None:
    """Break a connection with RST."""
    if isinstance(transport, asyncio.Transport):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
        transport.abort()


def nothing() -> web.Response:
    """For a client that is not there any more."""
    return web.Response(status=503)


def hung_up(request: web.BaseRequest, *, flushed: bool = False) -> web.Response:
    """Break the connection: at once, or `flushed`, once what was written has left."""
    if not flushed:
        abort(request.transport)
    elif request.transport is not None:
        request.transport.close()
    return nothing()


def headers_of(answered: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers that are the API server's own."""
    return {name: value for name, value in answered.headers.items() if name.lower() not in OF_THE_CONNECTION}


def status(code: int, *, reason: str = "", retry_after: int | None = None) -> Manifest:
    """A `Status` object as the API server words it."""
    details: Manifest = {} if retry_after is None else {"retryAfterSeconds": retry_after}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason or _REASONS.get(code, "ServiceUnavailable"),
        "message": "by order of a test",
        "details": details,
    }


EXPIRED = json.dumps({"type": "ERROR", "object": status(410)}).encode() + b"\n"
"""The last event of a watch whose version is too old."""


def refusal(answer: Answer) -> web.Response:
    """A refusal as the API server words it."""
    body = status(answer.status, reason=answer.reason, retry_after=answer.retry_after)
    headers = {} if answer.retry_after is None else {"Retry-After": str(answer.retry_after)}
    return web.Response(
        status=answer.status, headers=headers, text=json.dumps(body), content_type="application/json"
    )
