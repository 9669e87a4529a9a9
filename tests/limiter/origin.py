"""What stands behind the limiter: a fast server that answers all, and one that remembers what it saw."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, TrailersReceived
from h2.exceptions import H2Error

from limiter.haproxy import Haproxy

FAST = """
global
    stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
    maxconn 8000
    nbthread 1
defaults
    mode http
    timeout connect 2s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend server
    bind {address}:8080
    acl grpc req.hdr(content-type) -m beg application/grpc
    http-request return status 200 content-type text/plain string "ok" if !grpc
    default_backend grpc
backend grpc
    server grpc {address}:8081 proto h2
frontend login
    bind {address}:3000
    http-request return status 200 content-type text/plain string "login"
"""


def fast(folder: Path, address: str) -> Haproxy:
    """Server (h2c) and login (HTTP/1.1) in one process that costs little. gRPC goes on to port 8081."""
    folder.mkdir()
    (folder / "haproxy.cfg").write_text(FAST.format(folder=folder, address=address))
    made = Haproxy(folder)
    made.start()
    return made


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as a back end saw it."""

    at: str
    """`server` or `login`."""
    headers: tuple[tuple[str, str], ...]
    """In their order, pseudo headers too; of HTTP/1.1 the request line as `:method` and `:path`."""
    trailers: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> list[str]:
        """Every value of a header. Trailers are not headers: servers keep them apart."""
        return [value for key, value in self.headers if key.lower() == name]

    def one(self, name: str) -> str:
        """The only value; empty where there is none."""
        found = self.all(name)
        assert len(found) <= 1, f"{name} came {len(found)} times: {found}"
        return found[0] if found else ""


@dataclass
class Origin:
    """Both back ends in this process. `seen` holds every request but those of health checks, in order."""

    address: str
    seen: list[Seen] = field(default_factory=list)

    def note(self, seen: Seen) -> None:
        """Remember, unless it is a health check."""
        if seen.one(":path") not in ("/debug/ready", "/ui/v2/login/healthy"):
            self.seen.append(seen)


class _Server(asyncio.Protocol):
    """ZITADEL's place: HTTP/2 without TLS."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._h2 = H2Connection(
            H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False)
        )
        self._asked: dict[int, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {}
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            for event in self._h2.receive_data(data):
                match event:
                    case RequestReceived():
                        self._asked[event.stream_id] = ([(str(k), str(v)) for k, v in event.headers], [])
                    case TrailersReceived():
                        self._asked[event.stream_id][1].extend((str(k), str(v)) for k, v in event.headers)
                    case DataReceived():
                        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamEnded():
                        self._answer(event.stream_id)
                    case _:
                        pass
        except H2Error:
            self._transport.close()
            return
        self._transport.write(self._h2.data_to_send())

    def _answer(self, stream: int) -> None:
        headers, trailers = self._asked.pop(stream)
        self._origin.note(Seen("server", tuple(headers), tuple(trailers)))
        self._h2.send_headers(stream, [(":status", "200"), ("content-length", "2"), ("x-from", "server")])
        self._h2.send_data(stream, b"ok", end_stream=True)


async def _login(origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The login's place: HTTP/1.1. Bodies are those of a content-length."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            method, path, _ = head[0].split(" ", 2)
            pairs = [tuple(line.split(":", 1)) for line in head[1:]]
            headers = [(name.lower(), value.strip()) for name, value in pairs]
            length = int(dict(headers).get("content-length", "0"))
            await reader.readexactly(length)
            origin.note(Seen("login", ((":method", method), (":path", path), *headers)))
            writer.write(b"HTTP/1.1 200 OK\r\nx-from: login\r\ncontent-length: 5\r\n\r\nlogin")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(origin: Origin, ready: threading.Event, done: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(origin), origin.address, 8080)
    login = await asyncio.start_server(lambda r, w: _login(origin, r, w), origin.address, 3000)
    ready.set()
    await done.wait()
    server.close()
    login.close()


@contextmanager
def remembering(address: str) -> Iterator[Origin]:
    """Both back ends at their ports, in a thread: a test may block its own loop."""
    origin, ready = Origin(address), threading.Event()
    loop, done = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(origin, ready, done),))
    thread.start()
    try:
        assert ready.wait(10), "the origin listens"
        yield origin
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
