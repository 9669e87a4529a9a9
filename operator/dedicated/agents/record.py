"""The record of a process that runs for a while: how far it is, now and then, and its last word."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError

TELL_SECONDS = 5.0
RETRY, ATTEMPTS = 5.0, 60
"""Seconds between two attempts to write the last word, and how many."""

logger = logging.getLogger(__name__)


class Record:
    """A record, and the key in it under which the report is written; `report` is its text at the time."""

    def __init__(self, record: OwnConfigMap, key: str, report: Callable[[], str]) -> None:
        self._record = record
        self._key = key
        self._report = report

    @asynccontextmanager
    async def written_along(self) -> AsyncIterator[None]:
        """Write the report now and then for the time of the block. A failure holds up nothing.

        A write that is on its way at the end is waited for: given up, it could arrive after the last word.
        """
        over = asyncio.Event()
        task = asyncio.create_task(self._tell(over), name="telling")
        try:
            yield
        finally:
            over.set()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, over: asyncio.Event) -> None:
        written = ""
        while not over.is_set():
            report = self._report()
            if report != written:
                try:
                    await self._record.write({self._key: report})
                    written = report
                except OwnObjectError as error:
                    logger.warning("the report cannot be written", extra={"cause": str(error)})
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_SECONDS):
                    await over.wait()

    async def last_word(self) -> None:
        """Write the report. Raises OwnObjectError after many attempts."""
        for attempt in range(ATTEMPTS):
            try:
                await self._record.write({self._key: self._report()})
            except OwnObjectError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(RETRY)
            else:
                return
