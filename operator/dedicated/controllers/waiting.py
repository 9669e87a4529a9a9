"""Waiting for something, or for the order to stop."""

import asyncio
from collections.abc import Awaitable


async def before(stop: asyncio.Event, step: Awaitable[None]) -> bool:
    """Whether the step ended before `stop` was set; it is cancelled otherwise. Raises what it raises."""
    tasks = (asyncio.ensure_future(step), asyncio.ensure_future(stop.wait()))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended
    return not stop.is_set()
