"""What can become of a request, and who decides it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from faultproxy.asked import Asked

When = Literal["before", "after"]
"""Before the API server has got the request, or after it has answered; its answer is then thrown away."""

GATE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Forward:
    """Pass it on, and the answer back."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait some seconds before (or with the answer in hand: after) passing it on."""

    seconds: float
    when: When = "before"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer in the API server's place, with a `Status` object; it never gets the request."""

    status: int
    reason: str = ""
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection (RST)."""

    when: When


@dataclass(frozen=True, slots=True)
class Half:
    """Pass it on, then break the connection in the middle of the answer; of a watch, of its first event."""


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process that asks, by `kill`, which must return when it is dead.

    All of its connections are broken with it: nothing that it has sent and that was not yet passed on
    reaches the API server any more.
    """

    when: When
    kill: Callable[[], None]


@dataclass(frozen=True, slots=True)
class CloseWatch:
    """End a watch in good order after some seconds, as the API server does after its timeout."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ExpireWatch:
    """After some seconds tell a watch that its version is too old (410), and end it."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StallWatch:
    """After some seconds let nothing through, bookmarks neither, with the connection open."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """Nobody listens for some seconds: open connections break, new ones are refused, this request is lost."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a request waits: `arrived` is set once it is there, `open` lets it (and all others) through."""

    arrived: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Let pass who waits, and who comes."""
        self.opened.set()


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the request until the gate is opened (120 s at most), then pass it on, whoever still waits."""

    gate: Gate


Decision: TypeAlias = (
    Forward
    | Delay
    | Answer
    | Reset
    | Half
    | Kill
    | CloseWatch
    | ExpireWatch
    | StallWatch
    | Outage
    | Hold
)


class Policy(Protocol):
    """Asked once for each request, in the proxy's thread: it must not block."""

    def __call__(self, asked: Asked) -> Decision:
        """What shall become of the request."""


def forward_all(asked: Asked) -> Decision:
    """The policy of peace."""
    del asked
    return Forward()
