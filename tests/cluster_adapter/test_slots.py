"""Places for requests, in virtual time."""

import asyncio

import pytest

from dedicated.cluster.slots import PATIENCE, PLACES, SLOW, Slots
from virtual_time import now, run_virtual, settle


class Asking:
    """Requests through slots; `log` has (time, flow) for each that was let through."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.log: list[tuple[float, str]] = []
        self.busy = 0
        self.most = 0

    async def ask(self, flow: str, seconds: float) -> float:
        asked = now()
        async with self.slots.place(flow):
            self.log.append((now(), flow))
            self.busy += 1
            self.most = max(self.most, self.busy)
            waited = now() - asked
            try:
                await asyncio.sleep(seconds)
            finally:
                self.busy -= 1
        return waited

    def start(self, flow: str, seconds: float, times: int = 1) -> list["asyncio.Task[float]"]:
        return [asyncio.create_task(self.ask(flow, seconds)) for _ in range(times)]


def test_flows_take_turns_whatever_they_ask_for() -> None:
    async def main() -> None:
        it = Asking(Slots(places=1))
        tasks = [*it.start("much", 0.01, 4), *it.start("one", 0.01), *it.start("two", 0.01)]
        await asyncio.gather(*tasks)
        assert [flow for _, flow in it.log] == ["much", "much", "one", "two", "much", "much"]

    run_virtual(main())


def test_quick_requests_are_bounded_and_all_served() -> None:
    async def main() -> None:
        it = Asking(Slots())
        await asyncio.gather(*(task for n in range(100) for task in it.start(f"flow {n}", 0.05, 10)))
        assert len(it.log) == 1000
        assert it.most == PLACES

    run_virtual(main())


@pytest.mark.parametrize("flows", [1, 20, 100])
def test_flows_with_late_answers_delay_others_by_less_than_a_second(flows: int) -> None:
    async def main() -> None:
        it = Asking(Slots())
        late = [task for n in range(flows) for task in it.start(f"late {n}", 10, 14)]
        waits = []
        for _ in range(200):
            waits.append(await it.ask("well", 0.01))
            await asyncio.sleep(0.2)
        assert max(waits) < 0.8
        assert it.most <= SLOW
        await asyncio.gather(*late)

    run_virtual(main())


def test_no_more_than_the_slow_go_on_without_a_place() -> None:
    async def main() -> None:
        it = Asking(Slots(places=2, slow=4))
        tasks = [task for n in range(20) for task in it.start(f"late {n}", 1)]
        await asyncio.gather(*tasks)
        assert it.most == 6

    run_virtual(main())


def test_who_stops_waiting_leaves_no_gap() -> None:
    async def main() -> None:
        it = Asking(Slots(places=1, slow=0))
        first, second, third = it.start("a", 1, 3)
        await settle()
        second.cancel()
        await asyncio.sleep(PATIENCE)
        first.cancel()
        await settle()
        assert it.log == [(0, "a"), (PATIENCE, "a")]
        assert await third == PATIENCE
        assert await it.ask("b", 1) == 0

    run_virtual(main())
