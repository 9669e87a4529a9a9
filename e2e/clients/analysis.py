"""What the rows say: failures, latencies, outages, losses, and how much a limiter let through. No I/O."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from clients.rows import Kind, Row


@dataclass(frozen=True, slots=True)
class Outage:
    """Nobody was answered well from one instant to the other, in seconds since 1970."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Summary:
    """All requests of one kind. Latencies, in seconds, are those of good answers; None: there was none."""

    kind: Kind
    requests: int
    failed: int
    refused: int
    p50: float | None
    p99: float | None
    outage: float
    """Seconds of the longest outage, less the interval between requests."""
    acknowledged: tuple[str, ...]
    """Tokens of the writes that were answered well, in the order of the answers."""


def summary(rows: Sequence[Row], kind: Kind, *, interval: float) -> Summary:
    """What became of one kind. `interval`: seconds between two requests of it."""
    own = [row for row in rows if row.kind == kind]
    good = sorted((row for row in own if row.outcome == "ok"), key=lambda row: row.end)
    taken = sorted(row.seconds for row in good)
    longest = max((outage.seconds for outage in outages(own)), default=0.0)
    return Summary(
        kind=kind,
        requests=len(own),
        failed=sum(row.outcome == "failed" for row in own),
        refused=sum(row.outcome == "refused" for row in own),
        p50=percentile(taken, 50),
        p99=percentile(taken, 99),
        outage=max(0.0, longest - interval),
        acknowledged=tuple(row.token for row in good if row.token),
    )


def outages(rows: Sequence[Row]) -> list[Outage]:
    """Every time between two good answers that follow each other, and before the first and after the last.

    An answer counts when it has come: a request that waited through an outage does not shorten it.
    """
    if not rows:
        return []
    good = sorted(row.end for row in rows if row.outcome == "ok")
    marks = [min(row.at for row in rows), *good, max(row.end for row in rows)]
    return [Outage(begin, end) for begin, end in pairwise(marks)]


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent of the values do not exceed (nearest rank)."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def lost(acknowledged: Collection[str], kept: Collection[str]) -> list[str]:
    """Tokens that were acknowledged and that the database does not hold."""
    held = set(kept)
    return [token for token in acknowledged if token not in held]


def passed(rows: Sequence[Row], *, window: float) -> int:
    """The most requests that were answered well in any window of so many seconds, by the time of sending."""
    sent = sorted(row.at for row in rows if row.outcome == "ok")
    first, most = 0, 0
    for last, moment in enumerate(sent):
        while sent[first] <= moment - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def per_window(rows: Sequence[Row], *, window: float) -> list[int]:
    """How many were answered well in each window since the first request, by the time of sending."""
    if not rows:
        return []
    begin = min(row.at for row in rows)
    counts = [0] * (int((max(row.at for row in rows) - begin) // window) + 1)
    for row in rows:
        counts[int((row.at - begin) // window)] += row.outcome == "ok"
    return counts
