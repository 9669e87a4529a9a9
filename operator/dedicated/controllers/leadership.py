"""Stand by, do the work while leading, and stand by again.

A term has everything of its own (see `term`), and the next one begins only when nothing of it is left. What
is left nevertheless cannot write, because a fence holds for one term; but it may hold threads and
connections, and could not be told from what belongs there. So a term that does not end in time ends the
process: the last resort, and the only loss of leadership that does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dedicated.cluster.errors import ApiError
from dedicated.cluster.lease import LeaderLease
from dedicated.controllers.waiting import before

END_SECONDS = 20.0
"""Time for a term's work to end once it is cancelled."""
PAUSE_SECONDS = 5.0
"""After a term that the API server would not let begin: time for another replica to try."""

Work: TypeAlias = Callable[[asyncio.Event, Callable[[], None]], Awaitable[None]]
"""Leads until the event is set; calls the fence before each write."""

logger = logging.getLogger(__name__)


class TermNotEndedError(Exception):
    """Something of a term that is over goes on. The process must end at once, with a code other than 0."""


async def lead(lease: LeaderLease, *, work: Work, stop: asyncio.Event) -> None:
    """Lead whenever the lease can be had, until `stop` is set.

    `work` must end in bounded time once `stop` is set; the lease is renewed until then, and released. When
    the lease is lost, the work is cancelled. Raises `TermNotEndedError` where that takes longer than 20 s, or
    what `work` raised, but for `ApiError`.
    """
    while await before(stop, lease.acquire()):
        try:
            await _term(lease, work, stop)
        except ApiError as error:
            logger.error("the term ended, standing by again: %s", error)
            await before(stop, asyncio.sleep(PAUSE_SECONDS))
        if stop.is_set():
            return
    await lease.release()


async def _term(lease: LeaderLease, work: Work, stop: asyncio.Event) -> None:
    keeping = asyncio.create_task(lease.keep(), name="lease")
    working = asyncio.create_task(_run(work, stop, lease.fence()), name="leader's work")
    try:
        await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        else:
            logger.warning("%s no longer leads, standing by again: %s", lease.identity, lease.loss)
    finally:
        working.cancel()
        _, late = await asyncio.wait({working}, timeout=END_SECONDS)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        if late:
            raise TermNotEndedError(f"the term has not ended within {END_SECONDS:g} s of its loss")
        await lease.release()
    if not working.cancelled() and (error := working.exception()) is not None:
        logger.warning("at the end of the term: %s: %s", type(error).__name__, error)


async def _run(work: Work, stop: asyncio.Event, fence: Callable[[], None]) -> None:
    await work(stop, fence)
