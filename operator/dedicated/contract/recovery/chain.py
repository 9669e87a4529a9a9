"""Which write-ahead log a restore follows: the newest timeline and its ancestors, and what is held of it.

PostgreSQL replays a segment from the newest timeline whose beginning is not behind it. It would fall back
to an older timeline's file of that number, which past the fork holds what a dead primary wrote for
itself; here such a segment counts as missing, so that nothing is promised from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from dedicated.contract.recovery.repository import Backup, Listing
from dedicated.contract.recovery.wal import Stretch


@dataclass(frozen=True, slots=True)
class Branch:
    """A timeline of the chain: the positions from which and up to which the log is its own.

    `end` is None for the newest. `first` is the segment in which it begins.
    """

    timeline: int
    begin: int
    end: int | None
    first: int


@dataclass(frozen=True, slots=True)
class Chain:
    """The timelines of a restore to the latest point, oldest first; none in an empty archive."""

    branches: tuple[Branch, ...]

    @property
    def newest(self) -> Branch | None:
        """The timeline that the chain ends with."""
        return self.branches[-1] if self.branches else None

    def contains(self, timeline: int, at: int) -> bool:
        """Whether a position of a timeline is history that was kept: not behind the fork of its child."""
        return any(
            branch.timeline == timeline and branch.begin <= at and (branch.end is None or at <= branch.end)
            for branch in self.branches
        )


def chain(listing: Listing) -> Chain:
    """The chain that the listing tells of. Without the newest timeline's history it has no ancestors."""
    newest = listing.archive.newest
    if newest == 0:
        return Chain(())
    ancestors = listing.ancestors if newest in listing.archive.histories else ()
    timelines = [*(ancestor.timeline for ancestor in ancestors), newest]
    ends = [*(ancestor.end for ancestor in ancestors), None]
    begins = [0, *(ancestor.end for ancestor in ancestors)]
    return Chain(
        tuple(
            Branch(timeline, begin, end, begin // listing.segment_size)
            for timeline, begin, end in zip(timelines, begins, ends, strict=True)
        )
    )


def held(listing: Listing, followed: Chain) -> tuple[Stretch, ...]:
    """The segments that a restore along the chain finds, as stretches without a gap.

    A timeline owns the segments from the one in which it begins to the one before its child's first.
    """
    found: list[Stretch] = []
    for branch, until in _owners(followed):
        for stretch in listing.archive.segments.get(branch.timeline, ()):
            first = max(stretch.first, branch.first)
            last = stretch.last if until is None else min(stretch.last, until)
            if first > last:
                continue
            if found and found[-1].last + 1 == first:
                first = found.pop().first
            found.append(Stretch(first, last))
    return tuple(found)


def _owners(followed: Chain) -> Iterator[tuple[Branch, int | None]]:
    """Each timeline with the last segment that is its own; None for the newest."""
    for branch, child in pairwise(followed.branches):
        yield branch, child.first - 1
    if followed.newest is not None:
        yield followed.newest, None


def replayable(backup: Backup, listing: Listing, followed: Chain, found: tuple[Stretch, ...]) -> bool:
    """Whether a restore of the backup becomes consistent and goes on along the chain.

    It and all that it refers to are listed and good, its end is history that was kept, its own segments
    are held, and the history of each later timeline is there: PostgreSQL looks for them one by one, and
    stays on the timeline before the first that is missing.
    """
    known = {other.label for other in listing.backups if not other.failed and other.label not in listing.bad}
    timeline, newest = backup.first.timeline, listing.archive.newest
    return (
        known.issuperset({backup.label, *backup.needs})
        and backup.last.timeline == timeline
        and followed.contains(timeline, backup.start)
        and followed.contains(timeline, backup.end)
        and listing.archive.histories.issuperset(range(timeline + 1, newest + 1))
        and any(s.first <= backup.first.number and backup.last.number <= s.last for s in found)
    )
