"""When the report is written: at a transition at once, else now and then, and never in a flood.

A transition is what the next replica, or the operator, acts on. Figures that differ by what scatters are no
difference; the report is written anew all the same once in a while, since one that ages says nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from dedicated.agents.limiter.state import State
from dedicated.agents.running import pause
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.limiter_report import REST, Report, key_of, material, to_json

SPACING = 1.0
"""Seconds between two writes at least, whatever changes."""
BUSY = 20.0
"""Seconds between two writes while a change is under way: the next replica waits for this one."""
RETRY = 5.0

logger = logging.getLogger(__name__)


class Teller:
    """Writes one report. `changed` wakes it."""

    def __init__(
        self,
        *,
        record: OwnConfigMap,
        state: State,
        every: timedelta,
        monotonic: Callable[[], float],
        changed: asyncio.Event,
    ) -> None:
        self._record = record
        self._state = state
        self._every = every.total_seconds()
        self._monotonic = monotonic
        self._changed = changed
        self._told: Report | None = None
        self.problem = "it was not written yet"

    async def run(self) -> None:
        """Write until cancelled."""
        last = self._monotonic() - REST
        while True:
            self._changed.clear()
            report = self._state.report()
            wait = last + self._due(report) - self._monotonic()
            if wait > 0:
                await pause(self._changed, min(wait, SPACING * 10))
            elif await self._write(report):
                last, self._told = self._monotonic(), report
            else:
                await asyncio.sleep(RETRY)

    def _due(self, report: Report) -> float:
        """Seconds after the last write at which the next is due."""
        told = self._told
        if told is None or _acted_on(told) != _acted_on(report):
            return SPACING
        if not report.proven:
            return BUSY
        return self._every if material(told) != material(report) else REST

    async def _write(self, report: Report) -> bool:
        try:
            await self._record.write({key_of(report.replica): to_json(report)})
        except OwnObjectError as error:
            if str(error) != self.problem:
                logger.warning("the report cannot be written", extra={"cause": str(error)})
            self.problem = str(error)
            return False
        self.problem = ""
        return True


def _acted_on(report: Report) -> object:
    told = (report.phase, report.message, report.content, report.wanted, report.policy_hash)
    return (*told, report.thresholds, report.apart, report.proof)
