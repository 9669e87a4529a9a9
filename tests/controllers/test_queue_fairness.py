"""The work queue where some keys are slow or fail for ever: the others must not wait for them."""

import asyncio

import pytest

from controllers.working import Running, make
from dedicated.controllers.queue import PATIENCE
from virtual_time import burn, now, run_virtual


@pytest.mark.parametrize("broken", [False, True])
def test_a_hundred_slow_keys_delay_a_quick_one_by_less_than_a_second(*, broken: bool) -> None:
    """`broken`: the slow ones end by failing, and come again and again."""

    async def main() -> None:
        queue = make(jitter=0.0)

        async def mixed(key: str) -> None:
            await asyncio.sleep(0.01 if key == "quick" else 30)
            if broken and key != "quick":
                raise ValueError("never")

        async with Running(queue, workers=16, handler=mixed) as it:
            slow = [f"slow {number}" for number in range(100)]
            for key in slow:
                queue.add(key)
            asked = []
            for _ in range(200):
                for key in () if broken else slow:
                    queue.add(key)
                asked.append(now())
                queue.add("quick")
                await asyncio.sleep(1)
            begun = [at for at, key in it.log if key == "quick"]
            late = [at - due for at, due in zip(begun, asked, strict=True)]
            assert max(late) < 1
            assert len(it.log) > 500

    run_virtual(main())


def test_a_pass_gives_its_place_back_once_and_only_while_there_is_room() -> None:
    async def main() -> None:
        queue = make(slow=1)

        async def slow(_: str) -> None:
            await asyncio.sleep(1)

        async with Running(queue, workers=1, handler=slow) as it:
            for key in "abcd":
                queue.add(key)
            await asyncio.sleep(10)
            begun = [round(at, 3) for at, _ in it.log]
            # `b` finds no room until `a` is over.
            assert begun == [0, PATIENCE, 1, 1 + PATIENCE]

    run_virtual(main())


def test_what_fails_again_and_again_is_no_burden_for_others() -> None:
    async def main() -> None:
        queue = make(slow=0)

        async def mixed(key: str) -> None:
            await asyncio.sleep(20)
            if key == "bad":
                raise ValueError("bad")

        async with Running(queue, workers=1, handler=mixed) as it:
            queue.add("bad")
            await asyncio.sleep(42)  # it has failed twice, and waits two seconds
            queue.add("good")
            await asyncio.sleep(10)
            assert it.log == [(0, "bad"), (21, "bad"), (42, "good"), (43, "bad")]

    run_virtual(main())


def test_a_busy_loop_does_not_let_more_and_more_begin() -> None:
    async def main() -> None:
        queue = make()

        async def busy(_key: str) -> None:
            for _ in range(20):
                burn(PATIENCE / 5)
                await asyncio.sleep(0)

        async with Running(queue, workers=4, handler=busy):
            for number in range(100):
                queue.add(f"key {number}")
            most = 0
            while queue.depth or queue.working:
                await asyncio.sleep(0)
                most = max(most, queue.working)
            assert most == 4

    run_virtual(main())
