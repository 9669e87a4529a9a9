"""How patiently we ask again.

The retries cover hiccups of seconds; anything longer is the work queue's business, which retries whole
passes. A pass itself is hasty: its back-off is the queue's, where it holds nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from dedicated.cluster.errors import ApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`budget` seconds in all; waits from `first` to `longest` seconds, each cut by up to half at random."""

    budget: float = 15.0
    first: float = 0.2
    longest: float = 4.0


DEFAULT_POLICY = RetryPolicy()
HASTY_POLICY = RetryPolicy(budget=0.5)


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
