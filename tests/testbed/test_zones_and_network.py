"""Zones that are lost and return, Services that lead to running pods, and the front with public names."""

import json
import ssl
import time
from pathlib import Path

import pytest
import urllib3

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_str
from testbed.client import condition
from testbed.cluster import Cluster
from testbed.nodes import ZONE_LABEL, ZONES
from testbed.stub_pods import PORT, container, http_probe, pod

pytestmark = pytest.mark.cluster
PODS = "v1/pods"
UNREACHABLE = "node.kubernetes.io/unreachable"


def is_ready(found: Manifest | None) -> bool:
    return condition(found, "Ready") == "True"


def service(namespace: str) -> Manifest:
    ports: list[Manifest] = [{"name": "http", "port": 80, "targetPort": PORT}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": namespace},
        "spec": {"selector": {"app": "p"}, "ports": list(ports)},
    }


def resolved(cluster: Cluster, namespace: str, name: str) -> list[str]:
    path = cluster.home.pods / namespace / "resolve.json"
    return list(json.loads(path.read_text()).get(name, [])) if path.exists() else []


def eventually_resolved(cluster: Cluster, namespace: str, name: str, count: int) -> list[str]:
    deadline = time.monotonic() + 10
    while len(found := resolved(cluster, namespace, name)) != count:
        assert time.monotonic() < deadline, f"{name} leads to {found}, not to {count} endpoints"
        time.sleep(0.05)
    return found


def test_zones_have_two_ready_nodes_each(cluster: Cluster) -> None:
    nodes = cluster.api.list("v1/nodes")
    zones = [get_str(node, "metadata", "labels", ZONE_LABEL) for node in nodes]
    assert sorted(zones) == sorted(ZONES * 2)


def test_services_resolve_to_ready_pods_only(cluster: Cluster, namespace: str) -> None:
    cluster.api.create(service(namespace))
    cluster.api.create(pod(namespace, container("serve", str(PORT), readinessProbe=http_probe("/ready"))))
    found = eventually_resolved(cluster, namespace, f"s.{namespace}.svc:80", 1)
    assert found[0].startswith("127.")
    assert resolved(cluster, namespace, "s:80") == found
    url = f"http://{found[0]}/flags/unready"
    assert urllib3.request("POST", url, retries=False).status == 200
    eventually_resolved(cluster, namespace, "s:80", 0)


def test_lost_zone_behaves_like_dead_nodes(cluster: Cluster, namespace: str, alone: None) -> None:
    api = cluster.api
    zone: Manifest = {ZONE_LABEL: "zone-b"}
    serving = container("serve", str(PORT), readinessProbe=http_probe("/ready"))
    api.create(service(namespace))
    api.create(pod(namespace, serving, nodeSelector=zone))
    simulated = {**container("any"), "image": "registry.test/other:v1"}
    for name in ("simulated", "deleted"):
        api.create(pod(namespace, simulated, name=name, nodeSelector=zone))
    for name in ("p", "simulated", "deleted"):
        api.wait_for(PODS, namespace, name, is_ready, what="ready")
    endpoint = eventually_resolved(cluster, namespace, "s:80", 1)[0]

    cluster.lose_zone("zone-b")
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", f"http://{endpoint}/ready", retries=False, timeout=2)
    for name in ("p", "simulated"):  # marked by the node controller; a dead kubelet says nothing
        lost = api.wait_for(PODS, namespace, name, lambda found: not is_ready(found), what="not ready")
        assert get_str(lost, "status", "phase") == "Running"
    eventually_resolved(cluster, namespace, "s:80", 0)
    for node in api.list("v1/nodes", labels=f"{ZONE_LABEL}=zone-b"):
        taints = [get_str(taint, "key") for taint in get_list(node, "spec", "taints")]
        assert UNREACHABLE in taints
    api.delete(PODS, namespace, "deleted", grace=1)
    time.sleep(2)  # longer than its grace period and every stage's delay: nothing may happen meanwhile
    assert api.find(PODS, namespace, "deleted") is not None

    cluster.return_zone("zone-b")
    api.wait_for(PODS, namespace, "deleted", lambda found: found is None, what="gone")
    for name in ("p", "simulated"):
        back = api.wait_for(PODS, namespace, name, is_ready, what="ready again")
    again = api.get(PODS, namespace, "p")
    assert get_int(as_manifest(get_list(again, "status", "containerStatuses")[0]), "restartCount") == 1
    assert get_str(back, "status", "phase") == "Running"


def test_front_without_a_pod_answers_503_with_a_valid_certificate(cluster: Cluster) -> None:
    host, port = cluster.front.split(":")
    context = ssl.create_default_context(cafile=str(cluster.ca))
    pool = urllib3.HTTPSConnectionPool(
        host, int(port), ssl_context=context, server_hostname="nobody.test", assert_hostname="nobody.test"
    )
    answer = pool.request("GET", "/", headers={"Host": "nobody.test"}, retries=False)
    assert (answer.status, answer.data) == (503, b"no ready pod of zitadel serves nobody.test\n")


def test_killed_program_comes_back(cluster: Cluster, namespace: str, alone: None) -> None:
    before = cluster.pid("kube-scheduler")
    cluster.kill("kube-scheduler")
    assert cluster.pid("kube-scheduler") != before
    cluster.api.create(pod(namespace, {**container("any"), "image": "registry.test/other:v1"}))
    cluster.api.wait_for(PODS, namespace, "p", is_ready, timeout=30, what="ready")


def test_users_have_their_own_rights_and_are_audited(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    position = cluster.audit_position()
    config = cluster.user_kubeconfig("jane", groups=("team",))
    answer = cluster.kubectl("get", "pods", "-n", namespace, config=config, check=False)
    assert 'User "jane" cannot list resource "pods"' in answer
    seen = [
        request for request in cluster.requests(since=position, user="jane") if request.resource == "pods"
    ]
    assert [(request.verb, request.namespace, request.code) for request in seen] == [("list", namespace, 403)]
    account = cluster.as_account(namespace, "default")
    review = account.create({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    assert get_str(review, "status", "userInfo", "username") == f"system:serviceaccount:{namespace}:default"
