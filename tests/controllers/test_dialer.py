"""The connection that must fail: what each outcome is taken for, and how often it is tried."""

import asyncio
from collections.abc import Callable

import pytest

from dedicated.api.objects import Key
from dedicated.controllers.dialer import DOUBTS, Dialer, Targets, reached

KEY = Key("acme-ns", "acme")
TARGETS = Targets(closed=(("10.0.0.1", 8080), ("10.0.0.2", 8080)), open=(("10.0.1.1", 8080),))


class Network:
    """Which addresses let somebody in."""

    def __init__(self, *open_to_all: str) -> None:
        self.open = {*open_to_all}
        self.tried: list[str] = []

    async def reach(self, address: str, port: int) -> bool:
        assert port == 8080
        self.tried.append(address)
        await asyncio.sleep(0)
        return address in self.open


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - several states, each with its own end
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("open_to_all", "wanted"),
    [
        (("10.0.1.1",), "Closed"),
        (("10.0.1.1", "10.0.0.2"), "Open"),
        (("10.0.0.1",), "Open"),
    ],
)
async def test_what_a_connection_is_taken_for(open_to_all: tuple[str, ...], wanted: str) -> None:
    changed: list[Key] = []
    dialer = Dialer(changed.append, reach=Network(*open_to_all).reach, again=0.0)
    assert dialer.of(KEY) == "Unknown"
    dialer.ask(KEY, TARGETS)
    await until(lambda: bool(changed))
    assert dialer.of(KEY) == wanted
    await dialer.close()


async def test_what_closes_a_moment_later_was_never_open() -> None:
    tried, told = list[str](), list[str]()

    async def reach(address: str, port: int) -> bool:
        tried.append(address)
        return address == "10.0.1.1" or tried.count(address) == 1

    dialer = Dialer(lambda key: told.append(dialer.of(key)), reach=reach, again=0.0)
    dialer.ask(KEY, TARGETS)
    await until(lambda: bool(told))
    assert told == ["Closed"]
    await dialer.close()


async def test_where_nothing_is_reached_nothing_is_told_and_what_was_known_stays_a_while() -> None:
    network, changed = Network("10.0.1.1"), list[Key]()
    dialer = Dialer(changed.append, reach=network.reach, every=0.0)
    dialer.ask(KEY, TARGETS)
    await until(lambda: dialer.of(KEY) == "Closed")
    network.open.clear()
    network.tried.clear()
    await until(lambda: dialer.of(KEY) == "Unknown")
    assert network.tried.count("10.0.1.1") >= DOUBTS
    assert changed == [KEY, KEY]
    await dialer.close()


async def test_the_same_answer_wakes_nobody() -> None:
    network, changed = Network("10.0.1.1"), list[Key]()
    dialer = Dialer(changed.append, reach=network.reach, every=0.0)
    dialer.ask(KEY, TARGETS)
    await until(lambda: network.tried.count("10.0.1.1") > 20)
    assert changed == [KEY]
    await dialer.close()


async def test_pods_that_are_new_are_tried_at_the_next_time() -> None:
    network = Network("10.0.1.1", "10.0.0.9")
    dialer = Dialer(lambda _: None, reach=network.reach, every=0.0, again=0.0)
    dialer.ask(KEY, TARGETS)
    await until(lambda: dialer.of(KEY) == "Closed")
    dialer.ask(KEY, Targets(closed=(("10.0.0.9", 8080),), open=TARGETS.open))
    await until(lambda: dialer.of(KEY) == "Open")
    await dialer.close()


async def test_an_instance_that_is_gone_is_forgotten() -> None:
    network = Network("10.0.1.1")
    dialer = Dialer(lambda _: None, reach=network.reach)
    dialer.ask(KEY, TARGETS)
    await until(lambda: dialer.of(KEY) == "Closed")
    dialer.forget(KEY)
    assert dialer.of(KEY) == "Unknown"


async def test_without_pods_nothing_is_tried() -> None:
    network = Network()
    dialer = Dialer(lambda _: None, reach=network.reach)
    dialer.ask(KEY, Targets((), TARGETS.open))
    await asyncio.sleep(0)
    assert network.tried == []


async def test_a_real_connection() -> None:
    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    number: int = server.sockets[0].getsockname()[1]
    assert await reached("127.0.0.1", number)
    server.close()
    await server.wait_closed()
    assert not await reached("127.0.0.1", number)
