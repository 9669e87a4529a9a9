"""The work queue in virtual time."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.working import Running, make
from dedicated.controllers.queue import LONGEST_DELAY, SPARE, WorkQueue
from virtual_time import now, run_virtual, settle


def test_a_key_that_waits_is_worked_on_once() -> None:
    async def main() -> None:
        queue = make()
        for _ in range(5):
            queue.add("a")
        assert queue.depth == 1
        async with Running(queue) as it:
            await settle()
            assert it.log == [(0, "a")]
            assert queue.depth == 0

    run_virtual(main())


def test_a_key_is_never_worked_on_twice_at_once_and_comes_again_if_added_meanwhile() -> None:
    async def main() -> None:
        queue = make()

        async def slow(_: str) -> None:
            await asyncio.sleep(10)

        async with Running(queue, workers=4, handler=slow) as it:
            queue.add("a")
            await asyncio.sleep(1)
            queue.add("a")
            queue.add("a")
            assert (queue.working, queue.depth) == (1, 1)
            await asyncio.sleep(30)
            assert it.log == [(0, "a"), (10, "a")]

    run_virtual(main())


def test_keys_are_served_in_the_order_they_came() -> None:
    async def main() -> None:
        queue = make(slow=0)
        for key in "cab":
            queue.add(key)

        async def slow(_: str) -> None:
            await asyncio.sleep(1)

        async with Running(queue, workers=1, handler=slow) as it:
            queue.add("a")
            await asyncio.sleep(5)
            assert it.log == [(0, "c"), (1, "a"), (2, "b")]

    run_virtual(main())


def test_wakes_fire_at_their_time_and_the_earliest_counts() -> None:
    async def main() -> None:
        queue = make()
        async with Running(queue) as it:
            queue.add_at("a", 100)
            queue.add_at("a", 50)
            queue.add_at("a", 70)
            queue.add_at("b", 60)
            assert queue.wake_of("a") == 50
            await asyncio.sleep(200)
            assert it.log == [(50, "a"), (60, "b")]
            assert queue.wake_of("a") is None
            queue.add_at("late", 10)
            await asyncio.sleep(1)
            assert it.log[-1] == (200, "late")

    run_virtual(main())


def test_a_pass_takes_back_the_pending_wake_and_may_set_another() -> None:
    async def main() -> None:
        queue = make()

        async def again(_: str) -> None:
            queue.add_at("a", now() + 1000)

        async with Running(queue, handler=again) as it:
            queue.add_at("a", 50)
            await asyncio.sleep(10)
            queue.add("a")
            await asyncio.sleep(1500)
            assert it.log == [(10, "a"), (1010, "a")]

    run_virtual(main())


def test_failures_come_back_later_and_later_up_to_five_minutes() -> None:
    async def main() -> None:
        queue = make()

        async def bad(_: str) -> None:
            raise ValueError("bad")

        async with Running(queue, handler=bad) as it:
            queue.add("a")
            await asyncio.sleep(3000)
            times = [at for at, _ in it.log]
            gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert gaps[:5] == [1, 2, 4, 8, 16]
            assert set(gaps[9:]) == {LONGEST_DELAY}
            assert queue.errors == queue.retries == len(times)
            assert queue.failing == 1

    run_virtual(main())


@pytest.mark.parametrize("jitter", [0.0, 0.3, 1.0])
def test_back_off_is_jittered_between_half_and_whole(jitter: float) -> None:
    async def main() -> None:
        queue = make(jitter=jitter)
        delays = [queue.failed("a") for _ in range(12)]
        for number, delay in enumerate(delays):
            whole = min(300.0, 2.0**number)
            assert delay == pytest.approx(whole * (0.5 + 0.5 * jitter))
        assert min(delays) >= 0.5

    run_virtual(main())


def test_success_resets_the_back_off_and_so_does_forget() -> None:
    async def main() -> None:
        queue = make()
        moods = iter([True, True, False, True])

        async def moody(_: str) -> None:
            if next(moods):
                raise ValueError("bad mood")

        async with Running(queue, handler=moody) as it:
            queue.add("a")
            await asyncio.sleep(10)
            assert [at for at, _ in it.log] == [0, 1, 3]
            assert queue.failing == 0
            queue.add("a")
            await settle()
            assert queue.wake_of("a") == 11
            queue.forget("a")
            assert queue.failing == 0

    run_virtual(main())


def test_a_handler_may_ask_for_back_off_without_raising() -> None:
    async def main() -> None:
        queue = make()

        async def waits(key: str) -> None:
            queue.failed(key)

        async with Running(queue, handler=waits) as it:
            queue.add("a")
            await asyncio.sleep(8)
            assert [at for at, _ in it.log] == [0, 1, 3, 7]
            assert queue.errors == 0

    run_virtual(main())


def test_what_is_cancelled_under_a_pass_is_tried_again() -> None:
    async def main() -> None:
        queue = make()

        async def interrupted(_: str) -> None:
            if len(it.log) == 1:
                raise asyncio.CancelledError

        async with Running(queue, handler=interrupted) as it:
            queue.add("a")
            await asyncio.sleep(10)
            assert it.log == [(0, "a"), (1, "a")]
            assert queue.failing == 0

    run_virtual(main())


def test_the_same_error_is_logged_once_and_another_one_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        queue = make()
        errors = iter(["one", "one", "one", "two", "two"])

        async def bad(_: str) -> None:
            raise ValueError(next(errors))

        async with Running(queue, handler=bad):
            queue.add("a")
            await asyncio.sleep(20)

    with caplog.at_level("INFO"):
        run_virtual(main())
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["a failed, retry in 1.0 s: ValueError: one", "a failed, retry in 8.0 s: ValueError: two"]


def test_depth_and_ages_tell_what_waits() -> None:
    async def main() -> None:
        queue = make(slow=0)
        assert (queue.depth, queue.oldest_age(), queue.stuck_age()) == (0, 0, 0)
        queue.add("a")
        await asyncio.sleep(5)
        queue.add("b")
        await asyncio.sleep(5)
        assert (queue.depth, queue.oldest_age(), queue.stuck_age()) == (2, 10, 10)

        async def slow(_: str) -> None:
            await asyncio.sleep(3)

        async with Running(queue, workers=1, handler=slow):
            await asyncio.sleep(4)
            queue.add("c")
            queue.add("d")
            await asyncio.sleep(4.5)
            assert queue.oldest_age() == 4.5
            assert queue.stuck_age() == 2.5

    run_virtual(main())


def test_a_clean_stop_lets_running_work_end_and_starts_no_more() -> None:
    async def main() -> None:
        queue = make(slow=0)
        ended: list[str] = []

        async def slow(key: str) -> None:
            await asyncio.sleep(5)
            ended.append(key)

        it = Running(queue, workers=2, handler=slow)
        for key in "abc":
            queue.add(key)
        await asyncio.sleep(1)
        it.stop.set()
        await it.task
        assert now() == 5
        assert sorted(ended) == ["a", "b"]

    run_virtual(main())


def test_work_that_does_not_end_is_cancelled_after_the_grace() -> None:
    async def main() -> None:
        queue = make()

        async def endless(_: str) -> None:
            await asyncio.Event().wait()

        it = Running(queue, handler=endless)
        queue.add("a")
        await asyncio.sleep(1)
        it.stop.set()
        await it.task
        assert now() == 21

    run_virtual(main())


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_whatever_happens_no_change_is_lost_and_no_key_is_worked_on_twice_at_once(seed: int) -> None:
    """Each `add` is followed by a pass that began after it; the model counts versions as a cluster would."""
    dice = random.Random(seed)

    async def main() -> None:
        queue: WorkQueue[str] = WorkQueue(monotonic=asyncio.get_running_loop().time, jitter=dice.random)
        wanted, done, busy = dict.fromkeys("abcde", 0), dict.fromkeys("abcde", 0), set[str]()

        async def handler(key: str) -> None:
            assert key not in busy
            busy.add(key)
            seen = wanted[key]
            try:
                await asyncio.sleep(dice.random())
                if dice.random() < 0.3:
                    raise ValueError("trouble")
                if dice.random() < 0.2:
                    queue.add_at(key, now() + dice.uniform(0, 10))
                done[key] = seen
            finally:
                busy.discard(key)

        async with Running(queue, workers=3, handler=handler):
            for _ in range(100):
                key = dice.choice("abcde")
                wanted[key] += 1
                queue.add(key)
                await asyncio.sleep(dice.random() / 5)
            await asyncio.sleep(3600)
            assert done == wanted

    run_virtual(main())


def test_a_queue_that_is_cancelled_ends_although_a_handler_swallows_it() -> None:
    async def main() -> None:
        queue = make()

        async def stubborn(_: str) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise RuntimeError("fenced") from None

        it = Running(queue, workers=1, handler=stubborn)
        queue.add("a")
        queue.add("b")
        await settle()
        it.task.cancel()
        async with asyncio.timeout(60):
            await asyncio.wait({it.task})
        assert it.log == [(0, "a")]

    run_virtual(main())


def test_wake_ups_that_were_taken_back_do_not_pile_up() -> None:
    async def main() -> None:
        queue = make()
        async with Running(queue) as it:
            for _ in range(1000):
                queue.add_at("a", now() + 36_000)
                queue.add("a")
                await settle()
            assert len(queue._heap) <= 2 + SPARE
            queue.add_at("a", now() + 36_000)
            begun = len(it.log)
            await asyncio.sleep(36_001)
            assert [at for at, _ in it.log[begun:]] == [36_000]

    run_virtual(main())
