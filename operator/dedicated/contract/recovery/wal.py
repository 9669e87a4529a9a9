"""Names and positions of PostgreSQL's write-ahead log: segments, positions (LSN), histories of timelines.

A position is a number of bytes since the cluster was made; a segment is a file of a fixed size, `SEGMENT`
unless the cluster was made otherwise; its number times its size is the position of its first byte. A
promotion begins a new timeline at a position, and the new timeline's first segment starts with a copy of
its parent's bytes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

SEGMENT = 16 * 1024 * 1024
"""Bytes of a segment by default (`wal_segment_size`)."""
HIGH = 1 << 32
"""Bytes that the middle part of a segment's name counts in, and the high part of a position."""
SEGMENT_NAME = re.compile(r"([0-9A-F]{24})(?:-[0-9a-f]{40})?(?:\.(?:gz|lz4|zst|bz2|xz|snappy))?")
"""A whole segment: PostgreSQL's name, and what archivers append: a checksum, a compression."""
HISTORY_NAME = re.compile(r"([0-9A-F]{8})\.history(?:\.(?:gz|lz4|zst|bz2|xz|snappy))?")
POSITION = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A segment of a timeline."""

    timeline: int
    number: int


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Segment numbers without a gap, both ends included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many segments."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A line of a history file: the timeline that ended, and the position at which its child begins."""

    timeline: int
    end: int


def segment_in(name: str, *, size: int = SEGMENT) -> Segment | None:
    """The segment that a file of the archive is; None for what replay cannot use alone.

    A `.partial` segment, a `.backup` label and a `.history` file are no segments.
    """
    found = SEGMENT_NAME.fullmatch(name)
    if found is None:
        return None
    timeline, high, low = (int(found[1][start : start + 8], 16) for start in (0, 8, 16))
    in_high = HIGH // size
    if timeline == 0 or low >= in_high:
        return None
    return Segment(timeline, high * in_high + low)


def segment_name(segment: Segment, *, size: int = SEGMENT) -> str:
    """PostgreSQL's name of a segment."""
    high, low = divmod(segment.number, HIGH // size)
    return f"{segment.timeline:08X}{high:08X}{low:08X}"


def history_in(name: str) -> int | None:
    """The timeline whose history a file of the archive is, or None."""
    found = HISTORY_NAME.fullmatch(name)
    return int(found[1], 16) if found else None


def position(text: str) -> int:
    """The position that a text such as 0/80153C0 states. Raises ValueError for any other form."""
    found = POSITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:32]!r} is not a position in the write-ahead log, such as 0/80153C0")
    return int(found[1], 16) * HIGH + int(found[2], 16)


def position_text(at: int) -> str:
    """A position as PostgreSQL writes it."""
    high, low = divmod(at, HIGH)
    return f"{high:X}/{low:X}"


def ancestry(timeline: int, text: str) -> tuple[Ancestor, ...]:
    """What the history file of a timeline tells, oldest ancestor first.

    Raises ValueError where it does not lead to the timeline: numbers fall, positions go back, a line cannot
    be read. Such a file is never half believed.
    """
    found: list[Ancestor] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split(maxsplit=2)
        if not words:
            continue
        if len(words) < 2 or not words[0].isdecimal():
            raise ValueError(f"the history of timeline {timeline} has a line {line[:64]!r}")
        found.append(Ancestor(int(words[0]), position(words[1])))
    ordered = [*(ancestor.timeline for ancestor in found), timeline]
    ends = [ancestor.end for ancestor in found]
    if not found or ordered != sorted(set(ordered)) or ends != sorted(ends):
        raise ValueError(f"the history of timeline {timeline} is not in order")
    return tuple(found)


def stretches(numbers: Iterable[int]) -> tuple[Stretch, ...]:
    """Numbers as stretches without a gap, in order; a listing of a million segments is then a few of them."""
    found: list[Stretch] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1].last + 1:
            found[-1] = Stretch(found[-1].first, number)
        else:
            found.append(Stretch(number, number))
    return tuple(found)
