"""Latencies, out of HAProxy's log: one line of some of the requests, with status, milliseconds and back end.

The log comes as datagrams to a socket of this process, and nothing of it is kept but counts in steps of a
fifth. What cannot be read is passed over. The last minute is told by six slots of ten seconds.
"""

import asyncio
import math
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SLOT, SLOTS = 10.0, 6
STEP = 1.2
"""Between two limits of a bucket: a latency is told to a fifth."""
LONGEST = 3_600_000.0
BACKENDS = frozenset({"ui", "login", "api"})
MODE = 0o660


@dataclass(frozen=True, slots=True)
class Line:
    """One request: how it was answered, in how many milliseconds, and whether it came from no client."""

    status: int
    milliseconds: float
    near: bool


def line_of(text: bytes) -> Line | None:
    """A line of the log; None: it is none, or not of a request that a client made."""
    parts = text.decode("ascii", errors="replace").split()
    if len(parts) != 4 or parts[2] not in BACKENDS or not parts[0].isdigit() or not parts[1].isdigit():
        return None
    return Line(int(parts[0]), min(LONGEST, float(parts[1])), parts[3] == "1")


@dataclass(slots=True)
class _Slot:
    began: float
    buckets: Counter[int] = field(default_factory=Counter)
    near: int = 0
    total: int = 0


class Latencies:
    """What the log told in the last minute. Refused requests count for where clients come from alone: they
    are answered here, and would make the instance look fast."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._slots: deque[_Slot] = deque(maxlen=SLOTS)
        self.sum = 0.0
        self.count = 0

    def add(self, line: Line) -> None:
        """One request."""
        slot = self._slot()
        slot.total += 1
        slot.near += line.near
        if line.status != 429:
            slot.buckets[bucket(line.milliseconds)] += 1
            self.sum += line.milliseconds / 1000
            self.count += 1

    def quantile(self, share: float) -> float | None:
        """The milliseconds that a share of the requests did not exceed; None where there were none."""
        buckets: Counter[int] = Counter()
        for slot in self._recent():
            buckets += slot.buckets
        wanted = share * buckets.total()
        for number in sorted(buckets):
            wanted -= buckets[number]
            if wanted <= 1e-9:
                return round(STEP**number, 1)
        return None

    def near(self) -> float:
        """The share of the requests that came from where no client is."""
        recent = list(self._recent())
        total = sum(slot.total for slot in recent)
        return sum(slot.near for slot in recent) / total if total else 0.0

    def _recent(self) -> Iterator[_Slot]:
        now = self._monotonic()
        return (slot for slot in self._slots if now - slot.began < SLOT * SLOTS)

    def _slot(self) -> _Slot:
        now = self._monotonic()
        if not self._slots or now - self._slots[-1].began >= SLOT:
            self._slots.append(_Slot(now))
        return self._slots[-1]


def bucket(milliseconds: float) -> int:
    """The number of the bucket; its limit is `STEP` to the power of it."""
    return math.ceil(math.log(max(1.0, milliseconds), STEP) - 1e-9)


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, add: Callable[[Line], None]) -> None:
        self._add = add

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
        if (line := line_of(data)) is not None:
            self._add(line)


@contextmanager
def _bound(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(MODE)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


async def listen(path: Path, latencies: Latencies) -> None:
    """Take the log until cancelled. HAProxy finds the socket again when this process starts anew."""
    loop = asyncio.get_running_loop()
    with _bound(path) as listener:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Listener(latencies.add), sock=listener)
        try:
            await asyncio.Event().wait()
        finally:
            transport.close()
