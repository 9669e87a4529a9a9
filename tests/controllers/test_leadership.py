"""Work only while leading, in virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

import pytest

from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import Kind
from dedicated.cluster.errors import NO_ANSWER, ApiError
from dedicated.cluster.lease import LeaderLease, NotLeader
from dedicated.controllers.leadership import END_SECONDS, PAUSE_SECONDS, TermNotEndedError, lead
from virtual_time import now, run_virtual

Fence: TypeAlias = Callable[[], None]


class LeaseApi:
    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.down = False
        self.version = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        if self.down:
            raise ApiError(status=0, reason=NO_ANSWER, message="down")
        if self.lease is None:
            raise ApiError(status=404, reason="NotFound", message=f"{kind.plural} {namespace}/{name}")
        return self.lease

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        if self.down:
            raise ApiError(status=0, reason=NO_ANSWER, message=f"{kind.plural}: down")
        self.version += 1
        metadata = get_map(manifest, "metadata") | {"resourceVersion": str(self.version)}
        self.lease = {**manifest, "metadata": metadata}
        return self.lease

    create = update


def lease_on(api: LeaseApi, identity: str) -> LeaderLease:
    return LeaderLease(
        client=api,
        namespace="ops",
        name="op",
        identity=identity,
        monotonic=asyncio.get_running_loop().time,
    )


def test_a_clean_stop_ends_the_work_and_hands_over() -> None:
    async def main() -> None:
        api, stop = LeaseApi(), asyncio.Event()
        lease = lease_on(api, "one")
        seen: list[bool] = []

        async def work(order: asyncio.Event, fence: Fence) -> None:
            fence()
            seen.append(lease.is_leader)
            await order.wait()
            await asyncio.sleep(15)
            seen.append(lease.is_leader)

        asyncio.get_running_loop().call_later(100, stop.set)
        await lead(lease, work=work, stop=stop)
        assert seen == [True, True], "the lease is renewed until the work has ended"
        assert now() == 115
        assert lease.holder == ""

    run_virtual(main())


def test_a_lost_lease_cancels_the_work_and_the_next_term_begins_when_it_has_ended() -> None:
    async def main() -> None:
        api, stop = LeaseApi(), asyncio.Event()
        lease = lease_on(api, "one")
        told: list[tuple[str, int, bool]] = []
        fences: list[Fence] = []

        async def work(order: asyncio.Event, fence: Fence) -> None:
            fences.append(fence)
            term = len(fences)
            told.append(("begins", term, lease.is_leader))
            api.down = term == 1
            try:
                await order.wait()
            finally:
                await asyncio.sleep(10)  # what ends slowly
                api.down = False
                told.append(("ends", term, lease.is_leader))

        asyncio.get_running_loop().call_later(100, stop.set)
        await lead(lease, work=work, stop=stop)
        assert told == [("begins", 1, True), ("ends", 1, False), ("begins", 2, True), ("ends", 2, True)]
        for fence in fences:
            with pytest.raises(NotLeader):
                fence()
        assert lease.holder == ""

    run_virtual(main())


def test_work_that_does_not_end_is_the_end_of_the_process() -> None:
    async def main() -> None:
        api, over = LeaseApi(), asyncio.Event()

        async def work(_: asyncio.Event, fence: Fence) -> None:
            api.down = True
            while not over.is_set():
                with suppress(asyncio.CancelledError):
                    await over.wait()

        with pytest.raises(TermNotEndedError, match="not ended within 20 s"):
            await lead(lease_on(api, "one"), work=work, stop=asyncio.Event())
        assert 20 + END_SECONDS <= now() <= 25 + END_SECONDS
        over.set()

    run_virtual(main())


def test_a_term_that_the_api_server_does_not_let_begin_is_tried_again_after_a_pause() -> None:
    async def main() -> None:
        api, stop = LeaseApi(), asyncio.Event()
        begun: list[float] = []

        async def work(order: asyncio.Event, fence: Fence) -> None:
            begun.append(now())
            if len(begun) == 1:
                raise ApiError(status=503, reason="ServiceUnavailable", message="starting")
            await order.wait()

        asyncio.get_running_loop().call_later(100, stop.set)
        await lead(lease_on(api, "one"), work=work, stop=stop)
        assert len(begun) == 2
        assert begun[1] - begun[0] >= PAUSE_SECONDS

    run_virtual(main())


def test_a_standby_that_is_stopped_never_works() -> None:
    async def main() -> None:
        api, stop = LeaseApi(), asyncio.Event()
        await lease_on(api, "other").acquire()

        async def work(_: asyncio.Event, fence: Fence) -> None:
            raise AssertionError("a standby must not work")

        asyncio.get_running_loop().call_later(10, stop.set)
        await lead(lease_on(api, "standby"), work=work, stop=stop)
        assert now() == 10

    run_virtual(main())


def test_what_the_work_raises_is_raised_and_the_lease_is_free() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = lease_on(api, "one")

        async def work(_: asyncio.Event, fence: Fence) -> None:
            raise ValueError("bug")

        with pytest.raises(ValueError, match="bug"):
            await lead(lease, work=work, stop=asyncio.Event())
        assert lease.holder == ""

    run_virtual(main())
