"""The provider `nodes`: a running cluster of real nodes behind the interface of the service."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dedicated.api.json import get_list, get_str
from images import archive, reference, repository
from images.build import ImageError
from nodes import engine, faults
from nodes.addons import HOSTS, STORAGE_CLASS
from nodes.balancer import PROXY_PROTOCOL
from nodes.engine import EngineError
from nodes.machine import NODES, import_images, put_archive
from nodes.place import COUNT, Place, default_place
from service.provider import Balancer, Fault, Image, Node, ProviderError
from testbed.client import Api
from testbed.home import write_atomically
from testbed.locks import locked
from testbed.tools import binary


@dataclass(frozen=True, slots=True)
class NodesProvider:
    """A running cluster; see `service.provider.Provider`."""

    place: Place
    api: Api
    name: str = "nodes"
    storage_class: str = STORAGE_CLASS

    @classmethod
    def of(cls, place: Place | None = None) -> "NodesProvider":
        """The handle of a running cluster."""
        place = place or default_place()
        return cls(place, Api.from_kubeconfig(place.kubeconfig))

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.place.kubeconfig

    @property
    def home(self) -> Path:
        """A folder that ends with the cluster."""
        return self.place.root

    @property
    def balancer(self) -> Balancer:
        """Connections reach pods from the node that took them, or from the switch of the pod's own node."""
        indexes = range(1, COUNT + 1)
        nodes = (f"{self.place.node_address(index)}/32" for index in indexes)
        switches = (f"{self.place.pods_of(index).removesuffix('.0/24')}.1/32" for index in indexes)
        return Balancer({PROXY_PROTOCOL: "true"}, (*nodes, *switches))

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> str:
        """What kubectl printed. ProviderError if it failed (unless `check` is False) or took longer."""
        try:
            done = subprocess.run(
                [binary("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                env=os.environ | {"KUBECACHEDIR": str(self.place.root / "kubectl")},
            )
        except subprocess.TimeoutExpired as error:
            raise ProviderError(f"kubectl {' '.join(arguments)}: not within {seconds:g} s") from error
        if check and done.returncode:
            raise ProviderError(f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")
        return done.stdout if check else done.stdout + done.stderr

    def image(self, name: Image) -> str:
        """The reference by which pods name an image."""
        return reference(name)

    def repository(self, name: Image) -> str:
        """Repository of an image of the release catalogue."""
        return repository(name)

    def load(self, names: Sequence[Image]) -> None:
        """Build images where they are missing, and bring them into every node at once."""
        try:
            source = archive(*names)
            with locked(self.place.root / "load.lock"):
                loaded = self.place.root / f"loaded-{source.name}"
                if not loaded.exists():
                    put_archive(self.place, source, source.name)
                    import_images(self.place, source.name)
                    loaded.touch()
        except (EngineError, ImageError) as error:
            raise ProviderError(str(error)) from error

    def nodes(self) -> list[Node]:
        """The nodes, by name."""
        return sorted(
            (
                Node(
                    get_str(node, "metadata", "name"),
                    get_str(node, "metadata", "labels", "topology.kubernetes.io/zone"),
                    next(
                        get_str(address, "address")
                        for address in get_list(node, "status", "addresses")
                        if get_str(address, "type") == "InternalIP"
                    ),
                )
                for node in self.api.list(NODES)
            ),
            key=lambda node: node.name,
        )

    def break_node(self, node: str, fault: Fault) -> None:
        """Do a fault to a node; returns once it is done."""
        try:
            faults.break_node(self.place, node, fault)
        except (EngineError, faults.FaultError, LookupError, subprocess.SubprocessError) as error:
            raise ProviderError(str(error)) from error

    def heal_node(self, node: str) -> None:
        """Undo whatever was done to a node; harmless for a sound one."""
        try:
            faults.heal_node(self.place, node)
        except (EngineError, subprocess.SubprocessError) as error:
            raise ProviderError(str(error)) from error

    def in_node(self, node: str, *command: str) -> str:
        """What a command printed that ran on a node."""
        try:
            return engine.in_node(self.place, node, *command)
        except (EngineError, subprocess.SubprocessError) as error:
            raise ProviderError(f"{node}: {error}") from error

    def publish(self, host: str, address: str) -> None:
        """Let the cluster's DNS answer with this address for a name outside of it."""
        self._change(host, f"{address} {host}")

    def withdraw(self, host: str) -> None:
        """Let the cluster's DNS know the name no more."""
        self._change(host, "")

    def _change(self, host: str, line: str) -> None:
        hosts = self.place.names / HOSTS
        with locked(self.place.root / "names.lock"):
            kept = [old for old in hosts.read_text().splitlines() if old.split()[1:] != [host]]
            write_atomically(hosts, "".join(f"{each}\n" for each in [*kept, line] if each), mode=0o644)
