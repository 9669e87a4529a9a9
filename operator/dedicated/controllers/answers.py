"""What the public names answer, as far as passes need it: one believed answer per instance.

One wrong answer alone is not believed: the next one, soon after, decides. An answer like the last one wakes
nobody, so that readings every few seconds cost no pass.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

from dedicated.api.objects import Key
from dedicated.api.probing import Entry, Sample
from dedicated.controllers.prober import Prober
from dedicated.probes.service import Reading, Target
from dedicated.reconcile.observed import ServiceReading

WELL = "ready, discovery document and keys answer"


class Answers:
    """Asks the public names it is told of. `wake(key)` is called when a believed answer changed; `measure` is
    told of every sample. `contract_time` gives an instant in the contract's."""

    def __init__(
        self,
        *,
        read: Callable[[Target], Awaitable[Reading]],
        wake: Callable[[Key], None],
        measure: Callable[[Key, Sample], None],
        interval: float,
        contract_time: Callable[[datetime], datetime] = lambda instant: instant,
    ) -> None:
        self._wake = wake
        self._contract_time = contract_time
        self._measure = measure
        self._prober = Prober(read=lambda _, target: read(target), on_reading=self._heard, interval=interval)
        self._asked: dict[Key, str] = {}
        self._believed: dict[Key, ServiceReading] = {}
        self._doubted: set[Key] = set()
        self._heard_at: dict[Key, float] = {}

    def of(self, key: Key) -> ServiceReading | None:
        """The answer believed now; None before the first."""
        return self._believed.get(key)

    def heard_at(self, key: Key) -> float | None:
        """When the answer believed now was heard last, in monotonic seconds."""
        return self._heard_at.get(key)

    @property
    def all_heard(self) -> bool:
        """Whether each name asked was read at least once."""
        return self._asked.keys() <= self._prober.well.keys()

    def ask(self, key: Key, domain: str | None, *, hurry: bool) -> None:
        """Ask this name from now on, or none; `hurry` asks more often. Idempotent and cheap."""
        if domain is None:
            self.forget(key)
            return
        if domain != self._asked.get(key):  # what the old name answered says nothing about the new one
            self._disbelieve(key)
        self._asked[key] = domain
        self._prober.watch(key, Target(domain=domain), hurry=hurry)

    def forget(self, key: Key) -> None:
        """The instance is gone, or has no service to ask."""
        self._prober.unwatch(key)
        self._asked.pop(key, None)
        self._disbelieve(key)

    async def close(self) -> None:
        """End all readings."""
        await self._prober.close()

    def _heard(self, key: Key, reading: Reading) -> None:
        if reading.sample is not None:
            self._measure(key, reading.sample)
        new = ServiceReading(reading.ok, reading.detail or WELL, self._dated(reading.entry))
        old = self._believed.get(key)
        if old is not None and old.ok and not new.ok and key not in self._doubted:
            self._doubted.add(key)
            return
        self._doubted.discard(key)
        self._heard_at[key] = time.monotonic()
        if new != old:
            self._believed[key] = new
            self._wake(key)

    def _dated(self, entry: Entry) -> Entry:
        until = entry.certificate_until
        return entry if until is None else replace(entry, certificate_until=self._contract_time(until))

    def _disbelieve(self, key: Key) -> None:
        self._believed.pop(key, None)
        self._heard_at.pop(key, None)
        self._doubted.discard(key)
