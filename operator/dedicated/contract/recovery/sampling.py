"""What is remembered of the running primary: positions at times, and what its archiver says.

**A sample is, in this order, a time, a heartbeat (a tiny commit of the sampler's own), and the position
behind it.** Whatever was committed by that time then lies before that position. Without the heartbeat an
idle database stands a few bytes behind a segment's boundary for ever, no further segment is closed, and
the exposure of a database in which nothing happens would grow without end. And a sample of a primary that
was cut off and replaced shows as such: its heartbeat is not in the log that its successor began with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.contract.recovery.wal import SEGMENT, Segment, segment_in

FRESH = timedelta(minutes=2)
"""Older than this, a sample says nothing of now."""
EVERY = timedelta(minutes=10)
"""For so long every sample is kept."""
CLOSE = timedelta(hours=2)
"""Of older ones, one in each stretch of `MEDIUM`."""
MEDIUM = timedelta(seconds=30)
COARSE = timedelta(minutes=10)
"""Of still older ones, one in each such stretch."""
FAR = timedelta(hours=26)
"""And none beyond: by then a full backup is overdue (B-1)."""


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """The end of the write-ahead log on a timeline, at or after a time."""

    at: datetime
    position: int
    timeline: int


@dataclass(frozen=True, slots=True)
class Archiver:
    """What `pg_stat_archiver` said at a time; `failures` counts since its statistics were reset."""

    at: datetime
    timeline: int
    last: str = ""
    failures: int = 0

    def segment(self, *, size: int = SEGMENT) -> Segment | None:
        """The last segment archived; None where it was another file, or none yet."""
        return segment_in(self.last, size=size)


@dataclass(frozen=True, slots=True)
class Primary:
    """A running primary: since when, its last checkpoint that was asked for, and its checkpoint interval.

    `checkpointed` is None where none was asked for since the start.
    """

    started: datetime
    checkpointed: datetime | None
    checkpoint_timeout: timedelta


@dataclass(frozen=True, slots=True)
class Memory:
    """Samples in the order of their times, and readings of the archiver, oldest first, the last one of now.

    The readings are of one row without a success: each names the same last segment.
    """

    samples: tuple[Sample, ...] = ()
    archiver: tuple[Archiver, ...] = ()
    primary: Primary | None = None

    @property
    def latest(self) -> Sample | None:
        """The newest sample."""
        return self.samples[-1] if self.samples else None


READINGS = 3
"""Readings of the archiver that are kept: failures count where they rose in two steps."""
APART = timedelta(seconds=75)
"""Between the first two of these. PostgreSQL tries three times in a row, then rests for up to 60 s: what
rose within one such row is one failure, and two readings in a rest show no rise, however long it fails."""
STEP = timedelta(seconds=5)
"""By how much a clock may be set back without doubt falling on the times before."""


def remembered(
    memory: Memory,
    sample: Sample,
    archiver: Archiver,
    *,
    primary: Primary | None = None,
    elapsed: timedelta | None = None,
) -> Memory:
    """The memory with one more sample.

    `elapsed` is what a clock that is never set says to lie between the last sample and this one; None after
    a restart. Where the clock of the samples was set back, their times were too late for their positions,
    nobody knows since when, and would promise too much: they are forgotten. One set forward made them too
    early, which only promises less.
    """
    old = memory.latest
    if old is not None and sample.at <= old.at + (elapsed - STEP if elapsed else timedelta(0)):
        memory = Memory()
    return Memory(
        samples=_thinned([*memory.samples, sample]),
        archiver=(*_row(memory.archiver, archiver), archiver),
        primary=primary,
    )


def _row(known: Sequence[Archiver], latest: Archiver) -> tuple[Archiver, ...]:
    """The readings that the latest one continues: the last before a rise, and the first well after it."""
    row = [one for one in known if (one.timeline, one.last) == (latest.timeline, latest.last)]
    kept, last = row[:-1], row[-1:]
    if not kept or (len(kept) == 1 and last[0].failures == kept[0].failures):
        return tuple(last)
    if len(kept) == 1 and last[0].at - kept[0].at >= APART:
        kept += last
    return tuple(kept)


def _thinned(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The newest ones, and the first of each stretch of the clock behind them."""
    now = samples[-1].at
    kept: list[Sample] = []
    last = (timedelta(0), -1.0)
    for sample in samples:
        age = now - sample.at
        if age > FAR:
            continue
        length = COARSE if age > CLOSE else MEDIUM
        stretch = (length, sample.at.timestamp() // length.total_seconds())
        if age <= EVERY or stretch != last:
            kept.append(sample)
        last = stretch
    return tuple(kept)
