"""The newest and the earliest point that a restore from the repository reaches, and what that leaves exposed.

The newest point is never later than what a restore reaches: it is the time of a sample whose position is
in the archive, in one stretch from the newest backup that can be restored; where no sample is, the time at
which that backup began. The exposure is now minus the newest point; it grows by itself while the primary,
its archiver or the sampler is away, since nothing is promised for later than the last proof.

Between two listings the archiver's own report carries on the end of a listing without a gap, for as long
as the listing counts as fresh; the next one confirms it or not.
Limit: times of backups are of the engine's clock, times of samples of the sampler's. Where these differ,
so do the promises by as much.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from dedicated.contract.recovery.chain import Chain, chain, held, replayable
from dedicated.contract.recovery.repository import Backup, Listing
from dedicated.contract.recovery.sampling import Archiver, Memory, Sample
from dedicated.contract.recovery.wal import Segment, Stretch

LISTING_FRESH = timedelta(minutes=15)
"""An older listing carries nothing on, and says nothing of continuity now."""


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a restore is, in bytes a second: copying the database, replaying the log (measured)."""

    copy: int = 100_000_000
    replay: int = 60_000_000


@dataclass(frozen=True, slots=True)
class Recoverability:
    """What can be restored, as of a listing and the samples known with it.

    `backup` is the one that a restore to the newest point begins with; None: nothing can be restored.
    `frontier` is the position up to which the log is held from there. `earliest` is None too while no
    stretch of time can be named, such as until the first sample is archived after the first backup. `gaps`
    are missing segments on the way from `backup` to the end of what is held, `after_failover` whether one
    of them is the end of a former timeline: what a dead primary had not archived. `ahead_since` is the time
    of the oldest sample whose log was not archived yet. `superseded`: the primary is on a later timeline
    than was listed, so all of this waits for the next listing.
    """

    newest: datetime | None
    earliest: datetime | None
    backup: Backup | None
    frontier: int | None
    timeline: int
    listed_at: datetime
    gaps: tuple[Stretch, ...] = ()
    after_failover: bool = False
    ahead_since: datetime | None = None
    superseded: bool = False

    def exposure(self, now: datetime) -> timedelta | None:
        """How much would be lost if all copies of the database were lost now; None: all of it."""
        return None if self.newest is None else max(timedelta(0), now - self.newest)

    def headroom(self, now: datetime, objective: timedelta) -> timedelta | None:
        """What is left of the objective; negative where it is missed."""
        exposed = self.exposure(now)
        return None if exposed is None else objective - exposed

    def restore_time(self, rates: Rates) -> timedelta | None:
        """How long a restore to the newest point takes: the base is copied, then the log is replayed."""
        if self.backup is None or self.frontier is None:
            return None
        replayed = max(0, self.frontier - self.backup.start)
        seconds = Fraction(self.backup.database, rates.copy) + Fraction(replayed, rates.replay)
        return timedelta(seconds=float(seconds))


def recoverability(listing: Listing, memory: Memory, *, now: datetime) -> Recoverability:
    """What can be restored."""
    followed = chain(listing)
    found = held(listing, followed)
    usable = sorted(
        (backup for backup in listing.backups if replayable(backup, listing, followed, found)),
        key=lambda backup: (backup.end, backup.started),
    )
    timeline, latest = listing.archive.newest, memory.latest
    superseded = latest is not None and latest.timeline > timeline
    if not usable:
        return Recoverability(None, None, None, None, timeline, listing.at, superseded=superseded)
    backup = usable[-1]
    end = _holding(found, backup.first.number).last
    gaps = _gaps(listing, followed, found, backup)
    frontier = (end + 1) * listing.segment_size
    if not gaps and now - listing.at <= LISTING_FRESH:
        frontier = max(frontier, _carried(listing, memory.archiver))
    kept = [one for one in memory.samples if followed.contains(one.timeline, one.position)]
    inside = [one.at for one in kept if one.position <= frontier]
    newest = max([backup.started, *inside])
    stretch = _holding(found, end)
    earliest = min(old.completed for old in usable if stretch.first <= old.first.number)
    return Recoverability(
        newest=newest,
        earliest=earliest if earliest <= newest else None,
        backup=backup,
        frontier=frontier,
        timeline=timeline,
        listed_at=listing.at,
        superseded=superseded,
        gaps=gaps,
        after_failover=_ends_a_timeline(gaps, followed),
        ahead_since=_ahead_since(memory.samples, followed, frontier),
    )


def _holding(found: Iterable[Stretch], number: int) -> Stretch:
    """The stretch that a segment lies in."""
    return next(stretch for stretch in found if stretch.first <= number <= stretch.last)


def _gaps(
    listing: Listing, followed: Chain, found: tuple[Stretch, ...], backup: Backup
) -> tuple[Stretch, ...]:
    """What is missing after a backup: up to the last segment held, and where nothing behind them is held,
    up to the last fork, since whatever lies before it was finished, and up to what the archiver reported."""
    newest, done = followed.newest, _archived_before(listing)
    last_known = max(found[-1].last, newest.first - 1 if newest else 0, done or 0)
    behind = [stretch for stretch in found if stretch.last >= backup.first.number]
    ends = [*behind, Stretch(last_known + 1, last_known + 1)]
    missing = (Stretch(one.last + 1, other.first - 1) for one, other in pairwise(ends))
    return tuple(gap for gap in missing if gap.count > 0 and not _in_flight(gap, listing))


def _in_flight(gap: Stretch, listing: Listing) -> bool:
    """Whether the archiver had not come to a missing segment when the listing began.

    PostgreSQL's archiver reports in the order of segments, so what it had not reported is only late.
    """
    done = _archived_before(listing)
    return done is not None and gap.first > done


def _archived_before(listing: Listing) -> int | None:
    """What the archiver had reported on the newest timeline when the listing began."""
    done = listing.archived_before
    return done.number if done is not None and done.timeline == listing.archive.newest else None


def _carried(listing: Listing, readings: Sequence[Archiver]) -> int:
    """The end of what the archiver reported since the listing, on the timeline that was listed; else 0.

    Only where the listing was held against an earlier report: else what was reported then and is gone
    would be believed once more.
    """
    reading = readings[-1] if readings else None
    done: Segment | None = reading.segment(size=listing.segment_size) if reading else None
    if reading is None or done is None or reading.at < listing.at or _archived_before(listing) is None:
        return 0
    same = done.timeline == reading.timeline == listing.archive.newest
    return (done.number + 1) * listing.segment_size if same else 0


def _ends_a_timeline(gaps: Iterable[Stretch], followed: Chain) -> bool:
    forks = [branch.first for branch in followed.branches if branch.begin > 0]
    return any(gap.first < fork <= gap.last + 1 for gap in gaps for fork in forks)


def _ahead_since(samples: Sequence[Sample], followed: Chain, frontier: int) -> datetime | None:
    """The oldest sample, on the newest timeline, that lies behind the frontier."""
    newest = followed.newest
    return next(
        (
            one.at
            for one in samples
            if newest is not None and one.timeline == newest.timeline and one.position > frontier
        ),
        None,
    )
