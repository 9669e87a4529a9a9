"""Which keys are to be worked on, and when.

A key is waiting at most once and never worked on twice at the same time; what is added during its work is
done after it. Keys are served first come, first served. Failures come back later and later; wake-ups wait on
one heap. The semantics are client-go's, with one difference: a pass that begins takes back the key's wake-up,
because every pass says anew when the next one is due.

Everything is in memory: after a restart the first list adds every key again.
"""

import asyncio
import heapq
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0
SPARE = 64
"""Wake-ups that were taken back and may stay on the heap."""

logger = logging.getLogger(__name__)


class WorkQueue(Generic[K]):
    """Keys to work on. All methods but `run` return at once and are for the event loop's thread.

    `monotonic` gives seconds, `jitter` a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.retries = 0
        self.errors = 0
        self._monotonic = monotonic
        self._jitter = jitter
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: dict[K, float] = {}
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._last_error: dict[K, str] = {}
        self._wakes: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._serial = 0
        self._timer: asyncio.TimerHandle | None = None
        self._last_end = monotonic()

    @property
    def depth(self) -> int:
        """Keys that wait for a worker, or for the present work on them to end."""
        return len(self._dirty)

    @property
    def working(self) -> int:
        """Keys being worked on."""
        return len(self._working)

    @property
    def failing(self) -> int:
        """Keys whose last work failed."""
        return len(self._failures)

    def oldest_age(self) -> float:
        """Seconds that the longest waiting key has waited; 0 where none waits."""
        first = next(iter(self._dirty.values()), None)
        return 0.0 if first is None else self._monotonic() - first

    def stuck_age(self) -> float:
        """Seconds for which keys have waited and no work has ended; 0 where none waits."""
        return min(self.oldest_age(), self._monotonic() - self._last_end)

    def wake_of(self, key: K) -> float | None:
        """When the key is due by itself (monotonic), or None."""
        return self._wakes.get(key)

    def add(self, key: K) -> None:
        """Work on the key as soon as a worker is free."""
        if key in self._dirty:
            return
        self._dirty[key] = self._monotonic()
        if key not in self._working:
            self._ready.put_nowait(key)

    def add_at(self, key: K, due: float) -> None:
        """Work on the key at a monotonic time, unless something wakes it earlier."""
        if due >= self._wakes.get(key, float("inf")):
            return
        self._wakes[key] = due
        self._serial += 1
        heapq.heappush(self._heap, (due, self._serial, key))
        if len(self._heap) > 2 * len(self._wakes) + SPARE:
            self._tidy()
        self._set_timer()

    def failed(self, key: K) -> float:
        """Work on the key again, later each time; returns in how many seconds."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        self.retries += 1
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(count - 1, 16))
        delay = longest * (0.5 + 0.5 * self._jitter())
        self.add_at(key, self._monotonic() + delay)
        return delay

    def forget(self, key: K) -> None:
        """The key is well: its next failure is the first again."""
        self._failures.pop(key, None)
        self._last_error.pop(key, None)

    async def run(
        self,
        workers: int,
        handler: Callable[[K], Awaitable[None]],
        *,
        stop: asyncio.Event,
        grace: float = 20.0,
    ) -> None:
        """Work until `stop` is set; work in progress then has `grace` seconds to end before it is cancelled.

        A handler that raises is retried as by `failed`; one that returns without having called `failed` is
        taken as success.
        """
        idle: set[asyncio.Task[None]] = set()
        tasks = [
            asyncio.create_task(self._work(handler, stop, idle), name=f"worker {number}")
            for number in range(workers)
        ]
        try:
            await stop.wait()
            for task in idle:
                task.cancel()
            _, late = await asyncio.wait(tasks, timeout=grace)
            if late:
                logger.warning("%d passes cancelled: not ended within %.0f s", len(late), grace)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()

    async def _work(
        self, handler: Callable[[K], Awaitable[None]], stop: asyncio.Event, idle: "set[asyncio.Task[None]]"
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        # Asked too whether it was cancelled: a handler may turn that into another exception as it ends.
        while not (stop.is_set() or task.cancelling()):
            idle.add(task)
            key = await self._ready.get()
            idle.discard(task)
            self._begin(key)
            failures = self._failures.get(key, 0)
            try:
                await handler(key)
            except Exception as error:  # noqa: BLE001 - any bug in a pass is retried, and ends no worker
                self._caught(key, error)
            else:
                if self._failures.get(key, 0) <= failures:
                    self.forget(key)
            finally:
                self._end(key)

    def _begin(self, key: K) -> None:
        del self._dirty[key]
        self._wakes.pop(key, None)
        self._working.add(key)

    def _end(self, key: K) -> None:
        self._working.discard(key)
        self._last_end = self._monotonic()
        if key in self._dirty:
            self._ready.put_nowait(key)

    def _caught(self, key: K, error: Exception) -> None:
        self.errors += 1
        text = f"{type(error).__name__}: {error}"
        delay = self.failed(key)
        if self._last_error.get(key) == text:
            logger.debug("%s failed again, retry in %.1f s: %s", key, delay, text)
            return
        self._last_error[key] = text
        logger.error("%s failed, retry in %.1f s: %s", key, delay, text, exc_info=error)

    def _tidy(self) -> None:
        """Drop wake-ups that were taken back: those of a far future would pile up, one with each pass."""
        last = {key: (due, serial, key) for due, serial, key in self._heap if self._wakes.get(key) == due}
        self._heap = list(last.values())
        heapq.heapify(self._heap)

    def _set_timer(self) -> None:
        while self._heap and self._wakes.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._heap:
            delay = max(0.0, self._heap[0][0] - self._monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        now = self._monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._wakes.get(key) == due:
                del self._wakes[key]
                self.add(key)
        self._set_timer()
