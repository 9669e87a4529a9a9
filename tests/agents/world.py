"""Knowledge, and the clocks that it lives by, moved by hand."""

from datetime import UTC, datetime, timedelta

from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.contract.recovery.repository import Archive, Backup, Listing
from dedicated.contract.recovery.wal import SEGMENT, Segment, Stretch
from dedicated.probes.database import Reading

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """One instance's knowledge at a time that is set."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.clock = Clock(wall=self.now, monotonic=lambda: self.passed)
        self.known = Knowledge(incarnation="uid", clock=self.clock, monotonic=lambda: self.passed)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def read(
        self,
        *,
        archived: str = "000000010000000000000003",
        timeline: int = 1,
        at: float = 0,
        start: str = "a",
    ) -> None:
        """A reading of the primary at so many seconds."""
        self.passed = at
        self.known.sampled(
            Reading(
                asked=self.now(),
                clock=self.now(),
                position=4 * SEGMENT + 100 + int(at),
                timeline=timeline,
                segment_size=SEGMENT,
                archived=archived,
                failures=0,
                start=start,
                up=timedelta(hours=1),
                checkpoint_timeout=timedelta(minutes=5),
                blocked=0,
                name="db-0",
                followers=(),
            )
        )

    def list_repository(self) -> None:
        """A listing of now: a full backup, and all segments up to the third."""
        started = NOW - timedelta(hours=1)
        backup = Backup(
            label="F",
            kind="full",
            started=started,
            completed=started + SECOND,
            first=Segment(1, 2),
            last=Segment(1, 2),
            start=2 * SEGMENT,
            end=2 * SEGMENT + 1,
        )
        archive = Archive({1: (Stretch(1, 3),)})
        self.known.listed(Listing(self.now(), archive, (backup,), archived_before=Segment(1, 3)))
