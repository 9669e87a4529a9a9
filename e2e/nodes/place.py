"""Where a cluster of real nodes lives: its folder and its addresses.

Each cluster has a number from 0 to 9, which decides its address ranges, so that several live on one
machine. The ranges are private ones that neither the machine nor the testbed of simulated nodes uses.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from testbed.home import CHECKOUT

COUNT = 3
"""Nodes, each in a zone of its own."""
FILES = Path(__file__).resolve().parent / "files"
_FIRST_RANGE = 200
_RANGES_EACH = 4


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one cluster, and the addresses that its number gives."""

    root: Path
    number: int

    @property
    def _second(self) -> int:
        return _FIRST_RANGE + _RANGES_EACH * self.number

    @property
    def name(self) -> str:
        """Prefix of what the machine sees of it: link, control groups."""
        return f"dn{self.number}"

    @property
    def all_addresses(self) -> str:
        """One range with everything in it: nodes, pods, Services, the link to the machine."""
        return f"10.{self._second}.0.0/14"

    @property
    def node_range(self) -> str:
        """Nodes, their gateway and the balancer's addresses."""
        return f"10.{self._second}.0.0/24"

    @property
    def gateway(self) -> str:
        """Address of the control plane, and the nodes' way to it."""
        return f"10.{self._second}.0.1"

    def balancer(self, index: int) -> str:
        """Address of the balancer for the Service of type LoadBalancer with this index, from 0."""
        return f"10.{self._second}.0.{100 + index}"

    @property
    def pod_range(self) -> str:
        """Pods of all nodes."""
        return f"10.{self._second + 1}.0.0/16"

    def pods_of(self, index: int) -> str:
        """Pods of the node with this index, from 1."""
        return f"10.{self._second + 1}.{index}.0/24"

    @property
    def service_range(self) -> str:
        """ClusterIPs."""
        return f"10.{self._second + 2}.0.0/16"

    @property
    def first_service(self) -> str:
        """ClusterIP of the API server."""
        return f"10.{self._second + 2}.0.1"

    @property
    def dns(self) -> str:
        """ClusterIP of the cluster's DNS."""
        return f"10.{self._second + 2}.0.10"

    @property
    def host_address(self) -> str:
        """The machine's end of the link."""
        return f"10.{self._second + 3}.0.1"

    @property
    def inner_address(self) -> str:
        """The cluster's end of the link."""
        return f"10.{self._second + 3}.0.2"

    @property
    def host_link(self) -> str:
        """Name of the link on the machine."""
        return f"{self.name}-host"

    @property
    def bridge(self) -> str:
        """The switch that joins the nodes."""
        return f"{self.name}-nodes"

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.gateway}:6443"

    @property
    def cgroup(self) -> str:
        """Name of the control group of all nodes, in each hierarchy."""
        return f"dedicated-{self.name}"

    def node(self, index: int) -> str:
        """Name of the node with this index, from 1."""
        return f"node{index}"

    def node_address(self, index: int) -> str:
        """InternalIP of the node with this index, from 1."""
        return f"10.{self._second}.0.{10 + index}"

    def index(self, node: str) -> int:
        """The index of a node; LookupError for a name that no node has."""
        for index in range(1, COUNT + 1):
            if self.node(index) == node:
                return index
        raise LookupError(f"no node is called {node}")

    @property
    def pki(self) -> Path:
        """Keys, certificates, kubeconfigs; read-only in the nodes."""
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.pki / "admin.kubeconfig"

    @property
    def logs(self) -> Path:
        """Logs of all processes."""
        return self.root / "logs"

    @property
    def images(self) -> Path:
        """Image archives that nodes import; read-only in the nodes."""
        return self.root / "images"

    @property
    def names(self) -> Path:
        """The folder with the hosts file of public names; read-only in the nodes."""
        return self.root / "names"

    @property
    def docker_socket(self) -> Path:
        """The engine of the node containers."""
        return self.root / "docker.sock"

    @property
    def process(self) -> Path:
        """Identity of the process whose end ends everything."""
        return self.root / "process.json"

    @property
    def ready(self) -> Path:
        """Exists exactly while the cluster is usable."""
        return self.root / "ready"

    @property
    def transient(self) -> Path:
        """Exists in a cluster that ends with its last user."""
        return self.root / "transient"

    @property
    def lock(self) -> Path:
        """Held by whoever starts or stops the cluster."""
        return self.root.with_name(self.root.name + ".lock")

    @property
    def users(self) -> Path:
        """Shared by every process that uses the cluster."""
        return self.root.with_name(self.root.name + ".users")


def default_place() -> Place:
    """`$DEDICATED_NODES` (default `.cache/nodes`) and `$DEDICATED_NODES_NUMBER` (default 0)."""
    number = int(os.environ.get("DEDICATED_NODES_NUMBER") or 0)
    if not 0 <= number <= 9:
        raise ValueError(f"DEDICATED_NODES_NUMBER is {number}: from 0 to 9")
    root = os.environ.get("DEDICATED_NODES") or CHECKOUT / ".cache" / (
        "nodes" if number == 0 else f"nodes-{number}"
    )
    return Place(Path(root).resolve(), number)
