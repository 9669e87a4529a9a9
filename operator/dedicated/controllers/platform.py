"""What Kubernetes is: asked when a term begins, and once an hour, in one request for all instances.

What is not as it should be is asked again soon: a first installation waits for it.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from dedicated.cluster.client import Server
from dedicated.cluster.errors import ApiError
from dedicated.contract.prerequisites import SECONDS_APART, Platform

EVERY = 3600.0
SOON = 60.0
"""Seconds from one question to the next; `SOON` where nothing was answered, or the clocks are apart."""
STEP = 10
"""Seconds to which the distance of the clocks is rounded, from 100 s on to its first figure: what moves a
little is told to nobody."""

logger = logging.getLogger(__name__)


class Asked(Protocol):
    """The part of `cluster.client.Client` that is needed here."""

    async def server(self) -> Server:
        """Who the API server is."""


class PlatformReader:
    """`changed` is called when another answer than the last one came. `wall` is the clock that is judged."""

    def __init__(self, *, client: Asked, wall: Callable[[], datetime], changed: Callable[[], None]) -> None:
        self._client = client
        self._wall = wall
        self._changed = changed
        self.platform = Platform()

    async def read(self) -> None:
        """Ask once. What is not answered is unknown."""
        found = Platform()
        try:
            server = await self._client.server()
        except ApiError as error:
            logger.warning("cannot read the version of Kubernetes: %s", error)
        else:
            ahead = (self._wall() - server.date).total_seconds() if server.date else 0.0
            found = Platform(server.version, rounded(ahead))
        if found != self.platform:
            self.platform = found
            self._changed()

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            well = self.platform.version and abs(self.platform.ahead) <= SECONDS_APART
            await asyncio.sleep(EVERY if well else SOON)
            await self.read()


def rounded(seconds: float) -> int:
    """A distance of clocks as it is told."""
    step = max(STEP, int("1" + "0" * (len(str(abs(int(seconds)))) - 1)))
    return step * round(seconds / step)
