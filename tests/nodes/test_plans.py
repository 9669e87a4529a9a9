"""The pure parts of real nodes: addresses, sizes, the balancer's configuration."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from dedicated.api.json import Manifest
from nodes.balancer import PROXY_PROTOCOL, configuration
from nodes.place import COUNT, Place
from nodes.volumes import quantity
from testbed.controlplane import SERVICE_RANGE, SIMULATED_PODS


def test_clusters_of_different_numbers_share_no_address() -> None:
    ranges = [ip_network(Place(Path("/x"), number).all_addresses) for number in range(10)]
    ranges += [ip_network(SERVICE_RANGE), ip_network(SIMULATED_PODS)]
    assert not [(a, b) for i, a in enumerate(ranges) for b in ranges[:i] if a.overlaps(b)]


@pytest.mark.parametrize("number", range(10))
def test_all_addresses_of_a_cluster_lie_in_its_range(number: int) -> None:
    place = Place(Path("/x"), number)
    everything = ip_network(place.all_addresses)
    for part in (place.node_range, place.pod_range, place.service_range):
        assert ip_network(part).subnet_of(everything)  # type: ignore[arg-type]
    for address in (place.host_address, place.inner_address, place.balancer(99), place.gateway, place.dns):
        assert ip_address(address) in everything
    assert len(place.host_link) <= 15


def test_nodes_are_found_by_name() -> None:
    place = Place(Path("/x"), 0)
    assert [place.index(place.node(index)) for index in range(1, COUNT + 1)] == [1, 2, 3]
    with pytest.raises(LookupError, match="node4"):
        place.index("node4")


@pytest.mark.parametrize(
    ("text", "size"),
    [("32Mi", 32 * 2**20), ("1Gi", 2**30), ("5G", 5 * 10**9), ("67108864", 2**26), ("1.5Ki", 1536)],
)
def test_sizes(text: str, size: int) -> None:
    assert quantity(text) == size


def service(**more: object) -> Manifest:
    spec = {"type": "LoadBalancer", "ports": [{"port": 443, "nodePort": 30001}], **more}
    return {"metadata": {"namespace": "a", "name": "b"}, "spec": spec}  # type: ignore[dict-item]


def test_the_balancer_asks_every_node() -> None:
    text = configuration({"10.200.0.100": service()}, Place(Path("/x"), 0))
    assert "  bind 10.200.0.100:443\n" in text
    servers = [line for line in text.splitlines() if line.startswith("  server")]
    assert len(servers) == COUNT
    assert all(line.endswith(":30001 check port 10256") for line in servers)


def test_the_balancer_tells_clients_addresses_if_asked() -> None:
    told = service(externalTrafficPolicy="Local", healthCheckNodePort=30999)
    told["metadata"] = {"namespace": "a", "name": "b", "annotations": {PROXY_PROTOCOL: "true"}}
    text = configuration({"10.200.0.100": told}, Place(Path("/x"), 0))
    assert text.count("check port 30999 send-proxy-v2") == COUNT
