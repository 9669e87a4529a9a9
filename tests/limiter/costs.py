"""What the limiter costs: processor time, latency and memory, beside a HAProxy that only proxies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from typing import Protocol

from limiter.answers import Answer
from limiter.haproxy import Haproxy, until
from limiter.http1 import Endpoint, burst, get, lines, paced
from limiter.patterns import API
from limiter.stand import FORWARDED, Stand, standing

PLAIN = """
global
    stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
    maxconn 8000
    nbthread 1
    tune.h2.max-concurrent-streams 250
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
frontend edge
    bind {address}:8080
    default_backend server
backend server
    server one {origin}:8080 proto h2
"""
REQUESTS = 24_000
EACH = 2_000
"""Of one client: below the limit, so that all are let through."""
CONNECTIONS = 16
RATE = 400.0
ADDRESSES = 1_000_000
BATCH = 150
"""Commands in one go: all of them fit HAProxy's buffer."""


@contextmanager
def plain(folder: Path, address: str, origin: str) -> Iterator[Haproxy]:
    """HAProxy that proxies to the origin, and nothing else."""
    folder.mkdir()
    (folder / "haproxy.cfg").write_text(PLAIN.format(folder=folder, address=address, origin=origin))
    process = Haproxy(folder)
    process.start()
    try:
        yield process
    finally:
        process.stop()


@dataclass(frozen=True, slots=True)
class Pair:
    """The limiter's first replica, and plain proxying, before the same origin."""

    stand: Stand
    proxy: Haproxy

    @property
    def sides(self) -> list[tuple[Haproxy, Endpoint]]:
        """First the limiter, then the other."""
        return [
            (self.stand.replicas[0], self.stand.endpoints[0]),
            (self.proxy, (f"{self.stand.network}.50", 8080)),
        ]


@contextmanager
def pair(*, replicas: int) -> Iterator[Pair]:
    """Both, for as long as it is measured."""
    with standing(replicas=replicas, client_address=FORWARDED) as stand:
        address = f"{stand.network}.50"
        with plain(stand.folder / "plain", address, stand.origin) as proxy:
            yield Pair(stand, proxy)


def client(number: int) -> str:
    """An address that nobody else has."""
    return str(ip_address(int(ip_address("10.0.0.0")) + number))


class Measured(Protocol):
    """A process that proxies."""

    def processor_seconds(self) -> float:
        """Its processor time, its whole life."""
        ...


async def processor_time(process: Measured, endpoint: Endpoint, *, first: int) -> float:
    """Microseconds of a request that is let through, by clients from number `first` on."""
    before, answers = process.processor_seconds(), list[Answer]()
    async with lines([endpoint], each=CONNECTIONS) as made:
        for number in range(REQUESTS // EACH):
            request = get(API, f"X-Forwarded-For: {client(first + number)}")
            answers += await burst(made, request, EACH, piece=8)
    assert all(answer.status == 200 for answer in answers)
    return (process.processor_seconds() - before) / REQUESTS * 1_000_000


async def refusal_time(process: Haproxy, endpoint: Endpoint) -> float:
    """Microseconds of a request that is refused."""
    request = get(API, f"X-Forwarded-For: {client(99_999)}")
    async with lines([endpoint], each=CONNECTIONS) as made:
        await burst(made, request, 9_200)
        before = process.processor_seconds()
        answers = await burst(made, request, REQUESTS, piece=8)
    assert all(answer.reason == "banned" for answer in answers)
    return (process.processor_seconds() - before) / REQUESTS * 1_000_000


async def latencies(endpoint: Endpoint, *, seconds: float, first: int) -> list[float]:
    """Milliseconds of requests at a moderate rate, sorted."""
    request = get(API, f"X-Forwarded-For: {client(first)}")
    async with lines([endpoint], each=4) as made:
        answers = await paced(made, request, rate=RATE, seconds=seconds)
    assert all(answer.status == 200 for answer in answers)
    return sorted((answer.done - answer.sent) * 1000 for answer in answers)


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of rounds in turn: of the limiter, of plain proxying, and of the differences in a round."""

    limiter: float
    plain: float
    more: float


async def cost_in_processor(both: Pair, *, rounds: int) -> Cost:
    """Microseconds of a request."""
    taken: list[tuple[float, float]] = []
    for number in range(rounds):
        first = 1000 * (number + 1)
        limited, bare = [await processor_time(*side, first=first) for side in both.sides]
        taken.append((limited, bare))
    return _cost(taken)


async def cost_in_latency(both: Pair, *, rounds: int, seconds: float) -> Cost:
    """Milliseconds, half of the requests are quicker than."""
    taken: list[tuple[float, float]] = []
    for number in range(rounds):
        found = [await latencies(at, seconds=seconds, first=50_000 + number) for _, at in both.sides]
        taken.append((median(found[0]), median(found[1])))
    return _cost(taken)


def _cost(taken: Sequence[tuple[float, float]]) -> Cost:
    limited, bare = zip(*taken, strict=True)
    return Cost(median(limited), median(bare), median(one - other for one, other in taken))


def track(process: Haproxy, table: str, count: int) -> None:
    """So many addresses in a table, as if all of them had asked."""
    for begin in range(0, count, BATCH):
        numbers = range(begin, min(begin + BATCH, count))
        process.admin(*(f"set table {table} key ::ffff:{client(number)} data.gpc0 1" for number in numbers))


def used(process: Haproxy, table: str) -> int:
    """Entries of a table."""
    for line in process.admin("show table").splitlines():
        if line.startswith(f"# table: {table},"):
            return int(line.rpartition("used:")[2])
    raise LookupError(table)


def memory_of_addresses(*, count: int = ADDRESSES) -> tuple[int, int]:
    """Bytes that so many addresses took in the counters of both classes; and how many entries that were."""
    tables = [f"rl/{what}_{kind}_r0" for what in ("adm", "off") for kind in ("ui", "api")]
    with standing(addresses=count) as stand:
        process = stand.replicas[0]
        rest = process.resident()
        for table in tables:
            track(process, table, count)
        until(lambda: used(process, tables[0]) == count, "all are tracked")
        return process.resident() - rest, count * len(tables)
