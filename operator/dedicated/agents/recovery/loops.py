"""When something is asked: the primary, the repository, the store, each in a loop of its own.

None waits for another, and each asks with a limit of time: what is away is asked again, and the others go
on. A listing begins with a reading of the primary, so that what its archiver had reported *before* is
known.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.agents.recovery.repositories import Repository, set_back
from dedicated.agents.recovery.stores import Places
from dedicated.probes.database import Database, DatabaseError
from dedicated.probes.members import Answer
from dedicated.probes.repository import RepositoryError

AUDIT_SOON = timedelta(seconds=60)
"""Between two listings while a backup is awaited, or the last listing failed."""
AUDIT_AT_ONCE = timedelta(seconds=10)
"""Between two listings where each finds a timeline older than the primary's."""
CHECK_EVERY = timedelta(hours=1)
"""Between two checks of the store, which ask for all that a place must be. Whether it answers is asked as
often as the primary is."""
CHECK_SOON = timedelta(minutes=5)
"""After a check while a place was away, and as long as there is no backup: who mends what keeps the first
from being made does not wait for an hour."""

VERIFY_FIRST = timedelta(minutes=10)
"""From the start of the agent to the first verification."""
VERIFY_SOON = timedelta(hours=1)
"""After one that failed."""

Ask = Callable[[], Awaitable[tuple[Answer, ...]]]
"""Asks every server of the cluster about itself; never raises, and has a limit of time."""

logger = logging.getLogger(__name__)


class Loops:
    """The loops of one agent."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        clock: Clock,
        database: Database,
        repository: Repository,
        places: Places | None,
        members: Ask | None = None,
        sample_every: timedelta,
        audit_every: timedelta,
        verify_every: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._known = knowledge
        self._clock = clock
        self._database = database
        self._repository = repository
        self._places = places
        self._members = members
        self._sample_every = sample_every
        self._audit_every = audit_every
        self._verify_every = verify_every
        self._monotonic = monotonic
        self._sampling = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._heard = False
        self.tried = monotonic()

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample_always(), name="samples")
            group.create_task(self._checkpoint_always(), name="checkpoints")
            if self._members is not None:
                group.create_task(self._ask_members_always(self._members), name="members")
            group.create_task(self._audit_always(), name="listings")
            group.create_task(self._verify_always(), name="verifications")
            if self._places is not None:
                group.create_task(self._ask_places_always(self._places), name="places")

    async def _sample_always(self) -> None:
        try:
            while True:
                await self._sample()
                await asyncio.sleep(self._sample_every.total_seconds())
        finally:
            await self._database.close()

    async def _ask_members_always(self, ask: Ask) -> None:
        while True:
            self._known.answered(await ask())
            await asyncio.sleep(self._sample_every.total_seconds())

    async def _sample(self) -> None:
        async with self._sampling:
            self.tried = self._monotonic()
            try:
                reading = await self._database.read()
                if not self._heard:
                    # The time of a first reading is of our clock alone: with the server's heard, once more.
                    self._clock.heard("Database", reading.clock)
                    self._heard = True
                    reading = await self._database.read()
            except DatabaseError as error:
                self._known.trouble("Database", str(error))
                return
            self._clock.heard("Database", reading.clock)
            self._known.sampled(reading)
        if any(duty.what == "Audit" and duty.reason == "TimelineChanged" for duty in self._known.duties()):
            self._wanted.set()

    async def _checkpoint_always(self) -> None:
        while True:
            asked = {duty.what: duty for duty in self._known.duties()}.get("Checkpoint")
            if asked is not None:
                await self._checkpoint(asked.reason)
            await asyncio.sleep(self._sample_every.total_seconds() / 2)

    async def _checkpoint(self, reason: str) -> None:
        start, at = self._known.start, self._clock()
        try:
            await self._database.checkpoint()
        except DatabaseError as error:
            self._known.trouble("Database", f"no checkpoint: {error}", "checkpoint")
            return
        self._known.end("Database", "checkpoint")
        self._known.checkpointed(start, at)
        logger.info("checkpoint made", extra={"reason": reason})

    async def _audit_always(self) -> None:
        while True:
            # A known end of the log is not needed where the primary is away: then nothing is in flight.
            await self._sample()
            listed = await self._audit()
            self._wanted.clear()
            awaited = not listed or any(one.what in {"Differential", "Full"} for one in self._known.duties())
            pause = min(self._audit_every, AUDIT_SOON) if awaited else self._audit_every
            at_once = min(pause, AUDIT_AT_ONCE)
            await asyncio.sleep(at_once.total_seconds())
            try:
                async with asyncio.timeout((pause - at_once).total_seconds()):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _audit(self) -> bool:
        size = self._known.segment_size
        if not size:
            return False
        at: datetime = self._clock()
        try:
            listing = await self._repository.listing(
                at=at, archived_before=self._known.archived_before, segment_size=size
            )
        except RepositoryError as error:
            self._known.trouble("Repository", str(error))
            return False
        self._known.listed(set_back(listing, self._clock.ahead("Database")))
        return True

    async def _verify_always(self) -> None:
        pause = min(VERIFY_FIRST, self._verify_every)
        while True:
            await asyncio.sleep(pause.total_seconds())
            pause = min(VERIFY_SOON, self._verify_every)
            if not self._known.segment_size:
                continue
            try:
                damage = await self._repository.verify(segment_size=self._known.segment_size)
            except RepositoryError as error:
                self._known.trouble("Repository", f"not verified: {error}", "verify")
                continue
            self._known.verified(damage)
            self._wanted.set()
            pause = self._verify_every

    async def _ask_places_always(self, places: Places) -> None:
        due = self._monotonic()
        while True:
            if away := await places.away():
                self._known.trouble("Store", away)
            else:
                self._known.end("Store")
            if self._monotonic() >= due:
                self._known.checked(await places.check())
                listing = self._known.listing
                settled = not away and listing is not None and listing.backups
                due = self._monotonic() + (CHECK_EVERY if settled else CHECK_SOON).total_seconds()
            await asyncio.sleep(self._sample_every.total_seconds())
