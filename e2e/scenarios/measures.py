"""What is reckoned from a measurement: outages, losses, how long it took until something was told. Pure.

An outage is counted as clients see it, from the last good answer before a failure to the first good answer
after it: so it is never shorter than the truth, and at most one interval between requests longer. Where
nothing failed there was none, however seldom clients asked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scenarios.record import KINDS, Kind, Measurement, Request, State


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which no request of a kind was answered well, and how many failed in it."""

    kind: Kind
    begun: float
    ended: float
    failed: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun


def outages(requests: Iterable[Request], *, begun: float, ended: float) -> tuple[Outage, ...]:
    """All outages between two instants, by kind, in order of time.

    One that nothing good came before began at `begun`, one that nothing good came after lasted until `ended`.
    """
    asked = tuple(requests)
    return tuple(
        outage
        for kind in KINDS
        for outage in _of_kind([one for one in asked if one.kind == kind], kind, begun=begun, ended=ended)
    )


def _of_kind(requests: Sequence[Request], kind: Kind, *, begun: float, ended: float) -> Iterable[Outage]:
    """Outages of one kind: a good answer ends one, if something failed since the good answer before it."""
    good, failed = begun, 0
    for one in sorted(requests, key=lambda request: request.over):
        if not one.ok:
            failed += 1
            continue
        if failed:
            yield Outage(kind, good, one.over, failed)
        good, failed = one.over, 0
    if failed:
        yield Outage(kind, good, max(good, ended), failed)


def longest(measurement: Measurement, kind: Kind | None = None) -> float:
    """Seconds of the longest outage, of one kind or of any; 0 without any."""
    found = outages(measurement.requests, begun=measurement.begun, ended=measurement.ended)
    return max((one.seconds for one in found if kind in (None, one.kind)), default=0.0)


def failed(measurement: Measurement) -> int:
    """Requests without a good answer."""
    return sum(not one.ok for one in measurement.requests)


def asked(measurement: Measurement) -> int:
    """Requests in all."""
    return len(measurement.requests)


def lost(measurement: Measurement) -> int | None:
    """Writes that were acknowledged and are not in the database; None where it was not asked."""
    if measurement.stored is None:
        return None
    acknowledged = {one.token for one in measurement.requests if one.ok and one.token}
    return len(acknowledged - measurement.stored)


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
    if not changes or changes[-1].value != value:
        return None
    kept = changes[-1].at
    for one in reversed(changes):
        if one.value != value:
            break
        kept = one.at
    return max(0.0, kept - since)


def instant(measurement: Measurement, what: str, number: int = 0) -> float | None:
    """When something was done for the nth time (-1: the last): the `at` of a mark; None without one."""
    found = [mark.at for mark in measurement.marks if mark.what == what]
    return found[number] if -len(found) <= number < len(found) else None


def changed(before: Iterable[State], reading: Sequence[State]) -> tuple[State, ...]:
    """What a reading shows that the one before did not; a state that it no longer has is `absent`."""
    known = {(one.subject, one.name): (one.value, one.reason) for one in before}
    now = {(one.subject, one.name) for one in reading}
    at = max((one.at for one in reading), default=0.0)
    gone = tuple(State(at, subject, name, "absent") for subject, name in known if (subject, name) not in now)
    new = tuple(one for one in reading if known.get((one.subject, one.name)) != (one.value, one.reason))
    return new + gone
