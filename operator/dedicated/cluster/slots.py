"""Who may ask next.

Requests queue by flow (at the API server the namespace, so in effect the instance), and flows take turns: one
that asks for much waits for itself. A request that is not answered soon gives its place to the next one and
counts as slow; a flow with slow requests gets no more of them once a quarter of those allowed is taken. So
flows whose answers take many seconds, even a hundred of them, leave the places to those that are answered.

There is no limit of requests per second: the API server protects itself by priority and fairness (its 429
says when to come back), and a limit here would make all instances wait for those that ask in vain.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dedicated.cluster.patience import Patience

PLACES = 16
"""Requests at once, as long as they are answered soon. Each is a TLS connection with its buffers."""
SLOW = 160
"""Requests that may go on without a place."""
PATIENCE = 0.1
"""Seconds after which a request gives its place to the next one."""


class Slots:
    """Places for requests; one is given back after `patience` seconds. For the event loop's thread."""

    def __init__(self, *, places: int = PLACES, slow: int = SLOW, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._places = places
        self._room = slow
        self._plenty = slow * 3 // 4
        self._slow: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, flow: str) -> AsyncIterator[None]:
        """A place for the time of the block, when it is the flow's turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(flow, deque()).append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free()
            raise
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if self._room > 0:
                given_back = True
                self._room -= 1
                self._slow[flow] += 1
                self._free()

        patience = Patience(self._patience, give_back)
        try:
            yield
        finally:
            patience.cancel()
            if given_back:
                self._room += 1
                self._slow -= Counter([flow])
                self._admit()
            else:
                self._free()

    def _free(self) -> None:
        self._places += 1
        self._admit()

    def _admit(self) -> None:
        """Give free places away, one for each flow in turn."""
        while self._places > 0:
            flow = next((flow for flow in self._waiting if self._may_ask(flow)), None)
            if flow is None:
                return
            turns = self._waiting.pop(flow)
            turn = turns.popleft()
            if turns:
                self._waiting[flow] = turns  # behind all others
            if not turn.cancelled():
                self._places -= 1
                turn.set_result(None)

    def _may_ask(self, flow: str) -> bool:
        return self._room >= self._plenty or not self._slow[flow]
