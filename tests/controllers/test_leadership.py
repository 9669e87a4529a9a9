"""Work only while leading, in virtual time."""

import asyncio

import pytest

from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import Kind
from dedicated.cluster.errors import NO_ANSWER, ApiError
from dedicated.cluster.lease import LeaderLease
from dedicated.controllers.leadership import LeadershipLostError, lead
from virtual_time import now, run_virtual


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

        async def work(order: asyncio.Event) -> None:
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


def test_a_lost_lease_cancels_the_work_and_is_an_error() -> None:
    async def main() -> None:
        api = LeaseApi()
        cancelled = False

        async def work(_: asyncio.Event) -> None:
            nonlocal cancelled
            api.down = True
            try:
                await asyncio.Event().wait()
            finally:
                cancelled = True

        with pytest.raises(LeadershipLostError, match="lease ops/op not renewed for 20 s"):
            await lead(lease_on(api, "one"), work=work, stop=asyncio.Event())
        assert cancelled
        assert now() <= 25

    run_virtual(main())


def test_a_standby_that_is_stopped_never_works() -> None:
    async def main() -> None:
        api, stop = LeaseApi(), asyncio.Event()
        await lease_on(api, "other").acquire()

        async def work(_: asyncio.Event) -> None:
            raise AssertionError("a standby must not work")

        asyncio.get_running_loop().call_later(10, stop.set)
        await lead(lease_on(api, "standby"), work=work, stop=stop)
        assert now() == 10

    run_virtual(main())


def test_what_the_work_raises_is_raised_and_the_lease_is_free() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = lease_on(api, "one")

        async def work(_: asyncio.Event) -> None:
            raise ValueError("bug")

        with pytest.raises(ValueError, match="bug"):
            await lead(lease, work=work, stop=asyncio.Event())
        assert lease.holder == ""

    run_virtual(main())
