"""What a scenario asks of the place where it is played.

`live` implements it on a real cluster; tests play it with a clock of their own. A stage says what it lacks,
so that a scenario is left out with a reason instead of failing.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

from clients.rows import Row
from dedicated.api.json import Manifest
from scenarios.record import State
from service.provider import Provider

Need = Literal[
    "clients",
    "edge",
    "two-releases",
    "own-database",
    "backups",
    "dns",
    "store",
    "volumes",
    "certificate",
    "rebuild",
]
"""What a scenario may need.

clients: real clients reach the instance by its public name. edge: the operator's limiters stand before it.
two-releases: a second release to upgrade to. own-database: an engine inside the cluster that fails over.
backups: its backups in the object store. dns, store: the cluster's DNS, the object store can be taken away
and given back. volumes: they have the size that was asked for. certificate: the edge's can be exchanged.
rebuild: the cluster can be lost and made anew.
"""


Clients = Literal["users", "calls", "pages", "nobody"]
"""Logins, tokens and writes as users ask; or one class of requests at twice its limit from one address."""


class StageError(RuntimeError):
    """The stage could not do what a step asked, in its time; says what."""


class Load(Protocol):
    """Clients that ask until they are stopped."""

    def stop(self) -> Sequence[Row]:
        """Let them end; what they asked, in order of sending. May be called again."""


class Stage(Protocol):
    """The whole service on one cluster."""

    @property
    def provider(self) -> Provider:
        """The cluster."""

    @property
    def namespace(self) -> str:
        """Of the instance."""

    @property
    def instance(self) -> str:
        """The instance's name."""

    def lacks(self, need: Need) -> str:
        """Why this stage cannot give what is needed; empty where it can."""

    def install(self) -> None:
        """Ask for the instance; harmless where it stands. Does not wait for it."""

    def unsettled(self, *, redundant: bool = True) -> str:
        """What is not as before any fault: nodes, pods, conditions. Empty where the service is whole.

        Without `redundant`: where it serves, though the database may not survive the next fault.
        """

    def load(self, what: Clients) -> Load:
        """Start clients; not for `nobody`. StageError where they cannot be started."""

    def states(self, at: float) -> Sequence[State]:
        """One reading of the instance and the nodes, each state stamped `at`. Raises OSError or ApiError."""

    def stored(self) -> frozenset[str] | None:
        """Tokens of writes in the database; None where nobody can ask it."""

    def primary_node(self) -> str:
        """The node on which the database takes writes; empty where it is not known."""

    def change(self, patch: Manifest) -> None:
        """Merge into the instance's spec."""

    def database_pod(self) -> str:
        """The pod, in the instance's namespace, that takes writes."""

    def store(self) -> str:
        """The object store's workload as `NAMESPACE/KIND/NAME`."""

    def store_node(self) -> str:
        """The node on which the object store runs; empty where it is not known."""

    def switch_over(self, node: str) -> None:
        """Have the database's primary leave a node, in peace. Does not wait for it."""

    def operator(self) -> str:
        """The operator's Deployment as `NAMESPACE/KIND/NAME`."""

    def newer_release(self) -> str:
        """A release to upgrade to."""

    def lose_all(self) -> None:
        """Lose the whole cluster: its nodes crash, its objects and volumes are gone, but for the store's."""

    def start_nodes(self) -> None:
        """Start nodes that crashed; harmless where they run."""

    def rebuild(self) -> None:
        """Make operator, engine and instance anew from what is kept outside. Does not wait for it."""

    def short_certificate(self) -> Sequence[str]:
        """Certificate and key (PEM) for the public name, of the same authority, that end within two days."""

    def certificate(self) -> str:
        """Name of the Secret that the edge's certificate comes from."""

    def cut_peers(self) -> None:
        """Cut what limiters tell each other, and nothing else."""

    def join_peers(self) -> None:
        """Undo it; harmless where nothing is cut."""
