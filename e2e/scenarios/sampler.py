"""Reads the instance and the nodes every 0.5 s in a thread of its own, and keeps what changed.

A reading that fails is itself a state (`api/answers` False): what the status said meanwhile is not known. A
reading that is late is not made up for.
"""

import threading
import time
from collections.abc import Callable, Sequence

import urllib3

from scenarios.measures import changed
from scenarios.record import State
from testbed.client import ApiError

INTERVAL = 0.5
Read = Callable[[float], Sequence[State]]


class Sampler:
    """Samples from `start` to `stop`; may be used once."""

    def __init__(self, read: Read, *, interval: float = INTERVAL) -> None:
        self._read, self._interval = read, interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
        self._changes: list[State] = []
        self._last: tuple[State, ...] = ()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> tuple[State, ...]:
        """End; the changes in order of time."""
        self._over.set()
        self._thread.join(timeout=10)
        return tuple(self._changes)

    def _run(self) -> None:
        while not self._over.is_set():
            begun = time.time()
            try:
                reading = (State(begun, "api", "answers", "True"), *self._read(begun))
            except (ApiError, OSError, urllib3.exceptions.HTTPError) as error:
                unread = State(begun, "api", "answers", "False", type(error).__name__)
                reading = (unread, *(one for one in self._last if one.subject != "api"))
            self._changes += changed(self._last, reading)
            self._last = reading
            self._over.wait(max(0.0, self._interval - (time.time() - begun)))
