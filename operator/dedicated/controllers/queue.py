"""Which keys are to be worked on, and when.

A key is waiting at most once and never worked on twice at the same time; what is added during its work is
done after it. Keys are served first come, first served. Failures come back later and later; wake-ups wait on
one heap. The semantics are client-go's, with two differences. A pass that begins takes back the key's
wake-up, because every pass says anew when the next one is due. And nobody waits for what is slow or broken: a
pass that takes longer than `PATIENCE` gives its place to the next one and goes on beside it, up to `SLOW` of
them; keys that failed repeatedly wait in a line of their own, with as many places.

Everything is in memory: after a restart the first list adds every key again.
"""

import asyncio
import heapq
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from dedicated.cluster.errors import ApiError
from dedicated.cluster.patience import Patience

K = TypeVar("K", bound=Hashable)

FIRST_DELAY = 1.0
LONGEST_DELAY = 300.0
SPARE = 64
"""Wake-ups that were taken back and may stay on the heap."""
PATIENCE = 0.1
"""Seconds after which a pass gives its place to the next one."""
SLOW = 128
"""Passes that may go on without a place."""
BROKEN = 2
"""Failures in a row from which on a key waits with its like: one may be a mere conflict."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Line(Generic[K]):
    """Keys in the order they came, and how many may begin."""

    keys: deque[K] = field(default_factory=deque)
    places: int = 0


@dataclass(slots=True)
class _Place(Generic[K]):
    """A pass's place in its line, until it is given back."""

    line: _Line[K]
    given_back: bool = False
    over: bool = False


class WorkQueue(Generic[K]):
    """Keys to work on. All methods but `run` return at once and are for the event loop's thread.

    `slow` passes may go on without a place. `monotonic` gives seconds, `jitter` a number from 0 to 1.
    """

    def __init__(
        self,
        *,
        slow: int = SLOW,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.retries = 0
        self.errors = 0
        self._monotonic = monotonic
        self._jitter = jitter
        self._well: _Line[K] = _Line()
        self._broken: _Line[K] = _Line()
        self._slow = slow
        self._overdue: deque[_Place[K]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handler: Callable[[K], Awaitable[None]] | None = None
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
            self._line_up(key)

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
        self._handler = handler
        self._well.places = self._broken.places = workers
        self._start()
        try:
            await stop.wait()
            self._handler = None
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=grace)
                if late:
                    logger.warning("%d passes cancelled: not ended within %.0f s", len(late), grace)
        finally:
            self._handler = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()

    def _line_up(self, key: K) -> None:
        line = self._broken if self._failures.get(key, 0) >= BROKEN else self._well
        line.keys.append(key)
        if self._handler is not None:  # later, so that what is added in one go is one pass
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        for line in (self._well, self._broken):
            while self._handler is not None and line.keys and line.places > 0:
                key = line.keys.popleft()
                line.places -= 1
                self._begin(key)
                task = asyncio.create_task(self._work(key, line, self._handler), name=f"pass {key}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _work(self, key: K, line: _Line[K], handler: Callable[[K], Awaitable[None]]) -> None:
        place = _Place(line)
        patience = Patience(PATIENCE, partial(self._give_back, place))
        failures = self._failures.get(key, 0)
        try:
            await handler(key)
        except Exception as error:  # noqa: BLE001 - any bug in a pass is retried, and ends nothing else
            self._caught(key, error)
        except asyncio.CancelledError:  # of what the pass waited for, or of the pass, when nothing is retried
            self.failed(key)
            raise
        else:
            if self._failures.get(key, 0) <= failures:
                self.forget(key)
        finally:
            patience.cancel()
            self._leave(place)
            self._end(key)

    def _give_back(self, place: _Place[K]) -> None:
        if self._slow == 0:
            self._overdue.append(place)
            return
        self._slow -= 1
        place.given_back = True
        place.line.places += 1
        self._start()

    def _leave(self, place: _Place[K]) -> None:
        place.over = True
        if not place.given_back:
            place.line.places += 1
            return
        self._slow += 1
        while self._overdue and self._slow > 0:
            overdue = self._overdue.popleft()
            if not overdue.over:
                self._give_back(overdue)

    def _begin(self, key: K) -> None:
        del self._dirty[key]
        self._wakes.pop(key, None)
        self._working.add(key)

    def _end(self, key: K) -> None:
        self._working.discard(key)
        self._last_end = self._monotonic()
        if key in self._dirty:
            self._line_up(key)
        self._start()

    def _caught(self, key: K, error: Exception) -> None:
        self.errors += 1
        text = f"{type(error).__name__}: {error}"
        delay = self.failed(key)
        if self._last_error.get(key) == text:
            logger.debug("%s failed again, retry in %.1f s: %s", key, delay, text)
            return
        self._last_error[key] = text
        if isinstance(error, ApiError) and error.retriable:  # the API server's trouble, which passes
            logger.warning("%s failed, retry in %.1f s: %s", key, delay, text)
        else:
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
