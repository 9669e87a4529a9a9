"""The service level of a month (A-1 to A-9): minutes, two figures, met or missed, tier and claim deadline.

*Observed* is what the probes saw. *Contract* leaves out what is excluded (A-5), void (A-9), unknown, or, on
own infrastructure, failed on the customer's way to the services. Minutes are the whole ones of each merged
stretch after that; the denominator is the whole month, but for the time before the instance was measured.
Figures are exact fractions.

A month that is not over has the figure it will end with if nothing fails any more, and what goes on at the
moment (a stretch, a void) is told by its begin: so figures move only when something happened. Whether the
month is met counts what goes on up to now; `judge` tells when that changes though nothing happens.
Choices where the contract is silent: a minute of downtime belongs to the month in which it begins; finished
months keep the objective that was in force when something was recorded in them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache, partial
from operator import itemgetter

from dedicated.contract.credits import BOUNDS, claim_deadline, credit, ratio
from dedicated.contract.dates import Month, month_of
from dedicated.contract.downtime import MINUTE, Record, Span, Stretch, united
from dedicated.contract.exclusions import Excluded
from dedicated.contract.void import Void

MONTHS = 13
"""Months that are told, the current one included."""
TOO_MUCH_UNKNOWN = Fraction(1, 1000)
"""Part of a month that may be unknown without a word (A-3)."""
Seconds = tuple[int, int]
"""From a second of the epoch to another, the end not included."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the probes. `gaps` are times in which the operator measured nothing at all."""

    voids: tuple[Void, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    gaps: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """What is measured against: per cent of availability (None: no objective), and the contract zone.

    `own_entry`: the way to the services is the customer's. `past` are objectives of finished months.
    """

    objective: Decimal | None
    zone: str
    own_entry: bool = False
    past: Mapping[Month, Decimal | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Level:
    """A month. Minutes are whole ones; `total` are those the instance was promised for.

    `contract` and `observed` are uptimes, 1 is all of the month. `met` is None without an objective; `credit`
    is per cent of the month's fee, claimable before `claim_before`.
    """

    month: Month
    total: Fraction
    down: int
    observed_down: int
    excluded: int
    void: int
    unknown: int
    contract: Fraction
    observed: Fraction
    objective: Decimal | None
    met: bool | None
    credit: int
    claim_before: datetime
    too_much_unknown: bool

    @property
    def allowed(self) -> int | None:
        """Whole minutes of downtime with which the objective is met; None without one."""
        return None if self.objective is None else allowed(self.objective, self.total)


def allowed(objective: Decimal, total: Fraction) -> int:
    """Whole minutes of downtime, of `total` minutes, with which an objective in per cent is met."""
    return int((1 - ratio(objective)) * total)


@dataclass(frozen=True, slots=True)
class Judgement:
    """All months told, oldest first, the current one last. `down_since`: a stretch goes on.

    `changed_at` is when something was measured last that moved a figure.
    """

    levels: tuple[Level, ...]
    since: datetime
    down_since: datetime | None
    changed_at: datetime
    next_change: datetime

    @property
    def current(self) -> Level:
        """The month that is not over."""
        return self.levels[-1]


def judge(record: Record, promise: Promise, around: Circumstances, *, now: datetime) -> Judgement | None:
    """The service level at an instant; None before the instance was measured, also by a clock put back."""
    if record.since is None or record.since > now:
        return None
    last = month_of(now, promise.zone)
    first = max(month_of(record.since, promise.zone), last.plus(1 - MONTHS))
    months = [first.plus(n) for n in range((last.year - first.year) * 12 + last.number - first.number + 1)]
    at = _second(now)
    counted = united(record.core if promise.own_entry else (*record.core, *record.entry))
    observed = united((*record.core, *record.entry))
    tally = partial(_tally, record, promise, around, counted=counted, observed=observed, now=at)
    verdict, shown = tally(reach=at), tally(reach=_bounds(last, promise.zone)[0])
    levels = tuple(_level(month, record.since, promise, shown, verdict, last=last) for month in months)
    down = [stretch.since for stretch in counted if stretch.until is None]
    return Judgement(
        levels=levels,
        since=record.since,
        down_since=min(down, default=None),
        changed_at=_changed_at(record, last.start(promise.zone)),
        next_change=_next_change(levels, verdict, promise, down=bool(down), now=now),
    )


@dataclass(frozen=True, slots=True)
class _Tally:
    """Everything as seconds: stretches as observed and as counted, and what is cut out of those."""

    observed: tuple[Seconds, ...]
    counted: tuple[Seconds, ...]
    excluded: tuple[Seconds, ...]
    void: tuple[Seconds, ...]
    unknown: tuple[Seconds, ...]

    @property
    def cut(self) -> tuple[Seconds, ...]:
        """All that is no downtime in the contract's figure."""
        return _union((*self.excluded, *self.void, *self.unknown))


def _tally(
    record: Record,
    promise: Promise,
    around: Circumstances,
    *,
    counted: tuple[Stretch, ...],
    observed: tuple[Stretch, ...],
    now: int,
    reach: int,
) -> _Tally:
    """What goes on at `now` is counted up to `reach`."""
    entry = record.entry if promise.own_entry else ()
    since = _second(record.since) if record.since else now
    unknown = _seconds((*record.unmeasured, *around.gaps), now, reach)
    return _Tally(
        observed=_seconds(observed, now, reach),
        counted=_seconds(counted, now, reach),
        excluded=_union(
            _seconds((*(Span(one.since, one.until) for one in around.excluded), *entry), now, reach)
        ),
        void=_union(_seconds((Span(void.start, void.end) for void in around.voids), now, reach)),
        unknown=_union((max(since, start), end) for start, end in unknown),
    )


@lru_cache(maxsize=64)
def _bounds(month: Month, zone: str) -> Seconds:
    """A month in seconds: the same few for every instance."""
    return _second(month.start(zone)), _second(month.end(zone))


@lru_cache(maxsize=64)
def _claim_before(month: Month, zone: str) -> datetime:
    return claim_deadline(month, zone)


def _level(
    month: Month, since: datetime, promise: Promise, shown: _Tally, verdict: _Tally, *, last: Month
) -> Level:
    start, end = _bounds(month, promise.zone)
    total = Fraction(end - max(start, _second(since)), 60)
    down = _minutes(shown.counted, verdict.cut, start, end)
    observed = _minutes(shown.observed, (), start, end)
    objective = promise.objective if month == last else promise.past.get(month, promise.objective)
    uptime = 1 - _minutes(verdict.counted, verdict.cut, start, end) / total
    unknown = _overlap(shown.unknown, start, end)
    kept = _minutes(shown.counted, verdict.excluded, start, end)
    return Level(
        month=month,
        total=total,
        down=down,
        observed_down=observed,
        excluded=_minutes(shown.counted, (), start, end) - kept,
        void=_overlap(shown.void, start, end) // 60,
        unknown=unknown // 60,
        contract=1 - down / total,
        observed=1 - observed / total,
        objective=objective,
        met=None if objective is None else uptime >= ratio(objective),
        credit=0 if objective is None else credit(objective, uptime),
        claim_before=_claim_before(month, promise.zone),
        too_much_unknown=unknown > TOO_MUCH_UNKNOWN * (end - start),
    )


def _minutes(stretches: Sequence[Seconds], cut: Sequence[Seconds], start: int, end: int) -> int:
    """Whole minutes, of what is left of each stretch, that begin in [start, end)."""
    found = 0
    for first, last in _near(stretches, start, end):
        left = _without((first, last), cut)
        whole = sum(until - since for since, until in left) // 60
        if start <= first and last <= end:
            found += whole
            continue
        before, in_all = (-(-_overlap(left, first, limit) // 60) for limit in (start, end))
        found += min(whole, in_all) - min(whole, before)
    return found


def _next_change(
    levels: tuple[Level, ...], verdict: _Tally, promise: Promise, *, down: bool, now: datetime
) -> datetime:
    """When the judgement changes by itself: a month ends, a claim is too late, or a stretch that goes on
    reaches the next bound. That is told too early where a part of it is cut out, and is then told again."""
    current = levels[-1]
    dates = [current.month.end(promise.zone)]
    dates += [level.claim_before for level in levels if level.credit and level.claim_before > now]
    if down and current.objective is not None:
        start, end = _bounds(current.month, promise.zone)
        already = _minutes(verdict.counted, verdict.cut, start, end)
        for bound in (*BOUNDS, current.objective):
            missed = allowed(bound, current.total) + 1
            if missed > already:
                # A minute may be under way already.
                dates.append(now + max(1, missed - already - 1) * MINUTE)
    return min(dates)


def _changed_at(record: Record, month_start: datetime) -> datetime:
    moments = [month_start, *([record.since] if record.since else [])]
    for stretch in (*record.core, *record.entry):
        moments += [stretch.since, *([stretch.until] if stretch.until else [])]
    return max(moments)


def _second(instant: datetime) -> int:
    return int(instant.timestamp())


def _seconds(spans: Iterable[Span], now: int, reach: int) -> tuple[Seconds, ...]:
    """Spans up to now as seconds; those that go on at that time only up to `reach`."""
    found = []
    for span in spans:
        until = None if span.until is None else _second(span.until)
        found.append((_second(span.since), reach if until is None or until > now else until))
    return tuple((since, until) for since, until in found if since < until)


def _union(spans: Iterable[Seconds]) -> tuple[Seconds, ...]:
    found: list[Seconds] = []
    for since, until in sorted(spans):
        if found and since <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until))
        elif since < until:
            found.append((since, until))
    return tuple(found)


def _without(span: Seconds, cut: Sequence[Seconds]) -> tuple[Seconds, ...]:
    """What is left of a span; `cut` is in order and disjoint."""
    left, since = [], span[0]
    for start, end in _near(cut, *span):
        if start > since:
            left.append((since, start))
        since = max(since, end)
    return (*left, (since, span[1])) if since < span[1] else tuple(left)


def _near(spans: Sequence[Seconds], start: int, end: int) -> Sequence[Seconds]:
    """Those that have a second in [start, end); they are in order and disjoint."""
    first = bisect_right(spans, start, key=itemgetter(1))
    return spans[first : bisect_left(spans, end, lo=first, key=itemgetter(0))]


def _overlap(spans: Sequence[Seconds], start: int, end: int) -> int:
    return sum(min(until, end) - max(since, start) for since, until in _near(spans, start, end))
