"""What agents that go on for ever share: loops until they are told to stop, and pauses that news end."""

import asyncio
from collections.abc import Coroutine


async def run_until(stop: asyncio.Event, *loops: Coroutine[object, object, None]) -> None:
    """Run the loops until `stop` is set, or one of them breaks: then raise what broke it."""
    ending = asyncio.create_task(stop.wait(), name="stop")
    tasks = [asyncio.create_task(loop) for loop in loops]
    done, _ = await asyncio.wait([ending, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (ending, *tasks):
        task.cancel()
    await asyncio.gather(ending, *tasks, return_exceptions=True)
    for task in done:
        task.result()


async def pause(changed: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until `changed` is set."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
