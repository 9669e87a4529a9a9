"""What a cluster of real nodes must offer so that the service and its scenarios run on it.

Two kinds of cluster exist: `nodes` (containers that this repository starts by itself, images from Debian
packages) and `kind` (a kind cluster, published images). Scenarios are written against this interface alone,
so that one set of them covers both. The interface holds what `kubectl` cannot do: images, faults of machines,
names in the cluster's DNS.

Limits: a provider gives one cluster with three zones, and names of the world outside are those that `publish`
was told of. All calls block and end within their deadline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from testbed.client import Api

Fault = Literal["crash", "partition", "hung", "dark", "interface"]
"""How a node is lost.

crash: the machine stops at once and starts again on healing, with its disk.
partition: its link is off; it runs on by itself.
hung: it is paused, while its kernel still accepts connections.
dark: link off and paused, as a zone without power; it comes back as it was.
interface: its network interface is taken away, and another one given on healing.
"""

Image = Literal[
    "operator",
    "zitadel",
    "login",
    "haproxy",
    "postgresql",
    "s3",
    "cloudnative-pg",
    "plugin-barman-cloud",
    "barman-sidecar",
    "clients",
]
"""What runs in pods; each provider knows where it comes from."""


class ProviderError(RuntimeError):
    """The cluster cannot do what was asked; says what, and what the tool printed."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that takes pods."""

    name: str
    zone: str
    """Of the label topology.kubernetes.io/zone."""
    address: str
    """Its InternalIP."""


@dataclass(frozen=True, slots=True)
class Balancer:
    """How the cluster's load balancer is asked for by a Service of type LoadBalancer."""

    annotations: Mapping[str, str]
    """Switch the PROXY protocol on, where it has one."""
    trusted: tuple[str, ...]
    """Ranges whence its connections reach pods with PROXY protocol. Empty: it sends none."""


class Provider(Protocol):
    """One running cluster. Safe to use from several threads, except for faults of the same node."""

    @property
    def name(self) -> str:
        """`nodes` or `kind`."""

    @property
    def api(self) -> Api:
        """Requests as administrator."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""

    @property
    def home(self) -> Path:
        """A folder that ends with the cluster, for what belongs to it: authorities, logs, reports."""

    @property
    def balancer(self) -> Balancer:
        """What `spec.edge.loadBalancer` of an instance has to say here."""

    @property
    def storage_class(self) -> str:
        """Volumes that stay on their node and have the size that was asked for, where the provider can."""

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> str:
        """What kubectl printed. ProviderError if it failed (unless `check` is False) or took longer."""

    def image(self, name: Image) -> str:
        """The reference by which pods name an image, for example `localhost/dedicated-operator:dev`."""

    def repository(self, name: Image) -> str:
        """Repository of `zitadel` or `login` for the release catalogue: its tags are the releases."""

    def load(self, names: Sequence[Image]) -> None:
        """Bring images into every node, built first where the provider builds them."""

    def nodes(self) -> list[Node]:
        """The nodes that take pods, by name."""

    def break_node(self, node: str, fault: Fault) -> None:
        """Do a fault to a sound node; returns once it is done, not once it is noticed."""

    def heal_node(self, node: str) -> None:
        """Undo whatever was done to a node; harmless for a sound one."""

    def in_node(self, node: str, *command: str) -> str:
        """What a command printed that ran on a node, as root. ProviderError if it failed."""

    def publish(self, host: str, address: str) -> None:
        """Let the cluster's DNS answer with this address for a name outside of it."""

    def withdraw(self, host: str) -> None:
        """Let the cluster's DNS know the name no more; harmless if it does not."""
