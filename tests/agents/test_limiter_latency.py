"""Latencies of the log: counted in steps of a fifth, of the last minute, and of answered requests alone."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dedicated.agents.limiter.latency import STEP, Latencies, Line, bucket, line_of, listen


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(time: Time, *milliseconds: float, status: int = 200) -> Latencies:
    made = Latencies(time)
    for one in milliseconds:
        made.add(Line(status, one, near=False))
    return made


def test_a_line_is_status_milliseconds_and_back_end() -> None:
    assert line_of(b"200 12 ui -\n") == Line(200, 12, near=False)
    assert line_of(b"429 0 api 1") == Line(429, 0, near=True)


@pytest.mark.parametrize(
    "text",
    [b"", b"200", b"200 -1 ui -", b"204 1 probe_ui -", b"x 1 ui -", b"\xff\xfe", b"200 1 ui - 203.0.113.9"],
)
def test_what_is_no_line_is_passed_over(text: bytes) -> None:
    assert line_of(text) is None


def test_quantiles_are_right_to_a_step() -> None:
    found = filled(Time(), *range(1, 1001))
    p50, p99 = found.quantile(0.5), found.quantile(0.99)
    assert p50 is not None
    assert p99 is not None
    assert 500 <= p50 <= 500 * STEP
    assert 990 <= p99 <= 990 * STEP


def test_a_bucket_holds_what_does_not_exceed_it() -> None:
    for milliseconds in (1.0, 1.2, 5, 1000, 3_600_000):
        number = bucket(milliseconds)
        assert STEP ** (number - 1) < milliseconds * (1 + 1e-6)
        assert milliseconds <= STEP**number * (1 + 1e-6)


def test_only_the_last_minute_is_told() -> None:
    time = Time()
    found = filled(time, 5)
    time.now = 59
    found.add(Line(200, 100, near=True))
    assert (found.quantile(0.5), found.near()) == (round(STEP ** bucket(5), 1), 0.5)
    time.now = 60
    assert found.quantile(0.5) == round(STEP ** bucket(100), 1)
    time.now = 200
    assert (found.quantile(0.5), found.near()) == (None, 0.0)


def test_a_refusal_makes_nothing_fast() -> None:
    assert filled(Time(), 1, 1, status=429).quantile(0.5) is None


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not the test's own: the path of a socket is limited to 107 bytes."""
    with TemporaryDirectory(prefix="log-", dir="/tmp") as made:
        yield Path(made)


async def test_the_log_is_taken_from_a_socket_that_may_be_left_from_before(folder: Path) -> None:
    path, found = folder / "log.sock", Latencies(Time())
    path.touch()
    task = asyncio.create_task(listen(path, found))
    try:
        await until(path.is_socket)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for text in (b"200 7 ui -\n", b"nonsense", b"200 7 login -\n"):
                sender.sendto(text, str(path))
        await until(lambda: found.count == 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert os.listdir(folder) == []


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - it is another process's work
            await asyncio.sleep(0)
