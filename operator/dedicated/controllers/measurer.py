"""What the probes have measured of each instance, sample by sample, until it is kept.

All rules are `contract.downtime`'s; here is who remembers. The first sample of an instance in a term goes on
from what is kept of it. What changes what is to be kept wakes the instance, whose pass writes it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from dedicated.api.objects import Key
from dedicated.api.probing import Outcome, Sample, Source
from dedicated.contract import downtime
from dedicated.contract.downtime import Record, Span, Watch

S = TypeVar("S", bound=Span)

FIRST: tuple[Source, ...] = ("Entry", "Discovery", "Keys", "Login", "SAML")
"""What must be good at once for an instance to be measured from then on."""
HELD = timedelta(minutes=10)
"""How long what cannot be written keeps the operator from saying that it was measured."""


KEPT = timedelta(days=365)
"""What is older may have been taken away."""


class Measurer:
    """`stored` is what is kept of an instance; `wake(key)` is called when that is not all any more;
    `count` of each probe."""

    def __init__(
        self,
        *,
        stored: Callable[[Key], Record],
        wake: Callable[[Key], None],
        count: Callable[[Source, Outcome], None],
    ) -> None:
        self._stored = stored
        self._wake = wake
        self._count = count
        self._watches: dict[Key, Watch] = {}
        self._shown: dict[Key, Record] = {}
        self._unwritten: dict[Key, datetime] = {}
        self._last: dict[Key, datetime] = {}
        self._covered: datetime | None = None

    def heard(self, key: Key, sample: Sample) -> None:
        """A sample of an instance."""
        for source, outcome in sample.outcomes.items():
            self._count(source, outcome)
        watch = self._watches.get(key) or self._resumed(key, sample)
        if watch.record.since is None:
            if any(sample.outcomes.get(source) != "Good" for source in FIRST):
                return
            watch = Watch(Record(since=sample.at))
        watch = self._watches[key] = downtime.heard(watch, sample)
        self._last[key] = sample.at
        if watch.running or watch.blind:
            self._unwritten.setdefault(key, downtime.untold(watch, now=sample.at) or sample.at)
        shown = downtime.snapshot(watch, now=sample.at)
        if shown != self._shown.get(key):
            self._shown[key] = shown
            self._unwritten.setdefault(key, sample.at)
            self._wake(key)

    def record(self, key: Key) -> Record:
        """All that is to be kept of an instance."""
        return self._shown[key] if key in self._shown else self._stored(key)

    def stop(self, key: Key, *, now: datetime) -> None:
        """The instance is not asked any more, though it is there."""
        watch = self._watches.get(key)
        if watch is not None:
            self._watches[key] = downtime.heard(watch, Sample(now, {}, {}))

    def forget(self, key: Key) -> None:
        """The instance is gone. When it was heard last is not forgotten: it may be restored."""
        for memory in (self._watches, self._shown, self._unwritten):
            memory.pop(key, None)

    def covered(self, until: datetime) -> None:
        """What was not measured up to an instant is told for all instances at once."""
        self._covered = until

    def held(self, *, now: datetime) -> datetime | None:
        """Since when something is not written yet; None: all is."""
        for key in list(self._unwritten):
            watch, since = self._watches[key], self._unwritten[key]
            hidden = downtime.untold(watch, now=now)
            if hidden is None and _recent(self._shown[key], now) == _recent(self._stored(key), now):
                del self._unwritten[key]
            elif now - since > HELD:
                self._unwritten[key] = hidden or now
        return min(self._unwritten.values(), default=None)

    def _resumed(self, key: Key, sample: Sample) -> Watch:
        record = self._stored(key)
        watch = downtime.resumed(record)
        if record.since is not None:
            self._shown[key] = record
            if self._covered is not None:
                since = max(self._covered, self._last.get(key, self._covered))
                watch = downtime.unmeasured(watch, since, sample.at)
        return watch


def _recent(record: Record, now: datetime) -> Record:
    def cut(spans: tuple[S, ...]) -> tuple[S, ...]:
        return tuple(span for span in spans if now - span.since < KEPT)

    return Record(record.since, cut(record.core), cut(record.entry), cut(record.unmeasured))
