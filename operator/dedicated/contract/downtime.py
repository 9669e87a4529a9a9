"""Downtime as the probes see it (A-2, A-3): from samples to stretches, one sample at a time.

A stretch of a service begins with a failed probe, goes on while failed probes follow each other within 20 s
with at most one good one in between, and ends with the first good probe after the last failed one. The
instance's downtime is the union of all services' stretches; what is shorter than a minute does not count and
is not kept. Stretches of the entry are kept apart: whose they are depends on the infrastructure (A-5).

A `Watch` is what an observer remembers of one instance, a `Record` what is kept of it for good. A record
shows a stretch once it has lasted `NEWS`, and without an end until its end is certain.
Choices where the contract is silent: a stretch goes on over a time without measurement if the first probe
after it fails too, and that time is cut out of it as unknown; 20 s are measured with a second's tolerance,
since no probe is sent on the second.
Limit: a record has at most `MOST` stretches a month. Beyond it the two that are nearest to each other become
one, the good time between them with it: in the customer's favour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import get_args

from dedicated.api.conditions import shorten
from dedicated.api.probing import Sample, Source

SOURCES: tuple[Source, ...] = get_args(Source)
REPEATED = timedelta(seconds=21)
"""Failed probes that follow each other within this time are one stretch."""
MINUTE = timedelta(minutes=1)
NEWS = timedelta(seconds=30)
"""How long a stretch has lasted before it is worth a word."""
MOST = 200
"""Stretches of a month that are kept."""
DETAIL = 200
"""Characters of a detail."""


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another, which is no longer in it; no end: not over yet."""

    since: datetime
    until: datetime | None

    def touches(self, other: "Span") -> bool:
        """Whether there is no time between them."""
        return (self.until is None or other.since <= self.until) and (
            other.until is None or self.since <= other.until
        )


@dataclass(frozen=True, slots=True)
class Stretch(Span):
    """A time in which services failed: which, and what the first failed probe was told."""

    services: tuple[Source, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of an instance: `since` when it is measured, None: not yet; all in order of time.

    `entry` are failures on the way to the services, `unmeasured` times in which this instance alone was not
    measured (those of the operator are in its own record).
    """

    since: datetime | None = None
    core: tuple[Stretch, ...] = ()
    entry: tuple[Stretch, ...] = ()
    unmeasured: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """A stretch of one service that may not be over. `good` is the first good probe after the last failed."""

    since: datetime
    failed: datetime
    detail: str
    good: datetime | None = None
    goods: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of an instance. `ended` are stretches that others may still join; `blind` is since
    when nothing at all could be measured."""

    record: Record = Record()
    running: Mapping[Source, Running] = field(default_factory=dict)
    ended: tuple[Stretch, ...] = ()
    blind: datetime | None = None


def resumed(record: Record) -> Watch:
    """The watch of an observer who knows no more than the record: open stretches go on."""
    running = {
        service: Running(stretch.since, stretch.since, stretch.detail)
        for stretch in (*record.core, *record.entry)
        if stretch.until is None
        for service in stretch.services
    }
    closed = replace(
        record,
        core=tuple(stretch for stretch in record.core if stretch.until),
        entry=tuple(stretch for stretch in record.entry if stretch.until),
        unmeasured=tuple(span for span in record.unmeasured if span.until),
    )
    blind = (span.since for span in record.unmeasured if span.until is None)
    return Watch(closed, running, blind=min(blind, default=None))


def heard(watch: Watch, sample: Sample) -> Watch:
    """The watch after one more sample, no older than those before; an empty one could measure nothing."""
    if not sample.outcomes:
        return replace(watch, blind=watch.blind or sample.at)
    watch = _seeing(watch, sample.at)
    running, ended = dict(watch.running), list(watch.ended)
    for service, outcome in sample.outcomes.items():
        known = running.pop(service, None)
        if known is None and outcome == "Good":
            continue
        if outcome == "Failed":
            if known is not None and not _goes_on(known, sample.at):
                ended.append(_stretch(service, known))
                known = None
            detail = shorten(" ".join(sample.details.get(service, "").split()), DETAIL)
            begun = known or Running(sample.at, sample.at, detail)
            running[service] = replace(begun, failed=sample.at, good=None, goods=0)
        elif known is not None:
            known = replace(known, good=known.good or sample.at, goods=known.goods + 1)
            if known.goods > 1 or sample.at - known.failed >= REPEATED:
                ended.append(_stretch(service, known))
            else:
                running[service] = known
    if running:
        return Watch(watch.record, running, _few(ended))
    return Watch(_with(watch.record, ended))


def snapshot(watch: Watch, *, now: datetime) -> Record:
    """What is to be kept at an instant: stretches that lasted long enough, those going on without an end."""
    found = _with(watch.record, (*watch.ended, *_open(watch)))
    blind = (Span(watch.blind, None),) if watch.blind and now - watch.blind >= NEWS else ()
    return replace(
        found,
        core=_news(found.core, now),
        entry=_news(found.entry, now),
        unmeasured=(*found.unmeasured, *blind),
    )


def untold(watch: Watch, *, now: datetime) -> datetime | None:
    """Since when something goes on that `snapshot` does not show yet; None: it shows all."""
    found = _with(watch.record, (*watch.ended, *_open(watch)))
    young = [stretch.since for stretch in (*found.core, *found.entry) if not _is_news(stretch, now)]
    return min([*young, *([watch.blind] if watch.blind and now - watch.blind < NEWS else [])], default=None)


def unmeasured(watch: Watch, since: datetime, until: datetime) -> Watch:
    """The watch with a time added in which this instance was not measured; less than a minute is nothing."""
    if until - since < MINUTE:
        return watch
    spans = (*watch.record.unmeasured, Span(since, until))
    return replace(watch, record=replace(watch.record, unmeasured=spans))


def bounded(stretches: Sequence[Stretch], most: int = MOST) -> tuple[Stretch, ...]:
    """At most so many stretches: the nearest to each other are joined, the good time in between included."""
    found = list(stretches)
    while len(found) > most:
        gaps = [_gap(first, second) for first, second in pairwise(found)]
        place = gaps.index(min(gaps))
        found[place : place + 2] = [_joined(found[place], found[place + 1])]
    return tuple(found)


def united(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The union in order; what touches is one."""
    found: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda one: one.since):
        if found and found[-1].touches(stretch):
            found[-1] = _joined(found[-1], stretch)
        else:
            found.append(stretch)
    return tuple(found)


def _seeing(watch: Watch, at: datetime) -> Watch:
    return watch if watch.blind is None else replace(unmeasured(watch, watch.blind, at), blind=None)


def _goes_on(known: Running, at: datetime) -> bool:
    return known.good is None or at - known.failed <= REPEATED


def _stretch(service: Source, known: Running) -> Stretch:
    return Stretch(known.since, known.good, (service,), known.detail)


def _few(ended: list[Stretch]) -> tuple[Stretch, ...]:
    """Those that ended, few also while another service fails for days."""
    if len(ended) <= MOST:
        return tuple(ended)
    parts = ([one for one in ended if ("Entry" in one.services) == way] for way in (False, True))
    return tuple(stretch for part in parts for stretch in bounded(united(part), MOST // 2))


def _open(watch: Watch) -> Iterable[Stretch]:
    return (Stretch(run.since, None, (service,), run.detail) for service, run in watch.running.items())


def _with(record: Record, stretches: Iterable[Stretch]) -> Record:
    """The record with further stretches: united, and without those that do not count."""
    new = tuple(stretches)
    if not new:
        return record
    entry = [stretch for stretch in new if "Entry" in stretch.services]
    core = [stretch for stretch in new if "Entry" not in stretch.services]
    return replace(record, core=_counting((*record.core, *core)), entry=_counting((*record.entry, *entry)))


def _counting(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """The union, bounded month by month (in UTC, which is exact enough for a bound)."""
    long = [one for one in united(stretches) if one.until is None or one.until - one.since >= MINUTE]
    months = groupby(long, key=lambda one: (one.since.year, one.since.month))
    return tuple(stretch for _, those in months for stretch in bounded(tuple(those)))


def _news(stretches: tuple[Stretch, ...], now: datetime) -> tuple[Stretch, ...]:
    return tuple(stretch for stretch in stretches if _is_news(stretch, now))


def _is_news(stretch: Stretch, now: datetime) -> bool:
    return stretch.until is not None or now - stretch.since >= NEWS


def _gap(first: Stretch, second: Stretch) -> timedelta:
    return second.since - first.until if first.until else timedelta(0)


def _joined(first: Stretch, second: Stretch) -> Stretch:
    """Both as one; the first is the earlier."""
    until = None if first.until is None or second.until is None else max(first.until, second.until)
    services = tuple(name for name in SOURCES if name in first.services or name in second.services)
    return Stretch(first.since, until, services, first.detail)
