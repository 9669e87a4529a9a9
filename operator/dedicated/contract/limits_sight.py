"""What is seen of an instance's limiter: the input of its judgement, as plain facts.

The reports are the replicas' own word; the ways are the operator's, from what objects there are and from a
connection that must fail.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from dedicated.contract.limiter_report import NEVER, Report, Thresholds, material

STALE = timedelta(minutes=5)
"""A report that is older says nothing of now; at rest one comes every two minutes."""
TOLERANCE = timedelta(seconds=5)
"""By how much the clock of an agent may be ahead of ours."""

Enforcement = Literal["NoEdge", "External", "Embedded"]
"""Who keeps the limits: nobody, since no way in is stated; the customer; the limiter."""
Mode = Literal["Enforce", "Shadow"]
Source = Literal["XForwardedFor", "ProxyProtocol", "Connection"]
"""Where the client's address is read."""
Direct = Literal["Closed", "Open", "NotTried", "Unknown"]
"""What a connection to a server pod past the limiter came to: it failed, as it must; it came about; nobody
tried, as the operator was told; it tells nothing, since the limiter itself was not reached either."""


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """An object by which server or login can be reached past the limiter, and what of it does that."""

    kind: str
    name: str
    opens: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.opens})"


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways past the limiter. `looked` is False while the objects were not listed; `early`: the operator
    has just begun to look."""

    objects: tuple[Way, ...] = ()
    direct: Direct = "Unknown"
    looked: bool = False
    early: bool = False


@dataclass(frozen=True, slots=True)
class ClientSource:
    """Where the client's address is read, and from whom it is believed."""

    source: Source = "Connection"
    trusted: tuple[str, ...] = ()
    hops: int = 1


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the five conditions are judged by.

    `policy_hash` and `thresholds` are those in force by the contract, `contents` the digests of the files
    that each replica is to run; `since` is since when all this is wanted.
    `reports` are those of the replicas wanted. `stands`: the limiter was ready once.
    """

    enforcement: Enforcement
    replicas: int = 0
    mode: Mode = "Enforce"
    policy_hash: str = ""
    thresholds: Thresholds = field(default_factory=Thresholds)
    contents: tuple[str, ...] = ()
    since: datetime = NEVER
    client: ClientSource = field(default_factory=ClientSource)
    reports: tuple[Report, ...] = ()
    ways: Ways = field(default_factory=Ways)
    stands: bool = False
    zone: str = "UTC"


def fresh(reports: Iterable[Report], *, now: datetime) -> tuple[Report, ...]:
    """The reports that say something of now: neither old, nor from the future."""
    return tuple(one for one in reports if now - STALE <= one.measured_at <= now + TOLERANCE)


def is_news(old: tuple[Report, ...], new: tuple[Report, ...]) -> bool:
    """Whether reports tell more than that time has passed: a fleet's come every second."""
    return tuple(map(material, old)) != tuple(map(material, new))
