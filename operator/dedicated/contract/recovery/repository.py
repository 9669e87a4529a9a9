"""What a listing of the repository shows: backups, archived segments by timeline, histories.

A listing is a fact with a time. It is not made in one instant: segments may arrive while it is read, and an
archiver that works in parallel stores a later one first. `archived_before` tells such a segment in flight
from one that is missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from dedicated.contract.recovery.wal import (
    SEGMENT,
    Ancestor,
    Segment,
    Stretch,
    history_in,
    segment_in,
    stretches,
)

BackupKind = Literal["full", "differential", "incremental"]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that the repository lists as complete.

    `first` and `last` are the segments that it needs to become consistent, `start` and `end` the positions
    in them. `needs` are labels of the backups that it refers to. `failed`: the engine itself recorded an
    error in it. `stored` are its own bytes in the repository, `database` those that it restores to.
    Started and completed are read from the engine's clock around it: whatever was committed before
    `started` is in it, and nothing after `completed` is needed for it.
    """

    label: str
    kind: BackupKind
    started: datetime
    completed: datetime
    first: Segment
    last: Segment
    start: int
    end: int
    needs: tuple[str, ...] = ()
    failed: bool = False
    stored: int = 0
    database: int = 0


@dataclass(frozen=True, slots=True)
class Archive:
    """Whole segments by timeline, and the timelines that have a history file."""

    segments: Mapping[int, tuple[Stretch, ...]] = field(default_factory=dict)
    histories: frozenset[int] = frozenset()

    @property
    def newest(self) -> int:
        """The highest timeline that anything is known of; 0 in an empty archive."""
        return max((*self.segments, *self.histories), default=0)


@dataclass(frozen=True, slots=True)
class Listing:
    """The repository at a time.

    `ancestors` is the history of the newest timeline, empty where it has none or could not be read.
    `archived_before` is the last segment that the primary's archiver had reported *before* the listing
    began; None where no primary answered. `bad` are the backups that a verification or a drill found bad.
    """

    at: datetime
    archive: Archive
    backups: tuple[Backup, ...]
    ancestors: tuple[Ancestor, ...] = ()
    archived_before: Segment | None = None
    bad: frozenset[str] = frozenset()
    segment_size: int = SEGMENT


@dataclass(frozen=True, slots=True)
class Damage:
    """What a verification read and found to be damaged: backups by their labels, and segments."""

    backups: frozenset[str] = frozenset()
    segments: frozenset[Segment] = frozenset()


def without(listing: Listing, damage: Damage) -> Listing:
    """The listing as a restore finds it: a damaged segment is as good as missing."""
    segments = dict(listing.archive.segments)
    for timeline in {segment.timeline for segment in damage.segments} & segments.keys():
        bad = {segment.number for segment in damage.segments if segment.timeline == timeline}
        pieces = (piece for stretch in segments[timeline] for piece in _split(stretch, bad))
        segments[timeline] = tuple(pieces)
    return replace(
        listing, archive=replace(listing.archive, segments=segments), bad=listing.bad | damage.backups
    )


def _split(stretch: Stretch, bad: Iterable[int]) -> Iterator[Stretch]:
    first = stretch.first
    for number in sorted(one for one in bad if stretch.first <= one <= stretch.last):
        if first < number:
            yield Stretch(first, number - 1)
        first = number + 1
    if first <= stretch.last:
        yield Stretch(first, stretch.last)


def archive_in(names: Iterable[str], *, size: int = SEGMENT) -> Archive:
    """An archive from the names of its files, without their folders."""
    numbers: dict[int, set[int]] = {}
    histories = set()
    for name in names:
        if (segment := segment_in(name, size=size)) is not None:
            numbers.setdefault(segment.timeline, set()).add(segment.number)
        elif (timeline := history_in(name)) is not None:
            histories.add(timeline)
    return Archive({line: stretches(found) for line, found in numbers.items()}, frozenset(histories))
