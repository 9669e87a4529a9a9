"""When what is known is written down: at a transition at once, else once in a while, and never in a flood.

A transition is a change of what somebody acts on: a judgement, a trouble that begins or ends, a timeline, a
failover, a backup, a standby. Before the first write the record is read, so that the samples of before a
restart are not lost; until it could be read nothing is written, however long that takes.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.keeping import from_data, to_text
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.agents.running import pause
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.failover import standings
from dedicated.contract.recovery.conditions import next_change, rpo_met, wal_archiving, wal_continuous
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.report import REPORT, SAMPLES, Report, to_json

SPACING = timedelta(seconds=5)
"""Between two writes at least, whatever changes."""
RETRY = timedelta(seconds=15)
"""After a request that failed."""

logger = logging.getLogger(__name__)


class Writer:
    """Keeps one record as true as may be. `changed` wakes it."""

    def __init__(
        self,
        *,
        record: OwnConfigMap,
        knowledge: Knowledge,
        clock: Clock,
        objectives: RecoveryObjectives,
        incarnation: str,
        every: timedelta,
        monotonic: Callable[[], float],
        changed: asyncio.Event,
    ) -> None:
        self._record = record
        self._known = knowledge
        self._clock = clock
        self._objectives = objectives
        self._incarnation = incarnation
        self._every = every.total_seconds()
        self._monotonic = monotonic
        self._changed = changed
        self._told: object = None
        self.written: datetime | None = None
        self.problem = "it was not read yet"

    async def run(self) -> None:
        """Read the record, then write it until cancelled."""
        await self._recall()
        last = -self._every
        while True:
            self._changed.clear()
            report = self._known.report()
            signature = self._signature(report)
            wait = last + self._every - self._monotonic()
            if signature != self._told:
                wait = min(wait, last + SPACING.total_seconds() - self._monotonic())
            if wait <= 0:
                done = await self._write(report)
                last = self._monotonic() + (0 if done else RETRY.total_seconds() - self._every)
                self._told = signature if done else self._told
                continue
            await pause(self._changed, min(wait, self._until_next_change()))

    async def _recall(self) -> None:
        """Add what was written before a restart, as soon as it can be read."""
        while True:
            try:
                data = await self._record.read()
            except OwnObjectError as error:
                self._tell_problem(str(error))
                await asyncio.sleep(RETRY.total_seconds())
            else:
                self._known.recall(from_data(data, incarnation=self._incarnation))
                return

    async def _write(self, report: Report) -> bool:
        samples = to_text(
            self._known.memory.samples,
            segment_size=self._known.segment_size,
            incarnation=self._incarnation,
            damage=self._known.damage,
        )
        try:
            await self._record.write({REPORT: to_json(report), SAMPLES: samples})
        except OwnObjectError as error:
            self._tell_problem(str(error))
            return False
        self.written, self.problem = report.written, ""
        return True

    def _until_next_change(self) -> float:
        now = self._clock()
        change = next_change(self._known.found, self._known.memory, self._objectives, now=now)
        return self._every if change is None else max(1.0, (change - now).total_seconds())

    def _signature(self, report: Report) -> object:
        """What a transition is a change of."""
        found, memory, now = report.found, self._known.memory, self._clock()
        judged = (
            rpo_met(found, memory, self._objectives, zone="UTC", now=now),
            wal_archiving(found, memory, self._objectives, zone="UTC", now=now),
            wal_continuous(found, zone="UTC", now=now),
        )
        followed = report.replication
        return (
            [(one.status, one.reason) for one in judged],
            [(one.what, one.since) for one in report.troubles],
            [run.label for run in report.backups],
            report.failover,
            (found.timeline, found.gaps) if found else None,
            followed and (followed.primary, followed.timeline, followed.blocked > 0, followed.away),
            followed and [(one.name, one.sync) for one in followed.standbys],
            followed and [(one.name, one.state, one.timeline) for one in standings(followed, ())],
            [replace(one, at=report.written.min) for one in report.stores],
        )

    def _tell_problem(self, cause: str) -> None:
        if cause != self.problem:
            logger.warning("the record cannot be kept", extra={"cause": cause})
        self.problem = cause
