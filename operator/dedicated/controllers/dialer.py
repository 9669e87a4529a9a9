"""The connection that must fail: from the operator's pod to a pod of the server, past the limiter.

That it fails proves the network policy only where the operator could have come through, so the limiter, to
which everybody may connect, is tried beside it: where that fails too, nothing was told. Nothing is sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dedicated.api.objects import Key
from dedicated.contract.limits_sight import Direct

EVERY = 300.0
"""Seconds between two tries of one instance."""
AGAIN = 30.0
"""Seconds until a way that seems to be open is tried again, before that is told: a policy that was just
written takes its time on the nodes."""
PATIENCE = 3.0
"""Seconds for a connection: a policy lets it time out."""
AT_ONCE = 16
DOUBTS = 3
"""Tries in a row that must tell nothing, before what was known is given up."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Targets:
    """Addresses and ports: those that nobody may reach but the limiter, and those that everybody may."""

    closed: tuple[tuple[str, int], ...]
    open: tuple[tuple[str, int], ...]


async def reached(address: str, port: int) -> bool:
    """Whether a connection comes about."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


class Dialer:
    """Tries the ways to the instances that it is told of. `changed` is called with a key when its result is
    another one."""

    def __init__(
        self,
        changed: Callable[[Key], None],
        *,
        reach: Callable[[str, int], Awaitable[bool]] = reached,
        every: float = EVERY,
        again: float = AGAIN,
    ) -> None:
        self._changed = changed
        self._reach = reach
        self._every = every
        self._again = again
        self._places = asyncio.Semaphore(AT_ONCE)
        self._targets: dict[Key, Targets] = {}
        self._known: dict[Key, Direct] = {}
        self._doubts: dict[Key, int] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}

    def of(self, key: Key) -> Direct:
        """What the tries have come to."""
        return self._known.get(key, "Unknown")

    def ask(self, key: Key, targets: Targets) -> None:
        """Try these from now on. Idempotent and cheap."""
        self._targets[key] = targets
        if key not in self._tasks and targets.closed and targets.open:
            self._tasks[key] = asyncio.create_task(self._keep(key), name=f"dial {key}")

    def forget(self, key: Key) -> None:
        """The instance is gone, or has no limiter."""
        for known in (self._targets, self._known, self._doubts):
            known.pop(key, None)
        if (task := self._tasks.pop(key, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """End all tries."""
        tasks = list(self._tasks.values())
        for key in list(self._tasks):
            self.forget(key)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, key: Key) -> None:
        while True:
            try:
                found = await self._try(self._targets[key])
                if found == "Open" != self.of(key):
                    await asyncio.sleep(self._again)
                    found = await self._try(self._targets[key])
                self._note(key, found)
            except Exception:
                logger.exception("cannot try the way to %s", key)
            await asyncio.sleep(self._every)

    async def _try(self, targets: Targets) -> Direct:
        if not targets.closed:
            return "Unknown"
        async with self._places:
            if await self._any(targets.closed):
                return "Open"
            return "Closed" if await self._any(targets.open) else "Unknown"

    async def _any(self, addresses: tuple[tuple[str, int], ...]) -> bool:
        return any(await asyncio.gather(*(self._reach(address, port) for address, port in addresses)))

    def _note(self, key: Key, found: Direct) -> None:
        doubts = self._doubts[key] = self._doubts.get(key, 0) + 1 if found == "Unknown" else 0
        if 0 < doubts < DOUBTS:
            return
        if found != self.of(key):
            self._known[key] = found
            self._changed(key)
