"""A work queue at work, for tests in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

from dedicated.controllers.queue import SLOW, WorkQueue
from virtual_time import now

Handler = Callable[[str], Awaitable[None]]


def make(*, jitter: float = 1.0, slow: int = SLOW) -> WorkQueue[str]:
    return WorkQueue(slow=slow, monotonic=asyncio.get_running_loop().time, jitter=lambda: jitter)


class Running:
    """A queue at work; `log` has (time, key) for each begin."""

    def __init__(self, queue: WorkQueue[str], *, workers: int = 2, handler: Handler | None = None) -> None:
        self.queue = queue
        self.stop = asyncio.Event()
        self.log: list[tuple[float, str]] = []
        self._handler = handler
        self.task = asyncio.create_task(queue.run(workers, self._handle, stop=self.stop, grace=20))

    async def _handle(self, key: str) -> None:
        self.log.append((now(), key))
        if self._handler is not None:
            await self._handler(key)

    async def __aenter__(self) -> "Running":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        await self.task
