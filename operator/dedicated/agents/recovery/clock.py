"""Which clock is believed: our own, as long as the others do not say that it is wrong.

A promise is a time. One taken from a clock that is ahead promises what is not there, and a clock may be set
at any moment. So two others are asked whenever they are heard: the database server's and the API server's;
each is carried on by the monotonic clock, which is never set. Of three clocks the middle one is believed,
of two the one behind; our own, wherever it is close to that one.

Limit: where two of the three are wrong together, so are the times.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

Other = Literal["Database", "ApiServer"]
CLOSE = timedelta(seconds=5)
"""Clocks that differ by less are the same: an API server tells whole seconds, an answer takes time."""


class Clock:
    """The time, as a function."""

    def __init__(self, *, wall: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._heard: dict[Other, tuple[float, datetime]] = {}

    def __call__(self) -> datetime:
        """The time that is believed."""
        own = self._wall()
        ordered = sorted([own, *self._others().values()])
        believed = ordered[(len(ordered) - 1) // 2]
        return own if abs(own - believed) < CLOSE else believed

    def heard(self, other: Other, at: datetime) -> None:
        """What another clock says now."""
        self._heard[other] = (self._monotonic(), at)

    def ahead(self, other: Other) -> timedelta:
        """By how much another clock is ahead of the time that is believed; nothing where it is close."""
        known = self._others().get(other)
        difference = known - self() if known is not None else timedelta(0)
        return difference if difference >= CLOSE else timedelta(0)

    def difference(self) -> str:
        """Which clocks differ from the time that is believed, in words; empty where all are close."""
        believed = self()
        clocks = {"its own": self._wall(), "the database's": None, "the API server's": None} | {
            {"Database": "the database's", "ApiServer": "the API server's"}[name]: at
            for name, at in self._others().items()
        }
        wrong = [
            f"{name} clock is {abs(at - believed).total_seconds():.0f} s "
            f"{'ahead of' if at > believed else 'behind'} the time believed"
            for name, at in clocks.items()
            if at is not None and abs(at - believed) >= CLOSE
        ]
        return "; ".join(wrong)

    def _others(self) -> dict[Other, datetime]:
        now = self._monotonic()
        return {name: at + timedelta(seconds=now - then) for name, (then, at) in self._heard.items()}
