"""A kind cluster behind the interface of the service, by the command lines of kind, docker and kubectl.

Nodes are Docker's containers on its network `kind`: a crash is `docker kill`, a partition `docker network
disconnect`, a hung machine `docker pause`. Images are published ones, by name in `$DEDICATED_KIND_IMAGES`
(`NAME=REFERENCE`, by commas), and loaded by `kind load`; the operator's and the fakes' are built from this
repository's Dockerfiles first. Load balancers are cloud-provider-kind's, which has to run beside: it speaks
no PROXY protocol, so that all clients share one address and its limits.

Limit: this ran against recorded command lines alone (`tests/service/test_kind.py`), not against kind.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dedicated.api.json import as_manifest, get_list, get_map, get_str
from service.provider import Balancer, Fault, Image, Node, ProviderError
from testbed.client import Api
from testbed.home import CHECKOUT, write_atomically

CLUSTER = "dedicated"
NETWORK = "kind"
CONFIG = Path(__file__).parent / "cluster.yaml"
IMAGES = "DEDICATED_KIND_IMAGES"
HOSTS_BEGIN, HOSTS_END = "    hosts {", "      fallthrough\n    }"
_COREDNS = ("-n", "kube-system", "configmap/coredns")


class Command(Protocol):
    """Runs a program. ProviderError if it fails or takes longer; unless `check` is False."""

    def __call__(
        self, *argv: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> str:
        """What it printed."""


def command(*argv: str, stdin: str | None = None, check: bool = True, seconds: float = 60) -> str:
    """Run a program of this machine; see `Command`."""
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )
    except FileNotFoundError as error:
        raise ProviderError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ProviderError(f"{' '.join(argv)}: not within {seconds:g} s") from error
    if check and done.returncode:
        raise ProviderError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr.strip()}")
    return done.stdout if check else done.stdout + done.stderr


def published(environment: Mapping[str, str]) -> dict[str, str]:
    """References of images by name, from the environment."""
    entries = filter(None, environment.get(IMAGES, "").split(","))
    return {name.strip(): value.strip() for name, _, value in (entry.partition("=") for entry in entries)}


@dataclass(frozen=True, slots=True)
class KindProvider:
    """A running kind cluster; see `service.provider.Provider`."""

    run: Command
    home: Path
    images: Mapping[str, str]
    name: str = "kind"
    storage_class: str = "standard"

    @property
    def balancer(self) -> Balancer:
        """cloud-provider-kind's, which tells no client's address."""
        return Balancer({}, ())

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.home / "kubeconfig"

    @property
    def api(self) -> Api:
        """Requests as administrator."""
        return Api.from_kubeconfig(self.kubeconfig)

    @classmethod
    def running(cls, run: Command) -> "KindProvider | None":
        """The running cluster, or None."""
        if CLUSTER not in run("kind", "get", "clusters").split():
            return None
        provider = cls(run, CHECKOUT / ".cache" / "kind", published(os.environ))
        write_atomically(provider.kubeconfig, run("kind", "get", "kubeconfig", "--name", CLUSTER))
        return provider

    @classmethod
    def up(cls, run: Command) -> "KindProvider":
        """The cluster, created if there is none."""
        if cls.running(run) is None:
            run("kind", "create", "cluster", "--config", str(CONFIG), "--wait", "120s", seconds=600)
        provider = cls.running(run)
        if provider is None:
            raise ProviderError("kind made no cluster")
        return provider

    @classmethod
    def down(cls, run: Command) -> bool:
        """Delete the cluster; whether there was one."""
        found = CLUSTER in run("kind", "get", "clusters").split()
        run("kind", "delete", "cluster", "--name", CLUSTER, seconds=120)
        return found

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> str:
        """What kubectl printed."""
        config = f"--kubeconfig={self.kubeconfig}"
        return self.run("kubectl", config, *arguments, stdin=stdin, check=check, seconds=seconds)

    def image(self, name: Image) -> str:
        """The reference by which pods name an image. ProviderError where none was given."""
        if name not in self.images:
            raise ProviderError(f"no image for {name}: set {IMAGES}, as {name}=REFERENCE")
        return self.images[name]

    def repository(self, name: Image) -> str:
        """Repository of an image of the release catalogue; its tags are the releases."""
        head, colon, tag = self.image(name).rpartition(":")
        return head if colon and "/" not in tag else self.image(name)

    def load(self, names: Sequence[Image]) -> None:
        """Pull what Docker does not have, and bring it into every node."""
        for reference in [self.image(name) for name in names]:
            if not self.run("docker", "image", "ls", "--quiet", reference).strip():
                self.run("docker", "pull", "--quiet", reference, seconds=600)
            self.run("kind", "load", "docker-image", reference, "--name", CLUSTER, seconds=600)

    def nodes(self) -> list[Node]:
        """The workers, by name."""
        answer = as_manifest(json.loads(self.kubectl("get", "nodes", "--output", "json")))
        workers = "node-role.kubernetes.io/control-plane"
        found = [
            Node(
                get_str(node, "metadata", "name"),
                get_str(node, "metadata", "labels", "topology.kubernetes.io/zone"),
                next(
                    get_str(address, "address")
                    for address in get_list(node, "status", "addresses")
                    if get_str(address, "type") == "InternalIP"
                ),
            )
            for node in get_list(answer, "items")
            if workers not in get_map(node, "metadata", "labels")
        ]
        return sorted(found, key=lambda node: node.name)

    def break_node(self, node: str, fault: Fault) -> None:
        """Do a fault to a node."""
        if self._state(node) != "running" or not self._joined(node):
            raise ProviderError(f"{node} is broken already: heal it first")
        match fault:
            case "crash":
                self.run("docker", "kill", node)
            case "hung":
                self.run("docker", "pause", node)
            case "partition" | "interface":
                self.run("docker", "network", "disconnect", NETWORK, node)
            case "dark":
                self.run("docker", "network", "disconnect", NETWORK, node)
                self.run("docker", "pause", node)

    def heal_node(self, node: str) -> None:
        """Undo whatever was done to a node; its address is the one that the cluster knows it by."""
        match self._state(node):
            case "paused":
                self.run("docker", "unpause", node)
            case "exited":
                self.run("docker", "start", node)
        if not self._joined(node):
            self.run("docker", "network", "connect", "--ip", self._address(node), NETWORK, node)

    def in_node(self, node: str, *command: str) -> str:
        """What a command printed that ran on a node."""
        return self.run("docker", "exec", node, *command)

    def publish(self, host: str, address: str) -> None:
        """Let the cluster's DNS answer with this address for a name outside of it."""
        self._rewrite(host, f"      {address} {host}\n")

    def withdraw(self, host: str) -> None:
        """Let the cluster's DNS know the name no more."""
        self._rewrite(host, "")

    def _state(self, node: str) -> str:
        return self.run("docker", "inspect", "--format", "{{.State.Status}}", node).strip()

    def _joined(self, node: str) -> bool:
        networks = self.run("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", node)
        return NETWORK in as_manifest(json.loads(networks))

    def _address(self, node: str) -> str:
        return next(found.address for found in self.nodes() if found.name == node)

    def _rewrite(self, host: str, line: str) -> None:
        shown = as_manifest(json.loads(self.kubectl("get", *_COREDNS, "--output", "json")))
        data = get_map(shown, "data")
        data["Corefile"] = with_name(get_str(data, "Corefile"), host, line)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"data": data}, file)
            file.flush()
            self.kubectl("patch", *_COREDNS, "--type", "merge", "--patch-file", file.name)
        self.kubectl("-n", "kube-system", "rollout", "restart", "deployment/coredns")
        self.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", seconds=120)


def with_name(corefile: str, host: str, line: str) -> str:
    """A Corefile whose hosts block has this line for a host, and no other; empty: none."""
    kept = [old for old in corefile.splitlines(keepends=True) if old.split()[1:] != [host]]
    text = "".join(kept)
    if HOSTS_BEGIN not in text:
        head, _, rest = text.partition("{\n")
        text = f"{head}{{\n{HOSTS_BEGIN}\n{HOSTS_END}\n{rest}"
    return text.replace(f"{HOSTS_BEGIN}\n", f"{HOSTS_BEGIN}\n{line}", 1)
