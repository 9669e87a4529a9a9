"""What a probe costs, and what a thousand instances of them cost. Run: `python -m bench.probes`.

Real TLS on loopback to a service in a process of its own, so that the processor time here is the prober's
alone. Readings are what the operator takes every 10 s: five probes over a connection of their own.
"""

import asyncio
import asyncio.sslproto
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil

from bench.figure import Figure, at_most, report
from dedicated.api.objects import Key
from dedicated.contract.downtime import Record
from dedicated.controllers.answers import Answers
from dedicated.controllers.main import TLS_BUFFER
from dedicated.controllers.material import new_key_pair
from dedicated.controllers.measurer import Measurer
from dedicated.probes import service, tokens, writing
from dedicated.probes.resolver import parse_resolve
from dedicated.probes.service import Target, open_session, read
from testbed.names import DOMAIN, serve_names
from testbed.pki import Authority

ROUNDS = 400
WARM = 20
PROBES = 5
FLEET = 1_000
SECONDS = 60.0
WARM_SECONDS = 30.0
MEGABYTE = 1024 * 1024
LIMIT = 0.6
"""Milliseconds of processor time for a probe."""


def cpu() -> float:
    """Processor seconds of this process so far."""
    used = psutil.Process().cpu_times()
    return used.user + used.system


async def measure(front: str, ca: Path) -> list[Figure]:
    """All figures."""
    asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER
    rules = (parse_resolve(f"*:443={front}"),)
    async with open_session(resolve=rules, ca_file=ca) as session:
        read_only = await _reading(session)
        written = await _writing(session)
    async with open_session(resolve=rules, ca_file=ca) as session:
        return [
            at_most("probe_cpu", read_only, "ms", LIMIT),
            report("probe_cpu_session_and_token", written, "ms"),
            *await _fleet(session),
        ]


async def _reading(session: aiohttp.ClientSession) -> float:
    """Milliseconds of a probe, one reading after the other."""
    for number in range(ROUNDS + WARM):
        if number == WARM:
            before = cpu()
        reading = await read(Target(f"one.{DOMAIN}"), session=session, now=_now)
        assert reading.ok, reading.detail
    return (cpu() - before) / ROUNDS / PROBES * 1000


def _now() -> datetime:
    return datetime.now(UTC)


async def _writing(session: aiohttp.ClientSession) -> float:
    """Milliseconds of a round of session and token, each with what belongs to it."""
    pair, now = new_key_pair(), _now()
    token = tokens.signed(subject="a", audience="b", private_pem=pair.private_pem, now=now)
    before = cpu()
    for _ in range(ROUNDS):
        await writing.session_and_token(
            Target(f"one.{DOMAIN}"), system=token, assertion=token, session=session, at=now
        )
    return (cpu() - before) / ROUNDS * 1000


async def _fleet(session: aiohttp.ClientSession) -> list[Figure]:
    """A minute of a thousand instances' readings, in their places."""
    rest = psutil.Process().memory_info().rss
    measurer = Measurer(stored=lambda _: Record(), wake=lambda _: None, count=lambda *_: None)
    late: list[float] = []

    async def timed(target: Target) -> service.Reading:
        begun = time.monotonic()
        reading = await read(target, session=session, now=_now)
        late.append(time.monotonic() - begun)
        return reading

    answers = Answers(read=timed, wake=lambda _: None, measure=measurer.heard, interval=10.0)
    for number in range(FLEET):
        answers.ask(Key(f"n{number}", "acme"), f"n{number}.{DOMAIN}", hurry=False)
    await asyncio.sleep(WARM_SECONDS)
    if not answers.all_heard:
        raise RuntimeError(f"not all heard within {WARM_SECONDS:g} s")
    late.clear()
    before, begun = cpu(), time.monotonic()
    await asyncio.sleep(SECONDS)
    used, seconds = cpu() - before, time.monotonic() - begun
    memory = psutil.Process().memory_info().rss - rest
    await answers.close()
    late.sort()
    return [
        report("probes_1000_instances_cpu", used / seconds * 100, "% of a core"),
        report("probes_1000_instances_probe_cpu", used / len(late) / PROBES * 1000, "ms"),
        report("probes_1000_instances_readings", len(late), "in 60 s"),
        report("probes_1000_instances_reading_p99", late[len(late) * 99 // 100] * 1000, "ms"),
        report("probes_1000_instances_memory", memory / MEGABYTE, "MB"),
    ]


def _serve(folder: Path, told: "multiprocessing.Queue[str]") -> None:
    authority = Authority(folder)
    authority.create()
    with serve_names(authority) as front:
        told.put(front)
        time.sleep(3600)


def figures() -> Iterator[Figure]:
    """Serve in another process, measure in this one."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        told: multiprocessing.Queue[str] = context.Queue()
        server = context.Process(target=_serve, args=(Path(folder), told), daemon=True)
        server.start()
        try:
            front = told.get(timeout=30)
            yield from asyncio.run(measure(front, Path(folder) / "ca.crt"))
        finally:
            server.kill()
            server.join()


def main() -> int:
    """Measure; the exit code: 1 where a target was missed."""
    missed = 0
    for figure in figures():
        print(figure.line(), flush=True)
        missed += figure.met is False
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
