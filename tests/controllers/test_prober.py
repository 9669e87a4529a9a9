"""The loop that takes the readings, in virtual time."""

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from dedicated.api.objects import Key
from dedicated.controllers.prober import ANXIOUS, AT_ONCE, PATIENCE, Prober
from dedicated.probes.service import Check, Reading, Target
from virtual_time import now, run_virtual

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACME, OTHER = Key("a", "acme"), Key("b", "other")


def outcome(*, ok: bool) -> Reading:
    return Reading(at=NOON, checks=(Check("ready", ok, 0.0, "GET answered"),))


@dataclass
class Probed:
    """A prober over a stand-in; `log` has (time, domain) of each begin."""

    log: list[tuple[float, str]] = field(default_factory=list)
    told: list[Key] = field(default_factory=list)
    slow: dict[str, float] = field(default_factory=dict)
    sick: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    async def read(self, _: Key, target: Target) -> Reading:
        self.log.append((now(), target.domain))
        await asyncio.sleep(self.slow.get(target.domain, 0.0))
        if target.domain in self.broken:
            raise RuntimeError("bug")
        return outcome(ok=target.domain not in self.sick)

    def prober(self) -> Prober:
        return Prober(
            read=self.read,
            on_reading=lambda key, _: self.told.append(key),
            interval=10.0,
            monotonic=asyncio.get_running_loop().time,
        )

    def times(self, domain: str) -> list[float]:
        return [at for at, name in self.log if name == domain]


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_a_target_is_read_at_once_and_then_once_per_interval_in_its_own_place() -> None:
    async def main() -> None:
        it = Probed()
        prober = it.prober()
        for number in range(50):
            prober.watch(Key("a", f"n{number}"), Target(f"n{number}"))
        await asyncio.sleep(100)
        for number in range(50):
            times = it.times(f"n{number}")
            assert times[0] == 0
            assert 5 <= times[1] <= 15
            assert gaps(times)[1:] == pytest.approx([10] * (len(times) - 2))
        places = {round(it.times(f"n{number}")[-1] % 10) for number in range(50)}
        assert len(places) > 5, "spread over the interval"
        await prober.close()

    run_virtual(main())


def test_a_sick_or_hurried_target_is_read_every_two_seconds() -> None:
    async def main() -> None:
        it = Probed(sick={"acme"})
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(9)
        assert it.times("acme") == [0, 2, 4, 6, 8]
        it.sick.clear()
        await asyncio.sleep(21)
        assert len(it.times("acme")) in {7, 8}
        count = len(it.times("acme"))
        prober.watch(ACME, Target("acme"), hurry=True)
        await asyncio.sleep(7)
        assert gaps(it.times("acme"))[count:] == pytest.approx([2, 2, 2])
        await prober.close()

    run_virtual(main())


def test_a_target_that_stays_sick_is_read_as_often_as_one_that_is_well() -> None:
    async def main() -> None:
        it = Probed(sick={"acme"})
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(ANXIOUS + 100)
        times = it.times("acme")
        assert max(at for at, gap in zip(times, gaps(times), strict=False) if gap == 2) == ANXIOUS - 2
        assert gaps(times)[-5:] == pytest.approx([10] * 5)
        it.sick.clear()
        await asyncio.sleep(20)
        it.sick.add("acme")
        await asyncio.sleep(15)
        assert 2 in gaps(it.times("acme"))[-5:], "anxious again"
        await prober.close()

    run_virtual(main())


def test_who_is_not_in_haste_waits_for_its_place_and_keeps_on_after_a_failure() -> None:
    async def main() -> None:
        it = Probed(sick={"acme"})
        prober = Prober(
            read=it.read,
            on_reading=lambda *_: None,
            interval=60.0,
            fast=10.0,
            anxious=float("inf"),
            at_once=False,
            monotonic=asyncio.get_running_loop().time,
        )
        names = [f"n{number}" for number in range(30)]
        for name in (*names, "acme"):
            prober.watch(Key("a", name), Target(name))
        await asyncio.sleep(600)
        firsts = [it.times(name)[0] for name in names]
        assert min(firsts) > 0
        assert len({round(first / 6) for first in firsts}) > 5, "spread over the minute"
        assert gaps(it.times("n0")) == pytest.approx([60] * 9)
        assert set(map(round, gaps(it.times("acme")))) == {10}
        await prober.close()

    run_virtual(main())


def test_a_slow_target_is_late_for_itself_alone() -> None:
    async def main() -> None:
        it = Probed(slow={"acme": 60.0})
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        prober.watch(OTHER, Target("other"))
        await asyncio.sleep(100)
        assert len(it.times("acme")) == 2
        assert len(it.times("other")) >= 10
        await prober.close()

    run_virtual(main())


def test_a_target_can_be_asked_for_now() -> None:
    async def main() -> None:
        it = Probed()
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(1)
        prober.probe_soon(ACME)
        prober.probe_soon(Key("a", "unknown"))
        await asyncio.sleep(0.1)
        assert it.times("acme") == [0, 1]
        assert it.told == [ACME, ACME]
        await prober.close()

    run_virtual(main())


def test_a_changed_target_loses_its_reading_and_a_late_answer_to_the_old_name_is_dropped() -> None:
    async def main() -> None:
        it = Probed(slow={"old": 3.0})
        prober = it.prober()
        prober.watch(ACME, Target("old"))
        await asyncio.sleep(1)
        it.sick.add("new")
        prober.watch(ACME, Target("new"))
        await asyncio.sleep(2.5)
        assert it.log == [(0, "old"), (3, "new")]
        assert it.told == [ACME]
        assert not prober.well[ACME]
        await prober.close()

    run_virtual(main())


def test_a_forgotten_target_is_not_read_again() -> None:
    async def main() -> None:
        it = Probed()
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(1)
        assert ACME in prober.well
        prober.unwatch(ACME)
        prober.unwatch(ACME)
        await asyncio.sleep(100)
        assert it.times("acme") == [0]
        assert not prober.well

    run_virtual(main())


@pytest.mark.parametrize(("seconds", "most"), [(PATIENCE / 2, AT_ONCE), (5.0, 200)])
def test_few_quick_readings_are_taken_at_once_and_slow_ones_hold_up_nobody(seconds: float, most: int) -> None:
    async def main() -> None:
        names = [f"slow{number}" for number in range(200)]
        it = Probed(slow=dict.fromkeys(names, seconds))
        prober = it.prober()
        for name in names:
            prober.watch(Key("a", name), Target(name))
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(9)
        begun = [at for at, _ in it.log]
        ends = [at + seconds for at, name in it.log if name != "acme"]
        busy = max(sum(at <= moment < at + seconds for at in begun) for moment in (*begun, *ends))
        assert busy <= most
        assert it.times("acme")[0] <= 200 / AT_ONCE * PATIENCE
        await prober.close()

    run_virtual(main())


def test_a_bug_in_a_reading_ends_nothing() -> None:
    async def main() -> None:
        it = Probed(broken={"acme"})
        prober = it.prober()
        prober.watch(ACME, Target("acme"))
        await asyncio.sleep(5)
        assert it.times("acme") == [0, 2, 4]
        await prober.close()

    run_virtual(main())
