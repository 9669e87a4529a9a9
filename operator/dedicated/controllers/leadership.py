"""Do the work only while leading; stand by until then.

A replica that loses the lease ends with an error instead of standing by again: what it has in memory and in
flight belongs to a leader, and a new process is the one clean way to be none.
"""

import asyncio
from collections.abc import Awaitable, Callable

from dedicated.cluster.lease import LeaderLease
from dedicated.controllers.waiting import before


class LeadershipLostError(Exception):
    """Another replica leads, or nobody can tell. The process must end with a code other than 0."""


async def lead(
    lease: LeaderLease,
    *,
    work: Callable[[asyncio.Event], Awaitable[None]],
    stop: asyncio.Event,
) -> None:
    """Wait for the lease, then run `work(stop)` to its end; return at once if `stop` is set before.

    `work` must end in bounded time once `stop` is set; the lease is renewed until then, and released. Raises
    `LeadershipLostError` when the lease is lost (the work is cancelled), or what `work` raised.
    """
    if not await before(stop, lease.acquire()):
        await lease.release()
        return
    keeping = asyncio.create_task(lease.keep(), name="lease")
    working = asyncio.create_task(_run(work, stop), name="leader's work")
    try:
        await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise LeadershipLostError(lease.loss)
        await working
    finally:
        for task in (working, keeping):
            task.cancel()
        await asyncio.gather(working, keeping, return_exceptions=True)
        await lease.release()


async def _run(work: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    await work(stop)
