"""What an agent knows at a moment: told by its loops, reckoned by the pure rules, read by writer and metrics.

Nothing here waits or asks. What was learned from the database, the repository and the store is kept apart, so
that one that is away takes nothing from what the others say.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.keeping import Kept
from dedicated.api.store import Store
from dedicated.contract.recovery.duties import Duty, duties
from dedicated.contract.recovery.following import dated, followed
from dedicated.contract.recovery.points import Recoverability, recoverability
from dedicated.contract.recovery.report import (
    KEPT,
    Failover,
    Member,
    Replication,
    Report,
    Standby,
    Trouble,
    What,
)
from dedicated.contract.recovery.repository import Damage, Listing, without
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import FRESH, Archiver, Memory, Primary, Sample, remembered
from dedicated.contract.recovery.wal import Segment, segment_in
from dedicated.probes.database import Reading
from dedicated.probes.members import Answer


class Knowledge:
    """The facts of one instance. `changed` is called whenever there is something new to tell."""

    def __init__(
        self,
        *,
        incarnation: str,
        clock: Clock,
        monotonic: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.memory = Memory()
        self.listing: Listing | None = None
        self.found: Recoverability | None = None
        self.replication: Replication | None = None
        self.members: tuple[Member, ...] = ()
        self.failover: Failover | None = None
        self.stores: tuple[Store, ...] = ()
        self.damage = Damage()
        self.segment_size = 0
        self._incarnation = incarnation
        self._clock = clock
        self._monotonic = monotonic
        self._changed = changed
        self._sampled: float | None = None
        self._checkpointed: tuple[str, datetime] = ("", datetime.min)
        self._start = ""
        self._troubles: dict[tuple[What, str], Trouble] = {}

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is wrong now, oldest first."""
        return tuple(sorted(self._troubles.values(), key=lambda one: one.since))

    @property
    def archived_before(self) -> Segment | None:
        """What the archiver said just now to have archived last; None where it said nothing lately."""
        reading = self.memory.archiver[-1] if self.memory.archiver else None
        if reading is None or self._clock() - reading.at > FRESH:
            return None
        return reading.segment(size=self.segment_size)

    def duties(self) -> tuple[Duty, ...]:
        """What is to be done now."""
        return duties(self.memory, self.listing, self.found, now=self._clock())

    def recall(self, kept: Kept) -> None:
        """Add what was kept of before a restart, unless samples taken since then do not come after it."""
        fresh = self.memory.samples
        self.segment_size = self.segment_size or kept.segment_size
        self.failover = self.failover or kept.failover
        if self.damage == Damage():
            self.damage = kept.damage
            if self.listing is not None:
                self.listed(self.listing)
        if not kept.samples or (fresh and fresh[0].at <= kept.samples[-1].at):
            return
        if fresh and fresh[0].timeline > kept.samples[-1].timeline:
            last = kept.samples[-1]
            self.failover = Failover(last.at, fresh[0].at, fresh[0].timeline)
        self.memory = replace(self.memory, samples=(*kept.samples, *fresh))
        self._reckon()

    def sampled(self, reading: Reading) -> None:
        """A reading of the primary."""
        self.segment_size = reading.segment_size
        self._start = reading.start
        old, now = self.memory.latest, self._monotonic()
        sample = Sample(reading.asked, reading.position, reading.timeline)
        self.memory = remembered(
            self.memory,
            sample,
            Archiver(reading.asked, reading.timeline, self._archived(reading), reading.failures),
            primary=self._primary(reading),
            elapsed=None if self._sampled is None else timedelta(seconds=now - self._sampled),
        )
        self._sampled = now
        if old is not None and sample.timeline > old.timeline:
            self.failover = Failover(old.at, sample.at, sample.timeline)
        seen = Replication(
            at=reading.asked,
            primary=reading.name,
            timeline=reading.timeline,
            position=reading.position,
            standbys=tuple(
                Standby(one.name, one.state, one.sync, one.flushed, one.address) for one in reading.followers
            ),
            blocked=reading.blocked,
            address=reading.endpoint,
            members=self.members,
            ancestors=self.listing.ancestors if self.listing else (),
        )
        self.replication = followed(self.replication, seen)
        self.end("Database")
        self._reckon()

    def answered(self, answers: Iterable[Answer]) -> None:
        """What the servers say of themselves; told with the next reading of the primary."""
        self.members = dated(self.members, map(_member, answers))

    def checkpointed(self, start: str, at: datetime) -> None:
        """A checkpoint that was asked for at a time is done, in a run of the server."""
        self._checkpointed = (start, at)
        primary = self.memory.primary
        if primary is not None and start == self._start:
            self.memory = replace(self.memory, primary=replace(primary, checkpointed=at))

    @property
    def start(self) -> str:
        """The run of the server that was sampled last."""
        return self._start

    def listed(self, listing: Listing) -> None:
        """A listing of the repository. What was found to be damaged is not counted."""
        self.listing = without(listing, self.damage)
        self.end("Repository")
        self._reckon()

    def verified(self, damage: Damage) -> None:
        """What a verification of the repository found; it counts from the next listing on."""
        self.damage = damage
        self.end("Repository", "verify")

    def checked(self, stores: tuple[Store, ...]) -> None:
        """What the object store says."""
        self.stores = stores
        self._changed()

    def trouble(self, what: What, cause: str, part: str = "") -> None:
        """Something went wrong; since when is kept while it lasts, whatever its cause then is."""
        known = self._troubles.get((what, part))
        self._troubles[what, part] = Trouble(what, known.since if known else self._clock(), cause)
        if (what, part) == ("Database", "") and self.replication is not None:
            self.replication = replace(self.replication, away=self._troubles[what, part].since)
        self._changed()

    def end(self, what: What, part: str = "") -> None:
        """It works again."""
        if self._troubles.pop((what, part), None) is not None:
            self._changed()

    def report(self) -> Report:
        """What there is to tell the operator."""
        latest = self.memory.latest
        return Report(
            written=self._clock(),
            incarnation=self._incarnation,
            found=self.found,
            memory=replace(self.memory, samples=(latest,) if latest else ()),
            backups=_runs(self.listing),
            replication=self.replication,
            failover=self.failover,
            stores=self.stores,
            troubles=self.troubles,
        )

    def _primary(self, reading: Reading) -> Primary:
        start, at = self._checkpointed
        return Primary(
            started=reading.asked - reading.up,
            checkpointed=at if start == reading.start else None,
            checkpoint_timeout=reading.checkpoint_timeout,
        )

    def _archived(self, reading: Reading) -> str:
        """The last segment archived, where the last file is the label of a backup or a history.

        A label is written when its backup ends, and archived after the segment that it is named by.
        """
        if segment_in(reading.archived, size=reading.segment_size) is not None:
            return reading.archived
        if reading.archived.endswith(".backup"):
            return reading.archived.partition(".")[0]
        last = self.memory.archiver[-1] if self.memory.archiver else None
        return last.last if last is not None and last.timeline == reading.timeline else ""

    def _reckon(self) -> None:
        if difference := self._clock.difference():
            self.trouble("Clock", difference)
        else:
            self.end("Clock")
        if self.listing is not None:
            self.found = recoverability(self.listing, self.memory, now=self._clock())
        self._changed()


def _member(answer: Answer) -> Member:
    return Member(
        at=answer.at,
        name=answer.name,
        address=answer.address,
        standby=answer.standby,
        following=answer.following,
        timeline=answer.timeline,
        position=answer.position,
    )


def _runs(listing: Listing | None) -> tuple[BackupRun, ...]:
    backups = sorted(listing.backups if listing else (), key=lambda one: one.started, reverse=True)
    return tuple(
        BackupRun(
            kind=one.kind,
            started=one.started,
            finished=one.completed,
            failed=one.failed,
            stored=one.stored,
            label=one.label,
        )
        for one in backups[:KEPT]
    )
