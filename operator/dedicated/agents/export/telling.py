"""What an export tells of itself while it runs, and its last word."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from dedicated.agents.export.settings import Settings
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.export import MANAGER, REPORT, Report, Step, report_json

TELL_SECONDS = 5.0
RETRY, ATTEMPTS = 5.0, 60
"""Seconds between two attempts to write the last word, and how many."""

logger = logging.getLogger(__name__)


class Telling:
    """The report of an export, and the record that it is written into."""

    def __init__(self, settings: Settings, report: Report, *, now: Callable[[], datetime]) -> None:
        self.report = report
        self.now = now
        self._record = OwnConfigMap(
            settings.api_server, settings.credentials, settings.namespace, settings.record, MANAGER
        )

    def step(self, step: Step) -> float:
        """Begin a step; the monotonic clock's time."""
        logger.info("step", extra={"step": step})
        self.report = replace(self.report, step=step, written=self.now(), done=0, total=0)
        return time.monotonic()

    def progress(self, done: int, total: int) -> None:
        """So many bytes of the step are done."""
        self.report = replace(self.report, done=done, total=total, written=self.now())

    def moved(self, count: int) -> None:
        """So many more are."""
        done = min(self.report.total, self.report.done + count)
        self.report = replace(self.report, done=done, written=self.now())

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Write the report now and then for the time of the block. A failure holds up nothing."""
        task = asyncio.create_task(self._tell(), name="telling")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self) -> None:
        written: Report | None = None
        while True:
            if self.report != written:
                try:
                    await self._write()
                    written = self.report
                except OwnObjectError as error:
                    logger.warning("the report cannot be written", extra={"cause": str(error)})
            await asyncio.sleep(TELL_SECONDS)

    async def last_word(self) -> None:
        """Write the report. Raises OwnObjectError after many attempts."""
        for attempt in range(ATTEMPTS):
            try:
                await self._write()
            except OwnObjectError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(RETRY)
            else:
                return

    async def _write(self) -> None:
        await self._record.write({REPORT: report_json(self.report)})
