"""What the service needs of real nodes: volumes, names, policy, a balancer, and faults that are faults."""

import http.client
import time
from collections.abc import Callable

import pytest

from dedicated.api.json import Manifest, get_list, get_str
from nodes.machine import NODES
from nodes.place import COUNT
from nodes.provider import NodesProvider
from nodes.session import ONE_PROCESSOR
from real_pods import claim, pod, service, web
from service.provider import Fault, ProviderError
from testbed.client import condition

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(240)]
PODS = "v1/pods"


def is_ready(found: Manifest | None) -> bool:
    return condition(found, "Ready") == "True"


def start(provider: NodesProvider, namespace: str, *manifests: Manifest) -> None:
    for manifest in manifests:
        provider.api.create(manifest)
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            name = get_str(manifest, "metadata", "name")
            provider.api.wait_for(PODS, namespace, name, is_ready, timeout=60, what="Ready")


def run(provider: NodesProvider, namespace: str, name: str, command: str, *, seconds: float = 30) -> str:
    return provider.kubectl("exec", "-n", namespace, name, "--", "sh", "-c", command, seconds=seconds)


def until(condition: Callable[[], bool], *, seconds: float, what: str) -> float:
    """Seconds until it holds; the test fails if it does not in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - started


def fetch(address: str) -> str:
    connection = http.client.HTTPConnection(address, 80, timeout=3)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def node_ready(provider: NodesProvider, node: str) -> bool:
    return condition(provider.api.find(NODES, "", node), "Ready") == "True"


def test_there_are_three_nodes_in_three_zones(real_nodes: NodesProvider) -> None:
    nodes = real_nodes.nodes()
    assert len({node.zone for node in nodes}) == len(nodes) == COUNT
    assert all(node_ready(real_nodes, node.name) for node in nodes)


def test_pods_weigh_as_processors_and_the_daemons_of_a_node_as_one(real_nodes: NodesProvider) -> None:
    ask = "cd /sys/fs/cgroup/cpu; cat kubelet/cpu.shares system/cpu.shares; nproc; grep -c kubelet.yaml {}"
    for node in real_nodes.nodes():
        daemons = "$(sed s,^,/proc/, system/cgroup.procs | sed s,$,/cmdline,)"
        said = real_nodes.in_node(node.name, "sh", "-c", f"{ask.format(daemons)} | grep -c ':1$'")
        pods, system, processors, kubelets = map(int, said.split())
        assert (pods, system, kubelets) == (processors * ONE_PROCESSOR, ONE_PROCESSOR, 1)


def test_a_volume_has_the_size_asked_for_and_grows(real_nodes: NodesProvider, room: str) -> None:
    start(real_nodes, room, claim(room, "data", "32Mi"), pod(room, "writer", claim="data"))
    fill = "dd if=/dev/zero of=/data/full bs=1M 2>&1; stat -c %s /data/full"
    said = run(real_nodes, room, "writer", fill)
    assert "No space left on device" in said
    assert 16 * 2**20 < int(said.splitlines()[-1]) < 32 * 2**20
    patch: Manifest = {"spec": {"resources": {"requests": {"storage": "64Mi"}}}}
    real_nodes.api.patch("v1/persistentvolumeclaims", room, "data", patch)
    until(
        lambda: "ok" in run(real_nodes, room, "writer", "echo x > /data/more && echo ok || true"),
        seconds=30,
        what="room on the volume",
    )


def test_a_deleted_volume_leaves_no_file(real_nodes: NodesProvider, room: str) -> None:
    start(real_nodes, room, claim(room, "data", "32Mi"), pod(room, "writer", claim="data"))
    volume = get_str(real_nodes.api.get("v1/persistentvolumeclaims", room, "data"), "spec", "volumeName")
    real_nodes.api.delete(PODS, room, "writer", grace=0)
    real_nodes.api.delete("v1/persistentvolumeclaims", room, "data")
    real_nodes.api.wait_for(
        "v1/persistentvolumes", "", volume, lambda found: found is None, timeout=60, what="gone"
    )


def test_names_of_services_and_of_the_world(real_nodes: NodesProvider, room: str) -> None:
    start(real_nodes, room, web(room, "site"), service(room, "site"))
    ask = "getent hosts {} || true"
    assert run(real_nodes, room, "site", ask.format(f"site.{room}.svc.cluster.local"))
    assert not run(real_nodes, room, "site", ask.format("id.example.test"))
    real_nodes.publish("id.example.test", "10.9.8.7")
    until(
        lambda: "10.9.8.7" in run(real_nodes, room, "site", ask.format("id.example.test")),
        seconds=10,
        what="the published name",
    )
    real_nodes.withdraw("id.example.test")
    until(
        lambda: not run(real_nodes, room, "site", ask.format("id.example.test")),
        seconds=10,
        what="the name withdrawn",
    )


@pytest.mark.parametrize("client_node", ["node1", "node2"], ids=["same-node", "other-node"])
def test_network_policy_is_enforced(real_nodes: NodesProvider, room: str, client_node: str) -> None:
    start(
        real_nodes,
        room,
        web(room, "site", node="node1"),
        service(room, "site"),
        pod(room, "friend", node=client_node),
        pod(room, "stranger", node=client_node),
    )
    code = "import urllib.request as u; print(u.urlopen('http://site', timeout=2).read().decode())"
    ask = f'python3 -c "{code}" 2>/dev/null || true'

    def reaches(name: str) -> bool:
        return "site" in run(real_nodes, room, name, ask)

    assert reaches("friend")
    assert reaches("stranger")
    real_nodes.api.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "site", "namespace": room},
            "spec": {
                "podSelector": {"matchLabels": {"app": "site"}},
                "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}],
            },
        }
    )
    until(lambda: not reaches("stranger"), seconds=20, what="the stranger kept out")
    assert reaches("friend")


def test_the_balancer_serves_while_a_node_is_dark(real_nodes: NodesProvider, room: str) -> None:
    start(real_nodes, room, web(room, "site", node="node1"), service(room, "site", kind="LoadBalancer"))
    address = ""

    def has_address() -> bool:
        nonlocal address
        ingress = get_list(
            real_nodes.api.get("v1/services", room, "site"), "status", "loadBalancer", "ingress"
        )
        address = get_str(ingress[0], "ip") if ingress else ""
        return bool(address)

    until(has_address, seconds=20, what="an address")
    until(lambda: fetch(address) == "site", seconds=20, what="an answer through the balancer")
    real_nodes.break_node("node3", "dark")
    until(lambda: all(fetch(address) == "site" for _ in range(6)), seconds=30, what="answers without node3")


@pytest.mark.parametrize("fault", ["crash", "partition", "hung", "dark", "interface"])
def test_a_fault_is_noticed_and_undone(
    real_nodes: NodesProvider, room: str, fault: Fault, record_property: Callable[[str, object], None]
) -> None:
    start(
        real_nodes,
        room,
        claim(room, "data", "32Mi"),
        pod(room, "writer", node="node2", claim="data", command="cat /data/kept; exec sleep infinity"),
    )
    run(real_nodes, room, "writer", "echo kept > /data/kept; sync")
    real_nodes.break_node("node2", fault)
    with pytest.raises(ProviderError, match="broken already"):
        real_nodes.break_node("node2", "hung")
    noticed = until(lambda: not node_ready(real_nodes, "node2"), seconds=45, what="NotReady")
    real_nodes.heal_node("node2")
    real_nodes.heal_node("node2")
    healed = until(lambda: node_ready(real_nodes, "node2"), seconds=60, what="Ready")
    real_nodes.api.wait_for(PODS, room, "writer", is_ready, timeout=60, what="Ready after healing")
    assert run(real_nodes, room, "writer", "cat /data/kept") == "kept\n"
    record_property("noticed_seconds", round(noticed, 1))
    record_property("ready_again_seconds", round(healed, 1))
