"""A stage without a cluster: its clock is told, what is done to it is written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clients.rows import Row
from dedicated.api.json import Manifest
from scenarios.record import State
from scenarios.runner import Pace
from scenarios.stage import Clients, Load, Need
from service.provider import Provider


@dataclass(slots=True)
class Clock:
    """Seconds that pass only when slept; `events` happen when their time has come."""

    now: float = 1000.0
    events: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def read(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        due = [event for event in self.events if event[0] <= self.now]
        self.events = [event for event in self.events if event[0] > self.now]
        for _, happen in due:
            happen()

    def pace(self) -> Pace:
        """For the runner; half of the time something waits for a processor."""
        return Pace(self.read, self.sleep, waited=lambda: self.now / 2)


@dataclass(frozen=True, slots=True)
class PlayedLoad:
    """Clients that asked what is given."""

    rows: tuple[Row, ...]
    told: list[str]

    def stop(self) -> Sequence[Row]:
        """Their rows."""
        self.told.append("clients stopped")
        return self.rows


@dataclass(slots=True)
class PlayedStage:
    """A stage whose troubles are given; `told` is all that was done to it, in order."""

    clock: Clock = field(default_factory=Clock)
    rows: tuple[Row, ...] = ()
    kept: frozenset[str] | None = None
    trouble: str = ""
    lacking: dict[Need, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    namespace: str = "acme"
    instance: str = "acme"

    @property
    def provider(self) -> Provider:
        """None: no step of a played scenario asks for it."""
        raise AssertionError("a played stage has no cluster")

    def lacks(self, need: Need) -> str:
        """As given."""
        return self.lacking.get(need, "")

    def install(self) -> None:
        """Written down once."""
        if "installed" not in self.told:
            self.told.append("installed")

    def unsettled(self, *, redundant: bool = True) -> str:
        """As given."""
        return self.trouble if redundant else ""

    def load(self, what: Clients) -> Load:
        """The rows given."""
        self.told.append(f"clients: {what}")
        return PlayedLoad(self.rows, self.told)

    def states(self, at: float) -> Sequence[State]:
        """Ready, unless there is trouble."""
        return (State(at, "instance", "Ready", "False" if self.trouble else "True"),)

    def stored(self) -> frozenset[str] | None:
        """As given."""
        return self.kept

    def primary_node(self) -> str:
        """Nowhere."""
        return ""

    def change(self, patch: Manifest) -> None:
        """Written down."""
        self.told.append(f"changed: {patch}")

    def database_pod(self) -> str:
        """None."""
        return ""

    def store(self) -> str:
        """None."""
        return ""

    def store_node(self) -> str:
        """Where the primary is not."""
        return "node-of-the-store"

    def switch_over(self, node: str) -> None:
        """Not asked for."""

    def operator(self) -> str:
        """None."""
        return ""

    def newer_release(self) -> str:
        """None."""
        return ""

    def short_certificate(self) -> Sequence[str]:
        """None."""
        return ()

    def certificate(self) -> str:
        """None."""
        return ""

    def lose_all(self) -> None:
        """Written down."""
        self.told.append("cluster lost")

    def start_nodes(self) -> None:
        """Written down."""
        self.told.append("nodes started")

    def rebuild(self) -> None:
        """Written down."""
        self.told.append("cluster rebuilt")

    def cut_peers(self) -> None:
        """Written down."""
        self.told.append("peers cut")

    def join_peers(self) -> None:
        """Written down."""
        self.told.append("peers joined")
