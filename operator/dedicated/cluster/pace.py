"""How fast we may ask, and how patiently we ask again.

The API server protects itself by priority and fairness; the bucket here only keeps one operator with
thousands of instances from being the reason for it. The retries cover hiccups of seconds; anything
longer is the work queue's business, which retries whole passes without holding a worker.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from dedicated.cluster.errors import ApiError

T = TypeVar("T")


class TokenBucket:
    """At most `burst` requests at once and `qps` per second in the long run, first come first served."""

    def __init__(self, *, qps: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / qps
        self._slack = burst * self._interval
        self._monotonic = monotonic
        self._next = monotonic() - self._slack

    async def take(self) -> None:
        """Wait until one more request is allowed."""
        now = self._monotonic()
        self._next = max(self._next, now - self._slack) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`budget` seconds in all; waits from `first` to `longest` seconds, each cut by up to half at random."""

    budget: float = 15.0
    first: float = 0.2
    longest: float = 4.0


DEFAULT_POLICY = RetryPolicy()


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    *,
    repeatable: bool,
    policy: RetryPolicy,
    monotonic: Callable[[], float] = time.monotonic,
) -> T:
    """Call until it succeeds, is refused for good, or the budget is spent; then raise the last error.

    What is not `repeatable` (a second call could do harm) is repeated only if the first surely did nothing.
    """
    deadline = monotonic() + policy.budget
    wait = policy.first
    while True:
        try:
            return await attempt()
        except ApiError as error:
            again = error.retriable and (repeatable or error.unsent)
            jittered = wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            pause = max(jittered, error.retry_after or 0.0)
            if not again or monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        wait = min(wait * 2, policy.longest)
