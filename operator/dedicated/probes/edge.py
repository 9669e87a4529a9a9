"""Does a limiter admit, refuse and ban exactly as its policy says? Asked of the running process itself.

A listener on loopback believes the address that a PROXY header tells. A proof takes one that is reserved for
documentation, so nobody's, and asks until it is banned: the limiter answers itself, and neither the instance
nor a client notices. Requests follow each other on one connection, as fast as they are answered, so that
a window does not slide meanwhile: both classes take a good half of a second.

Limit: that a ban ends is not awaited; its length is what the refusal tells.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Literal

Kind = Literal["ui", "api"]
PATHS: dict[Kind, str] = {"ui": "/ui/console", "api": "/v2/probe"}
BATCH = 250
"""Requests on the way at a time: 16 KiB of them."""
BEYOND = 50
"""Requests after the one that should have been banned, before the ban is given up."""
SECONDS = 20.0
"""For one class; longer, and the window would slide."""
HOSTS = 168
"""Addresses in the reserved IPv4 networks for each of three replicas."""
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
HEADER_END = b"\r\n\r\n"


class EdgeError(Exception):
    """The listener does not answer; the text says how."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What has to be counted: `limit` admitted, the next one refused; the one after `ban` banned."""

    limit: int
    ban: int
    ban_seconds: int
    policy_hash: str


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted: 0 where it did not happen. `wrong`: fields of answers that must be otherwise."""

    admitted: int = 0
    first_refused: int = 0
    banned_at: int = 0
    ban_seconds: int = 0
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, its fields as they came, its body."""

    status: int
    head: bytes
    body: bytes

    def field(self, name: str) -> str:
        """A field; empty where it is absent."""
        found = re.search(rb"\r\n" + name.encode() + rb": ([^\r]*)", self.head, re.IGNORECASE)
        return found[1].decode(errors="replace").strip() if found else ""

    def told(self, name: str) -> object:
        """A value of a JSON body."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found.get(name) if isinstance(found, dict) else None


def source_for(kind: Kind, *, replica: int, number: int, digits: int) -> str:
    """A client's address that is nobody's: of TEST-NET-1 and -2 for `ui`, of 2001:db8::/32 for `api`.

    Replicas share what they count, so each has its own; `number` counts the proofs of one replica and
    `digits` are random, so that no proof meets what an earlier one left.
    """
    if kind == "api":
        return str(IPv6Address((0x20010DB8 << 96) | ((digits & 0xFFFFFFFF) << 64) | 1))
    host = replica % 3 * HOSTS + number % HOSTS
    network, rest = ("192.0.2", host + 1) if host < 252 else ("198.51.100", host - 251)
    return f"{network}.{rest}"


async def count(
    address: tuple[str, int], kind: Kind, source: str, *, expected: Expected, seconds: float = SECONDS
) -> Counted:
    """Ask as one client until it is banned, or should have been. Raises EdgeError."""
    start = time.monotonic()
    try:
        async with asyncio.timeout(seconds):
            found = await _count(address, kind, source, expected)
    except TimeoutError:
        raise EdgeError(f"the proof did not end within {seconds:.0f} s") from None
    except (OSError, EOFError) as error:
        raise EdgeError(f"the probe listener does not answer: {type(error).__name__}") from None
    if time.monotonic() - start > seconds:
        raise EdgeError(f"the proof took longer than {seconds:.0f} s")
    return found


def differences(kind: Kind, counted: Counted, expected: Expected) -> Iterator[str]:
    """What was counted otherwise than it has to be, in words."""
    for text, found, right in (
        ("admitted", counted.admitted, expected.limit),
        ("first refused at request", counted.first_refused, expected.limit + 1),
        ("banned at request", counted.banned_at, expected.ban + 1),
    ):
        if found != right:
            yield f"{kind}: {text} {found or 'none'}, must be {right}"
    if counted.banned_at and not expected.ban_seconds - 1 <= counted.ban_seconds <= expected.ban_seconds:
        yield f"{kind}: banned for {counted.ban_seconds} s, must be {expected.ban_seconds} s"
    yield from (f"{kind}: {wrong}" for wrong in counted.wrong)


async def _count(address: tuple[str, int], kind: Kind, source: str, expected: Expected) -> Counted:
    connection = await _connect(address, source)
    admitted = refused = number = seconds = 0
    wrong: list[str] = []
    try:
        while number < expected.ban + BEYOND:
            for answer in await connection.ask(PATHS[kind], BATCH):
                number += 1
                if answer.status == 429 and answer.told("reason") == "banned":
                    wrong += _wrong(answer, kind, "banned", expected)
                    seconds = _seconds(answer)
                    return Counted(admitted, refused, number, seconds, tuple(wrong))
                if answer.status == 429 and not refused:
                    refused = number
                    wrong += _wrong(answer, kind, "limited", expected)
                elif answer.status == 204:
                    wrong += _wrong_hash(answer, expected) if not admitted else []
                    admitted += 1
                elif answer.status != 429:
                    return Counted(
                        admitted, refused, wrong=(f"answered {answer.status} to request {number}",)
                    )
    finally:
        connection.close()
    return Counted(admitted, refused, wrong=tuple(wrong))


def _wrong(answer: Answer, kind: Kind, reason: str, expected: Expected) -> Iterator[str]:
    """Fields of a refusal that are not as they must be."""
    for name, found, right in (
        ("reason", answer.told("reason"), reason),
        ("class", answer.told("class"), kind),
        ("code", answer.told("code"), 8),
        ("retryAfterSeconds", answer.told("retryAfterSeconds"), _seconds(answer)),
    ):
        if found != right:
            yield f"a refusal tells {name} {found}, must be {right}"
    if reason == "limited" and not 1 <= _seconds(answer) <= expected.ban_seconds:
        yield f"a refusal tells retry-after {answer.field('retry-after') or 'none'}"
    yield from _wrong_hash(answer, expected)


def _wrong_hash(answer: Answer, expected: Expected) -> list[str]:
    found = answer.field("x-policy")
    right = found == expected.policy_hash
    return [] if right else [f"an answer tells policy {found or 'none'}, must be {expected.policy_hash}"]


def _seconds(answer: Answer) -> int:
    text = answer.field("retry-after")
    return int(text) if text.isdigit() else 0


class _Connection:
    """One client's connection; answers come in the order of the requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()

    async def ask(self, path: str, times: int) -> list[Answer]:
        """The answers to a number of requests. Raises EOFError, OSError."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n".encode() * times)
        found: list[Answer] = []
        while len(found) < times:
            found += self._take()
            if len(found) < times:
                more = await self._reader.read(2**18)
                if not more:
                    raise EOFError
                self._buffer += more
        return found

    def _take(self) -> list[Answer]:
        """The whole answers in the buffer."""
        found, data, start = [], bytes(self._buffer), 0
        while (end := data.find(HEADER_END, start)) >= 0:
            head = data[start : end + 4]
            status = STATUS.match(head)
            length = LENGTH.search(head)
            body = end + 4
            stop = body + (int(length[1]) if length else 0)
            if status is None:
                raise EOFError
            if stop > len(data):
                break
            found.append(Answer(int(status[1]), head, data[body:stop]))
            start = stop
        del self._buffer[:start]
        return found

    def close(self) -> None:
        """End it."""
        self._writer.close()


async def _connect(address: tuple[str, int], source: str) -> _Connection:
    reader, writer = await asyncio.open_connection(*address, limit=2**20)
    family, here = ("TCP6", "::1") if ip_address(source).version == 6 else ("TCP4", "127.0.0.1")
    writer.write(f"PROXY {family} {source} {here} 4000 {address[1]}\r\n".encode())
    return _Connection(reader, writer)
