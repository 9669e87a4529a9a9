"""Reads every instance's public name in turn, and hands each reading over.

One task per target, so that a slow target is late for itself alone; of the quick ones `AT_ONCE` are read at
the same time, since each is a TLS connection with its buffers. The first reading is taken at once; later ones
start at an offset that the key decides, spread over the interval.
"""

import asyncio
import logging
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from dedicated.api.objects import Key
from dedicated.cluster.slots import Slots
from dedicated.probes.service import Reading, Target

FAST_INTERVAL = 2.0
"""Seconds between readings of a target in a rollout, or that was well less than `ANXIOUS` seconds ago."""
ANXIOUS = 60.0
"""A fleet whose names stay away for long, as in an outage of DNS, costs no more than one that is well."""
AT_ONCE = 16
"""Readings at once."""
SLOW = 1024
"""Readings that may go on beside those: most wait for a connection, which costs little."""
PATIENCE = 0.5
"""Seconds after which a reading lets the next one begin beside it."""

logger = logging.getLogger(__name__)


class Prober:
    """`read` takes one reading in bounded time; `on_reading` is told each one. Ended by `close`.

    `interval` is in seconds, from the start of one reading to the start of the next; `fast` that of one which
    was well less than `anxious` seconds ago. Without `at_once` the first reading too waits for its place.
    """

    def __init__(
        self,
        *,
        read: Callable[[Key, Target], Awaitable[Reading]],
        on_reading: Callable[[Key, Reading], None],
        interval: float = 10.0,
        fast: float = FAST_INTERVAL,
        anxious: float = ANXIOUS,
        at_once: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._on_reading = on_reading
        self._interval = interval
        self._fast = min(fast, interval)
        self._anxious = anxious
        self._at_once = at_once
        self._monotonic = monotonic
        self._slots = Slots(places=AT_ONCE, slow=SLOW, patience=PATIENCE)
        self._targets: dict[Key, Target] = {}
        self._well: dict[Key, bool] = {}
        self._hurried: set[Key] = set()
        self._unwell: dict[Key, float] = {}
        self._soon: dict[Key, asyncio.Event] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    @property
    def well(self) -> Mapping[Key, bool]:
        """A live view of whether the latest reading of each target was well."""
        return MappingProxyType(self._well)

    def watch(self, key: Key, target: Target, *, hurry: bool = False) -> None:
        """Read this target from now on; `hurry` for as long as a rollout goes on. Idempotent and cheap."""
        hurried = key in self._hurried
        (self._hurried.add if hurry else self._hurried.discard)(key)
        known = self._targets.get(key)
        self._targets[key] = target
        if known is None:
            self._soon[key] = asyncio.Event()
            self._tasks[key] = asyncio.create_task(self._keep(key), name=f"probe {key}")
        elif known != target:
            # What the old name answered says nothing about the new one.
            self._well.pop(key, None)
            self.probe_soon(key)
        elif hurry and not hurried:
            self.probe_soon(key)

    def unwatch(self, key: Key) -> None:
        """Forget the target and what it answered."""
        if self._targets.pop(key, None) is not None:
            self._tasks.pop(key).cancel()
            del self._soon[key]
            self._well.pop(key, None)
            self._hurried.discard(key)
            self._unwell.pop(key, None)

    def probe_soon(self, key: Key) -> None:
        """Read the target as soon as the reading in progress, if any, has ended."""
        if key in self._soon:
            self._soon[key].set()

    async def close(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks.values())
        for key in list(self._targets):
            self.unwatch(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, key: Key) -> None:
        soon = self._soon[key]
        if not self._at_once:
            await asyncio.sleep(self._place(key, self._monotonic()))
        while True:
            soon.clear()
            started = self._monotonic()
            await self._take(key)
            pause = started + self._pause(key, started) - self._monotonic()
            try:
                async with asyncio.timeout(max(0.0, pause)):
                    await soon.wait()
            except TimeoutError:
                continue

    async def _take(self, key: Key) -> None:
        """One reading; nothing of it is held in the pause that follows."""
        target = self._targets[key]
        try:
            async with self._slots.place(str(key)):
                reading = await self._read(key, target)
            if self._targets[key] == target:
                self._well[key] = reading.ok
                self._on_reading(key, reading)
        except Exception:
            logger.exception("cannot read %s", key)

    def _pause(self, key: Key, started: float) -> float:
        if self._well.get(key):
            self._unwell.pop(key, None)
            anxious = False
        else:
            anxious = started - self._unwell.setdefault(key, started) < self._anxious
        if anxious or key in self._hurried:
            return self._fast
        # At least half an interval away.
        return self._interval / 2 + self._place(key, started + self._interval / 2)

    def _place(self, key: Key, after: float) -> float:
        """Seconds from a moment to the key's own place in the interval."""
        offset = zlib.crc32(str(key).encode()) / 2**32 * self._interval
        return (offset - after) % self._interval
