"""How long something may take before others no longer wait for it.

Only time in which the loop was on time counts. Where the loop itself is late, everything in it is, and to let
more begin would make it later: three hundred instances created at once once kept a leader from its lease.
"""

import asyncio
from collections.abc import Callable


class Patience:
    """Calls `over` once after `seconds`, unless cancelled before."""

    def __init__(self, seconds: float, over: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._over = over
        self._begin()

    def cancel(self) -> None:
        """It is done: nobody waits any more."""
        self._timer.cancel()

    def _begin(self) -> None:
        self._due = self._loop.time() + self._seconds
        self._timer = self._loop.call_at(self._due, self._end)

    def _end(self) -> None:
        if self._loop.time() - self._due > self._seconds / 2:
            self._begin()
        else:
            self._over()
