"""What is reckoned from a measurement: outages, losses, how long it took until something was told. Pure.

An outage is counted as clients see it, from the last good answer before a failure to the first good answer
after it: so it is never shorter than the truth, and at most one interval between requests longer. Where
nothing failed there was none, however seldom clients asked. One failure between two good answers is a failed
request, counted as such, and no outage: how long it lasted, clients that ask once a second cannot tell.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from clients import analysis
from clients.rows import KINDS, Kind, Row
from scenarios.record import Measurement, State

OUTAGE = 2
"""Failures in a row that make an outage."""


def outages(rows: Sequence[Row], kind: Kind) -> tuple[analysis.Outage, ...]:
    """All outages of one kind, in order of time.

    One that nothing good came before began with the first request, one that nothing good came after lasted
    until the last was over.
    """
    own = [row for row in rows if row.kind == kind]
    bad = [row.end for row in own if row.outcome != "ok"]
    return tuple(
        gap
        for gap in analysis.outages(own)
        if sum(gap.begin <= end <= gap.end for end in bad) >= OUTAGE
    )


def longest(measurement: Measurement, kind: Kind | None = None) -> float:
    """Seconds of the longest outage, of one kind or of any; 0 without any."""
    asked_for = kinds(measurement) if kind is None else (kind,)
    return max((gap.seconds for one in asked_for for gap in outages(measurement.rows, one)), default=0.0)


def kinds(measurement: Measurement) -> tuple[Kind, ...]:
    """What clients asked for."""
    seen = {row.kind for row in measurement.rows}
    return tuple(kind for kind in KINDS if kind in seen)


def failed(measurement: Measurement) -> int:
    """Requests without a good answer; one that the limiter refused counts."""
    return sum(row.outcome != "ok" for row in measurement.rows)


def asked(measurement: Measurement) -> int:
    """Requests in all."""
    return len(measurement.rows)


def acknowledged(measurement: Measurement) -> frozenset[str]:
    """Tokens of the writes that were answered well."""
    return frozenset(row.token for row in measurement.rows if row.outcome == "ok" and row.token)


def lost(measurement: Measurement) -> int | None:
    """Writes that were acknowledged and are not in the database; None where it was not asked."""
    if measurement.stored is None:
        return None
    return len(analysis.lost(acknowledged(measurement), measurement.stored))


ABSENT = "absent"
"""The value of what is not there: a finding that does not stand, a condition not yet written."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch in which a state held."""

    begun: float
    ended: float
    value: str
    reason: str


def bands(
    states: Iterable[State], subject: str, name: str, *, begun: float, ended: float
) -> tuple[Band, ...]:
    """The stretches of one state, cut to what was measured."""
    changes = sorted(
        (one for one in states if (one.subject, one.name) == (subject, name)), key=lambda one: one.at
    )
    ends = [one.at for one in changes[1:]] + [ended]
    cut = (
        Band(max(one.at, begun), min(end, ended), one.value, one.reason)
        for one, end in zip(changes, ends, strict=False)
    )
    return tuple(band for band in cut if band.ended > band.begun)


Test = Callable[[State], bool]


def first_told(states: Iterable[State], test: Test, *, since: float) -> float | None:
    """Seconds from `since` until a state came that passes; None if none came."""
    found = [one.at for one in states if one.at >= since and test(one)]
    return min(found) - since if found else None


def steady(states: Iterable[State], *, subject: str, name: str, value: str, since: float) -> float | None:
    """Seconds from `since` until a state had a value that it kept to the end; None if it did not keep it.

    0 where it never had another since.
    """
    changes = sorted(
        (one for one in states if (one.subject, one.name) == (subject, name)), key=lambda one: one.at
    )
    last = changes[-1].value if changes else ABSENT
    if last != value:
        return None
    kept = since
    for one in reversed(changes):
        if one.value != value:
            break
        kept = one.at
    return max(0.0, kept - since)


def value_at(states: Iterable[State], subject: str, name: str, at: float) -> str:
    """The value of a state at an instant; `absent` where it had none."""
    before = [one for one in states if (one.subject, one.name) == (subject, name) and one.at <= at]
    return max(before, key=lambda one: one.at).value if before else ABSENT


def instant(measurement: Measurement, what: str, number: int = 0) -> float | None:
    """When something was done for the nth time (-1: the last): the `at` of a mark; None without one."""
    found = [mark.at for mark in measurement.marks if mark.what == what]
    return found[number] if -len(found) <= number < len(found) else None


def changed(before: Iterable[State], reading: Sequence[State]) -> tuple[State, ...]:
    """What a reading shows that the one before did not; a state that it no longer has became `absent`."""
    known = {(one.subject, one.name): (one.value, one.reason) for one in before}
    now = {(one.subject, one.name) for one in reading}
    at = max((one.at for one in reading), default=0.0)
    gone = tuple(State(at, subject, name, ABSENT) for subject, name in known if (subject, name) not in now)
    new = tuple(one for one in reading if known.get((one.subject, one.name)) != (one.value, one.reason))
    return new + gone
