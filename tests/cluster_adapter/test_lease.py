"""Leader election in virtual time: one leader at most, under any trouble, and a quick handover without."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dedicated.api.json import Manifest, get_int, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cluster.errors import NO_ANSWER, ApiError
from dedicated.cluster.lease import LeaderLease, LeaseClient, NotLeader
from virtual_time import now, run_virtual, settle

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class LeaseApi:
    """One Lease with optimistic locking. `trouble` decides before (and `lost` after) each request."""

    lease: Manifest | None = None
    version: int = 0
    writes: int = 0
    delay: Callable[[], float] = lambda: 0.0
    down: Callable[[], bool] = lambda: False
    lost: Callable[[], bool] = lambda: False
    history: list[tuple[float, str]] = field(default_factory=list)

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        await self._travel()
        if self.lease is None:
            raise ApiError(status=404, reason="NotFound", message=f"{kind.plural} {namespace}/{name}")
        return self.lease

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        await self._travel()
        if self.lease is not None:
            raise ApiError(status=409, reason="AlreadyExists", message=kind.plural)
        return self._store(manifest)

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        await self._travel()
        if self.lease is None:
            raise ApiError(status=404, reason="NotFound", message=kind.plural)
        if get_str(manifest, "metadata", "resourceVersion") != str(self.version):
            raise ApiError(status=409, reason="Conflict", message=kind.plural)
        return self._store(manifest)

    async def _travel(self) -> None:
        await asyncio.sleep(self.delay())
        if self.down():
            raise ApiError(status=0, reason=NO_ANSWER, message="down")

    def _store(self, manifest: Manifest) -> Manifest:
        self.version += 1
        self.writes += 1
        metadata = get_map(manifest, "metadata") | {"resourceVersion": str(self.version)}
        self.lease = {**manifest, "metadata": metadata}
        self.history.append((now(), get_str(manifest, "spec", "holderIdentity")))
        if self.lost():
            raise ApiError(status=0, reason=NO_ANSWER, message="answer lost")
        return self.lease


def candidate(api: LeaseClient, identity: str, *, wall_offset: float = 0.0) -> LeaderLease:
    loop = asyncio.get_running_loop()
    return LeaderLease(
        client=api,
        namespace="ops",
        name="op",
        identity=identity,
        monotonic=loop.time,
        wall=lambda: START + timedelta(seconds=loop.time() + wall_offset),
    )


def test_the_first_candidate_creates_the_lease_and_renews_it_with_one_write_each() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        with pytest.raises(NotLeader):
            lease.fence()()
        await lease.acquire()
        lease.fence()()
        keeping = asyncio.create_task(lease.keep())
        await asyncio.sleep(60.5)
        keeping.cancel()
        assert api.writes == 1 + 6
        assert api.lease is not None
        spec = get_map(api.lease, "spec")
        assert spec == {
            "holderIdentity": "one",
            "leaseDurationSeconds": 30,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
            "renewTime": "2026-01-01T00:01:00.000000Z",
            "leaseTransitions": 1,
        }

    run_virtual(main())


@pytest.mark.parametrize("wall_offset", [-7200.0, 7200.0])
def test_a_dead_leader_is_followed_after_its_lease_has_been_seen_unchanged(wall_offset: float) -> None:
    async def main() -> None:
        api = LeaseApi()
        dead = candidate(api, "dead", wall_offset=wall_offset)
        await dead.acquire()
        heir = candidate(api, "heir")
        await heir.acquire()
        assert 30.0 <= now() <= 30.0 + 1.5
        assert not dead.is_leader
        assert heir.is_leader
        assert api.lease is not None
        assert get_int(api.lease, "spec", "leaseTransitions") == 2

    run_virtual(main())


def test_a_released_lease_is_taken_at_the_next_look() -> None:
    async def main() -> None:
        api = LeaseApi()
        first, second = candidate(api, "first"), candidate(api, "second")
        await first.acquire()
        waiting = asyncio.create_task(second.acquire())
        await asyncio.sleep(3)
        released, fence = now(), first.fence()
        await first.release()
        with pytest.raises(NotLeader):
            fence()
        await waiting
        assert now() - released <= 1.5

    run_virtual(main())


def test_a_leader_that_cannot_renew_stops_before_anyone_may_follow() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        fence = lease.fence()
        api.down = lambda: True
        await lease.keep()
        assert 20.0 <= now() <= 22.0
        with pytest.raises(NotLeader):
            fence()

    run_virtual(main())


def test_the_fence_of_a_term_that_is_over_stays_closed_in_the_next_one() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        first = lease.fence()
        api.down = lambda: True
        await lease.keep()
        api.down = lambda: False
        await lease.release()
        await lease.acquire()
        lease.fence()()
        with pytest.raises(NotLeader):
            first()

    run_virtual(main())


def test_a_lease_that_lapsed_and_that_nobody_took_goes_on() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        fence = lease.fence()
        await asyncio.sleep(100)  # frozen
        with pytest.raises(NotLeader):
            fence()
        keeping = asyncio.create_task(lease.keep())
        await asyncio.sleep(11)
        fence()
        keeping.cancel()

    run_virtual(main())


def test_the_time_of_a_suspended_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        lease = LeaderLease(client=LeaseApi(), namespace="ops", name="op", identity="one")
        await lease.acquire()
        fence = lease.fence()
        fence()
        at = time.clock_gettime(time.CLOCK_BOOTTIME) + 3600.0
        clocks = {time.CLOCK_BOOTTIME: at, time.CLOCK_MONOTONIC: time.monotonic()}
        monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)
        with pytest.raises(NotLeader):
            fence()

    asyncio.run(main())


def test_attempts_that_hang_are_given_up_in_time() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        api.delay = lambda: 1000.0
        await lease.keep()
        assert now() <= 25.0

    run_virtual(main())


def test_validity_counts_from_the_sending_not_from_the_answer() -> None:
    async def main() -> None:
        api = LeaseApi(delay=lambda: 4.0)
        lease = candidate(api, "one")
        await lease.acquire()
        acquired = now()
        fence = lease.fence()
        await asyncio.sleep(20.0 - 4.0 - 0.01)
        fence()
        await asyncio.sleep(0.02)
        with pytest.raises(NotLeader):
            fence()
        assert now() - acquired == pytest.approx(16.01)

    run_virtual(main())


def test_a_lost_answer_to_our_own_renewal_does_not_unseat_us() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        keeping = asyncio.create_task(lease.keep())
        api.lost = lambda: now() < 15
        await asyncio.sleep(100)
        assert lease.is_leader
        assert not keeping.done()
        keeping.cancel()

    run_virtual(main())


def test_a_usurper_unseats_us_at_once() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        assert api.lease is not None
        api._store({**api.lease, "spec": {**get_map(api.lease, "spec"), "holderIdentity": "usurper"}})
        await lease.keep()
        assert now() == pytest.approx(10.0)
        assert lease.loss == "usurper holds lease ops/op"

    run_virtual(main())


def test_releasing_without_an_answer_is_no_error() -> None:
    async def main() -> None:
        api = LeaseApi()
        lease = candidate(api, "one")
        await lease.acquire()
        api.delay = lambda: 1000.0
        await lease.release()
        assert not lease.is_leader
        assert now() <= 5.0

    run_virtual(main())


@dataclass
class Partitioned:
    """The same Lease as one candidate sees it, who is cut off for some stretches of time."""

    api: LeaseApi
    outages: list[tuple[float, float]]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        self._check()
        return await self.api.get(kind, namespace, name)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        return await self.api.create(kind, manifest)

    async def update(self, kind: Kind, manifest: Manifest) -> Manifest:
        self._check()
        return await self.api.update(kind, manifest)

    def _check(self) -> None:
        if any(start <= now() < end for start, end in self.outages):
            raise ApiError(status=0, reason=NO_ANSWER, message="cut off")


@dataclass
class Life:
    """A process that wants to lead: one `LeaderLease` for its whole life.

    Its fences are those of all its terms.
    """

    client: Partitioned
    name: str
    dice: random.Random
    fences: list[Callable[[], None]] = field(default_factory=list)

    async def live(self, check: Callable[[], None]) -> None:
        lease = candidate(self.client, self.name, wall_offset=self.dice.uniform(-100, 100))
        while True:
            await lease.acquire()
            self.fences.append(lease.fence())
            keeping = asyncio.create_task(lease.keep())
            while not keeping.done():
                check()
                await asyncio.sleep(0.25)
                if self.dice.random() < 0.002:
                    break
            keeping.cancel()
            await lease.release()

    def leads(self) -> bool:
        return any(_open(fence) for fence in self.fences)


def _open(fence: Callable[[], None]) -> bool:
    try:
        fence()
    except NotLeader:
        return False
    return True


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), trouble=st.floats(0.0, 0.4))
def test_two_candidates_in_any_trouble_never_both_hold_the_lease(seed: int, trouble: float) -> None:
    """Cut off, slow, without the answers to what they sent, and each over many terms."""
    dice = random.Random(seed)

    async def main() -> None:
        api = LeaseApi(
            delay=lambda: dice.uniform(0, 6) if dice.random() < trouble else 0.01,
            lost=lambda: dice.random() < trouble / 2,
        )
        lives = []
        for name in ("a", "b"):
            starts = [dice.uniform(0, 1200) for _ in range(12)]
            outages = [(start, start + dice.uniform(5, 60)) for start in starts]
            lives.append(Life(Partitioned(api, outages), name, dice))

        def check() -> None:
            assert sum(life.leads() for life in lives) <= 1, f"two leaders at {now():.1f} s"
            for life in lives:
                assert sum(_open(fence) for fence in life.fences) <= 1, "a term that is over writes"

        living = [asyncio.create_task(life.live(check)) for life in lives]
        done, _ = await asyncio.wait(living, timeout=1200)
        for task in done:
            task.result()
        for task in living:
            task.cancel()
        await settle()
        assume(len({holder for _, holder in api.history} - {""}) > 1)  # else it changed no hands

    run_virtual(main())
