"""Nobody gets round the limiter: whatever reaches a back end was counted, for its client and in its class.

Judged by what both back ends saw and by the very tables of the limiter, whichever way it came.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from dedicated.api.edge import ClientAddress
from limiter import http2
from limiter.attempts import (
    FORGED,
    HIDDEN_UI,
    HOST,
    OTHER,
    Attempt,
    by_authority,
    by_header,
    by_path,
    is_ui,
    read_by_server,
)
from limiter.http1 import Endpoint
from limiter.origin import Origin, Seen, remembering
from limiter.stand import Stand, standing

PROXY, STRANGER = "127.64.0.9", "127.0.0.9"
BEHIND_PROXY = ClientAddress.model_validate(
    {"from": "XForwardedFor", "trusted": ["127.64.0.0/16"], "hops": 1}
)
TOGETHER = 8
LOGIN = "/ui/v2/login"
WEBSOCKET = (
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
H2C = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


def client_of(number: int) -> str:
    """Every attempt is another client."""
    return f"10.77.{number // 250}.{number % 250 + 1}"


async def over_http1(endpoint: Endpoint, attempt: Attempt, client: str, source: str) -> bytes:
    """Send raw text; the answer up to the end of the connection."""
    reader, writer = await asyncio.open_connection(*endpoint, local_addr=(source, 0))
    told = (
        f"X-Forwarded-For: {client}\r\nConnection: close\r\n\r\n" if client else "Connection: close\r\n\r\n"
    )
    writer.write((attempt.raw + told).encode("latin-1") + attempt.body)
    try:
        async with asyncio.timeout(15):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def over_http2(endpoint: Endpoint, attempt: Attempt, client: str, source: str) -> None:
    """Send as a proxy does that speaks HTTP/2: its own header last."""
    told = (("x-forwarded-for", client),) if client else ()
    async with http2.line(endpoint, source=source) as line:
        await line.ask((*attempt.headers, *told), attempt.body, attempt.trailers)


async def try_all(
    stand: Stand, attempts: Sequence[Attempt], *, source: str = PROXY, forwarded: bool = True
) -> None:
    """All of them, some at a time."""
    places = asyncio.Semaphore(TOGETHER)

    async def one(number: int, attempt: Attempt) -> None:
        async with places:
            client = client_of(number) if forwarded else ""
            send = over_http1 if attempt.raw else over_http2
            await send(stand.endpoints[0], attempt, client, source)

    await asyncio.gather(*(one(number, attempt) for number, attempt in enumerate(attempts)))


def counted(stand: Stand, kind: str) -> Counter[str]:
    """How often each client was counted in a class."""
    text = stand.replicas[0].admin(f"show table rl/off_{kind}_r0")
    found: Counter[str] = Counter()
    for key, count in re.findall(r"key=(\S+) .*?gpc0=(\d+)", text):
        address = ip_address(key)
        found[str(getattr(address, "ipv4_mapped", None) or address)] += int(count)
    return found


def wrong(stand: Stand, seen: Sequence[Seen]) -> list[str]:
    """What got through uncounted, or in the softer class, or with a word of somebody outside in it."""
    limits = {kind: counted(stand, kind) for kind in ("ui", "api")}
    came: dict[str, Counter[str]] = {"ui": Counter(), "api": Counter()}
    told = []
    for one in seen:
        path = one.one(":path")
        came["ui" if is_ui(path) else "api"][one.one("x-forwarded-for")] += 1
        told += [f"{path}: {reason}" for reason in bad_headers(one)]
        if one.at == "login" and not read_by_server(path).startswith(LOGIN):
            told.append(f"{path}: at login")
    for kind, clients in came.items():
        told += [
            f"{client}: {count} came as {kind}, {limits[kind][client]} counted"
            for client, count in clients.items()
            if limits[kind][client] < count
        ]
    return told


def bad_headers(one: Seen) -> list[str]:
    """Headers of a request at a back end that say something false."""
    names = {name.lower() for name, _ in one.headers}
    told = [f"{name} came through" for name in sorted(FORGED & names)]
    hosts = {value for name, value in one.headers if name.lower() in ("host", ":authority")}
    host = hosts.pop() if len(hosts) == 1 else f"several: {hosts}"
    if one.one("x-forwarded-host") != host:
        told.append(f"host {host}, x-forwarded-host {one.one('x-forwarded-host')}")
    if one.one("x-forwarded-proto") != "https":
        told.append(f"x-forwarded-proto {one.one('x-forwarded-proto')}")
    client = one.one("x-forwarded-for")
    if not client.startswith("10.77.") and client not in (PROXY, STRANGER):
        told.append(f"client {client}")
    return told


def named(attempts: Sequence[Attempt]) -> dict[str, str]:
    """Client -> the attempt's name, for whoever reads a failure."""
    return {client_of(number): attempt.name for number, attempt in enumerate(attempts)}


async def test_no_attempt_gets_round_the_limiter() -> None:
    attempts = [*by_path(), *by_authority(), *by_header()]
    assert len(attempts) >= 200
    with standing(behind=remembering, client_address=BEHIND_PROXY) as stand:
        await try_all(stand, attempts)
        assert isinstance(stand.behind, Origin)
        seen = list(stand.behind.seen)
        found = wrong(stand, seen)
    assert not found, "\n".join(found)
    assert len(seen) > len(attempts) // 3, "many of them are allowed, and were answered"


async def test_the_word_of_a_stranger_is_not_taken() -> None:
    attempts = list(by_header())
    with standing(behind=remembering, client_address=BEHIND_PROXY) as stand:
        await try_all(stand, attempts, source=STRANGER, forwarded=False)
        assert isinstance(stand.behind, Origin)
        seen = list(stand.behind.seen)
        assert {one.one("x-forwarded-for") for one in seen} == {STRANGER}
        assert wrong(stand, seen) == []


async def test_the_host_is_the_one_that_was_asked_for() -> None:
    attempts = list(by_authority())
    with standing(behind=remembering, client_address=BEHIND_PROXY) as stand:
        await try_all(stand, attempts)
        assert isinstance(stand.behind, Origin)
        seen = list(stand.behind.seen)
    names = named(attempts)
    other = {names[one.one("x-forwarded-for")] for one in seen if one.one("x-forwarded-host") == OTHER}
    # Each of these asks for the other host in the place that counts (RFC 9110, 7.2; RFC 9113, 8.3.1).
    assert all(re.search(r"^h1 absolute other|^h2 absolute |^h1 user", name) for name in other), other


async def test_what_the_cluster_alone_may_see_is_not_served() -> None:
    attempts = [attempt for attempt in by_path() if re.search("metrics|debug", attempt.name)]
    with standing(behind=remembering, client_address=BEHIND_PROXY) as stand:
        await try_all(stand, attempts)
        assert isinstance(stand.behind, Origin)
        assert [one.one(":path") for one in stand.behind.seen] == []


@pytest.mark.parametrize("asked", ["", WEBSOCKET, H2C])
async def test_a_wish_to_upgrade_is_passed_over_and_the_request_answered(asked: str) -> None:
    paths = ("/oauth/x", "/ui/x", f"{LOGIN}/x")
    with standing(behind=remembering, client_address=BEHIND_PROXY) as stand:
        for path in paths:
            raw = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: upgrade\r\n{asked}"
            answer = await over_http1(stand.endpoints[0], Attempt(path, raw), client_of(1), PROXY)
            assert answer.startswith(b"HTTP/1.1 200"), (path, answer[:100])
        assert isinstance(stand.behind, Origin)
        assert [(one.one(":path"), one.one(":method")) for one in stand.behind.seen] == [
            (path, "GET") for path in paths
        ]


@pytest.mark.parametrize("path", ["/%75i/x", "//ui/x", "/ui%2Fx"])
def test_the_judge_knows_hidden_paths(path: str) -> None:
    assert path in HIDDEN_UI
    assert is_ui(path)


def test_the_judge_knows_what_is_no_ui() -> None:
    assert not any(is_ui(path) for path in ("/UI/x", "/ui", "/ui?/ui/", "/%2575i/x", "/x?/ui/"))
    seen = Seen("server", ((":path", "/x"), ("host", HOST), (":authority", OTHER), ("forwarded", "x")))
    assert len(bad_headers(seen)) == 4
