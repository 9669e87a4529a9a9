"""Six nodes in three zones, and the loss of a zone.

A lost node is one that kwok and the pod runner leave alone: its lease is no longer renewed, nothing
changes the state of its pods, processes of its pods are dead. The rest is Kubernetes' own doing: the
node controller notices, taints the node and marks its pods not ready.
"""

import time
from collections.abc import Sequence

from dedicated.api.json import Manifest, get_str
from testbed.client import Api, condition
from testbed.controlplane import GRACE_SECONDS, LEASE_SECONDS, LOST_LABEL

ZONES = ("zone-a", "zone-b", "zone-c")
NODES_PER_ZONE = 2
REGION = "region-1"
ZONE_LABEL = "topology.kubernetes.io/zone"
NODES = "v1/nodes"


def node_manifests() -> list[Manifest]:
    """The nodes as a cloud would register them; their sizes and readiness come from the stages."""
    return [_node(zone, number) for number in range(1, NODES_PER_ZONE + 1) for zone in ZONES]


def _node(zone: str, number: int) -> Manifest:
    name = f"{zone}-{number}"
    labels: Manifest = {
        ZONE_LABEL: zone,
        "topology.kubernetes.io/region": REGION,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def nodes_of(api: Api, zone: str) -> list[str]:
    """Names of a zone's nodes."""
    return [get_str(node, "metadata", "name") for node in api.list(NODES, labels=f"{ZONE_LABEL}={zone}")]


def wait_for_nodes(api: Api, names: Sequence[str], status: str, *, seconds: float) -> float:
    """Wait until condition Ready of all nodes is `status`; returns the seconds it took."""
    start = time.monotonic()
    for name in names:
        left = max(0.1, seconds - (time.monotonic() - start))
        api.wait_for(
            NODES,
            "",
            name,
            lambda node: condition(node, "Ready") == status,
            timeout=left,
            what=f"Ready={status}",
        )
    return time.monotonic() - start


def lose_zone(api: Api, zone: str, *, wait: bool = True) -> None:
    """Cut a zone's nodes off. With `wait`, return when the control plane has noticed (7-10 s)."""
    _mark(api, zone, lost=True)
    if wait:
        wait_for_nodes(api, nodes_of(api, zone), "Unknown", seconds=GRACE_SECONDS + LEASE_SECONDS + 20)


def return_zone(api: Api, zone: str, *, wait: bool = True) -> None:
    """Bring a zone's nodes back; with `wait`, return when they are Ready."""
    _mark(api, zone, lost=False)
    if wait:
        wait_for_nodes(api, nodes_of(api, zone), "True", seconds=30)


def _mark(api: Api, zone: str, *, lost: bool) -> None:
    for name in nodes_of(api, zone):
        api.patch(NODES, "", name, {"metadata": {"labels": {LOST_LABEL: "true" if lost else None}}})
