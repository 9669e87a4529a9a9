"""The provider `kind`, against recorded command lines: no kind, no Docker."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kind.provider import KindProvider, published, with_name
from service.provider import Fault, ProviderError

COREFILE = ".:53 {\n    errors\n    forward . /etc/resolv.conf\n}\n"
NODE = "dedicated-worker"
NODES = {
    "items": [
        {
            "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-a", **more}},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }
        for name, address, more in (
            (NODE, "172.18.0.4", {}),
            ("dedicated-control-plane", "172.18.0.2", {"node-role.kubernetes.io/control-plane": ""}),
        )
    ]
}


@dataclass
class Docker:
    """A container that behaves as Docker's do, and a record of what was asked."""

    state: str = "running"
    joined: bool = True
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(
        self, *argv: str, stdin: str | None = None, check: bool = True, seconds: float = 60
    ) -> str:
        del stdin, check, seconds
        self.asked.append(argv)
        match argv:
            case ("docker", "inspect", "--format", "{{.State.Status}}", _):
                return f"{self.state}\n"
            case ("docker", "inspect", *_):
                return json.dumps({"kind": {}} if self.joined else {})
            case ("docker", "kill", _):
                self.state = "exited"
            case ("docker", "pause", _):
                self.state = "paused"
            case ("docker", "unpause" | "start", _):
                self.state = "running"
            case ("docker", "network", "disconnect", "kind", _):
                self.joined = False
            case ("docker", "network", "connect", "--ip", "172.18.0.4", "kind", _):
                self.joined = True
            case ("kubectl", _, "get", "nodes", *_):
                return json.dumps(NODES)
        return ""

    @property
    def changes(self) -> Iterator[tuple[str, ...]]:
        """What was asked of Docker, but for questions."""
        return (argv[1:] for argv in self.asked if argv[0] == "docker" and argv[1] != "inspect")


def provider(docker: Docker, **images: str) -> KindProvider:
    return KindProvider(docker, Path("home"), images)


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ("crash", [("kill", NODE)]),
        ("hung", [("pause", NODE)]),
        ("partition", [("network", "disconnect", "kind", NODE)]),
        ("interface", [("network", "disconnect", "kind", NODE)]),
        ("dark", [("network", "disconnect", "kind", NODE), ("pause", NODE)]),
    ],
)
def test_a_fault_is_done_and_undone(fault: Fault, done: list[tuple[str, ...]]) -> None:
    docker = Docker()
    provider(docker).break_node(NODE, fault)
    assert list(docker.changes) == done
    provider(docker).heal_node(NODE)
    assert (docker.state, docker.joined) == ("running", True)


def test_a_sound_node_is_left_alone_by_healing() -> None:
    docker = Docker()
    provider(docker).heal_node(NODE)
    assert list(docker.changes) == []


def test_a_broken_node_is_not_broken_again() -> None:
    docker = Docker(state="paused")
    with pytest.raises(ProviderError, match="heal it first"):
        provider(docker).break_node(NODE, "crash")


def test_the_control_plane_takes_no_pods() -> None:
    assert [node.name for node in provider(Docker()).nodes()] == [NODE]


def test_images_are_the_published_ones() -> None:
    images = published({"DEDICATED_KIND_IMAGES": "operator=r.example:5000/op:1, s3=r.example/weed"})
    kind = provider(Docker(), **images)
    assert kind.image("operator") == "r.example:5000/op:1"
    assert kind.repository("operator") == "r.example:5000/op"
    assert kind.repository("s3") == "r.example/weed"
    with pytest.raises(ProviderError, match="zitadel=REFERENCE"):
        kind.image("zitadel")


def test_a_name_is_in_the_cluster_s_dns_once() -> None:
    once = with_name(COREFILE, "login.acme.example", "      192.0.2.1 login.acme.example\n")
    twice = with_name(once, "login.acme.example", "      192.0.2.2 login.acme.example\n")
    assert "192.0.2.1" in once
    assert "192.0.2.1" not in twice
    assert twice.count("hosts {") == 1
    assert "login.acme.example" not in with_name(twice, "login.acme.example", "")
    assert "forward . /etc/resolv.conf" in twice
