"""Changes under load: maps, reloads, a replica that dies. Nobody is failed, nothing is forgotten."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dedicated.api.edge import Hsts
from dedicated.contract.rate_limits import Entry, Policy, Threshold
from dedicated.parts.limiter.configuration import structure
from limiter import http2
from limiter.answers import Answer
from limiter.http1 import Line, burst, connect, get, lines
from limiter.patterns import API, UI
from limiter.reference import bans
from limiter.stand import Stand, standing

SECONDS = 8.0
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)
PATIENCE = 10.0
BACK_WITHIN = 2.0


class Load:
    """Clients that ask one after the other over HTTP/1.1 and HTTP/2 until they are told to stop.

    A server may close a connection that it has answered on; a client opens another one then. What it asked
    on a connection that is closed without an answer is asked once more, as every client does with GET.
    """

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._stop = asyncio.Event()
        self.statuses: Counter[int] = Counter()
        self.again = 0

    async def _http1(self, number: int) -> None:
        source = f"{self._stand.network}.{200 + number}"
        endpoint = self._stand.endpoints[number % len(self._stand.endpoints)]
        line: Line | None = None
        while not self._stop.is_set():
            if line is None or line.lost:
                line = await connect(endpoint, source=source)
            answer = await line.ask(get(API))
            if not answer.status:
                self.again += 1
                line = await connect(endpoint, source=source)
                answer = await line.ask(get(API))
            self.statuses[answer.status] += 1
            await asyncio.sleep(0.02)

    async def _http2(self, number: int) -> None:
        source = f"{self._stand.network}.{220 + number}"
        endpoint = self._stand.endpoints[number % len(self._stand.endpoints)]
        while not self._stop.is_set():
            async with http2.line(endpoint, source=source) as line:
                while not (line.gone or self._stop.is_set()):
                    answer = await line.ask(http2.asked(API))
                    if not answer.status:
                        self.again += 1
                        break
                    self.statuses[answer.status] += 1
                    await asyncio.sleep(0.02)

    async def during(self, work: Callable[[], Awaitable[None]]) -> None:
        """The load, before, during and after some work."""
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(self._http1(number))
                group.create_task(self._http2(number))
            await asyncio.sleep(0.5)
            await work()
            await asyncio.sleep(0.5)
            self._stop.set()


async def spend(stand: Stand, count: int, *, number: int = 0, replica: int = 0) -> list[Answer]:
    """Requests of a client through one replica."""
    endpoints = stand.endpoints[replica : replica + 1]
    async with lines(endpoints, source=f"{stand.network}.{150 + number}") as made:
        return await burst(made, get(UI), count)


async def reason(stand: Stand, *, number: int, replica: int) -> str:
    """Why one more request of a client is refused; empty where it is not."""
    (answer,) = await spend(stand, 1, number=number, replica=replica)
    return answer.reason


async def known(stand: Stand, *, number: int, replica: int, what: str) -> None:
    """Wait until a replica knows of it."""
    async with asyncio.timeout(PATIENCE):
        while await reason(stand, number=number, replica=replica) != what:  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("replicas", [1, 2])
async def test_reloads_fail_nobody_and_forget_nothing(replicas: int) -> None:
    with standing(replicas=replicas) as stand:
        rules, load = stand.rules("ui"), Load(stand)
        await asyncio.to_thread(stand.await_link)
        banned = await spend(stand, rules.ban + 1, number=0)
        ((begun, _),) = bans(banned, banned=rules.banned)
        assert sum(answer.admitted for answer in await spend(stand, 400, number=1)) == 400

        async def reload() -> None:
            for _ in range(2):
                before = structure(stand.files(0))
                stand.site = replace(stand.site, hsts=replace_age(stand))
                assert structure(stand.files(0)) != before
                for number, process in enumerate(stand.replicas):
                    stand.write(number)
                    await asyncio.to_thread(process.reload)
                    assert "[failed: 0]" in process.master("show proc")
                    await asyncio.to_thread(stand.await_link)

        await load.during(reload)
        assert set(load.statuses) == {200}, load.statuses
        assert load.statuses[200] > 150
        for replica in range(replicas):
            (still,) = await spend(stand, 1, number=0, replica=replica)
            assert still.reason == "banned"
            left = begun + rules.banned - still.done
            assert int(still.header("retry-after") or 0) == pytest.approx(left, abs=1.5)
        rest = await spend(stand, 400, number=1)
        assert sum(answer.admitted for answer in rest) == pytest.approx(rules.limit - 400, abs=8)


def replace_age(stand: Stand) -> Hsts:
    """Another structure of the same policy."""
    return stand.site.hsts.model_copy(update={"max_age": stand.site.hsts.max_age + 1})


async def test_limits_are_raised_under_load_without_a_reload() -> None:
    with standing(replicas=2) as stand:
        rules, load = stand.rules("ui"), Load(stand)
        client = f"{stand.network}.150"
        await spend(stand, rules.limit, number=0)
        await known(stand, number=0, replica=1, what="limited")
        before = [structure(stand.files(number)) for number in range(2)]
        ui, api = (replace_limits(stand.policy, kind) for kind in ("ui", "api"))
        entry = Entry(f"{client}/32", exempt=False, ui=ui, api=api, record="nat", until=UNTIL)
        stand.policy = replace(stand.policy, entries=(entry,))

        async def raise_() -> None:
            for number, process in enumerate(stand.replicas):
                stand.write(number)
                process.admin(
                    f"add map ui_limit.map {client}/32 {ui.limit}", f"add map ui_ban.map {client}/32 {ui.ban}"
                )

        await load.during(raise_)
        assert [structure(stand.files(number)) for number in range(2)] == before
        assert set(load.statuses) == {200}, load.statuses
        more = [*await spend(stand, 500, replica=0), *await spend(stand, 500, replica=1)]
        admitted = sum(answer.admitted for answer in more)
        assert admitted == pytest.approx(rules.limit, rel=0.02), "twice the limit, of which half is spent"
        await asyncio.to_thread(stand.replicas[0].reload)
        told = stand.replicas[0].admin("show map ui_limit.map")
        assert f"{client}/32 {ui.limit}" in told, "the raised limit is kept in the files"


def replace_limits(policy: Policy, kind: str) -> Threshold:
    """Twice of everybody's."""
    return (policy.ui if kind == "ui" else policy.api).times(2)


async def test_a_killed_replica_forgets_no_ban_and_is_back_soon() -> None:
    with standing(replicas=2) as stand:
        rules = stand.rules("ui")
        banned = await spend(stand, rules.ban + 1, number=0, replica=0)
        ((begun, _),) = bans(banned, banned=rules.banned)
        await spend(stand, rules.limit, number=1, replica=0)
        await known(stand, number=1, replica=1, what="limited")
        stand.replicas[0].kill()
        assert await reason(stand, number=0, replica=1) == "banned"
        assert await reason(stand, number=1, replica=1) == "limited"
        started = time.monotonic()
        stand.replicas[0].start()
        async with asyncio.timeout(PATIENCE):
            while await reason(stand, number=0, replica=0) != "banned":  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(0.02)
        assert time.monotonic() - started <= BACK_WITHIN
        await known(stand, number=1, replica=0, what="limited")
        (still,) = await spend(stand, 1, number=0, replica=0)
        left = begun + rules.banned - still.done
        assert int(still.header("retry-after") or 0) == pytest.approx(left, abs=1.5)
