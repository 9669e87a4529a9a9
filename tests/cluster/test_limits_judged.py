"""What is seen of a limiter on a real API server turns the condition that it is about, and back again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cluster.instances import condition
from cluster.limits_stage import LIMITER, Limited, limited
from cluster.standing import SIMULATED
from dedicated.api.json import Manifest, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import INGRESS, NETWORK_POLICY, SERVICE, Kind
from dedicated.contract.limiter_report import Counts
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

SERVER: Manifest = {LABEL_INSTANCE: "acme", LABEL_COMPONENT: "server"}
PORT: Manifest = {"name": "http", "port": 8080}
BACKEND: Manifest = {"service": {"name": "acme-server", "port": {"number": 8080}}}
WAYS: tuple[tuple[Kind, Manifest, str], ...] = (
    (SERVICE, {"type": "NodePort", "selector": SERVER, "ports": [PORT]}, "Service back-door (NodePort)"),
    (
        NETWORK_POLICY,
        {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]},
        "NetworkPolicy back-door (lets others in)",
    ),
    (INGRESS, {"defaultBackend": BACKEND}, "Ingress back-door (leads there)"),
)


@pytest.fixture
def stage(cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator) -> Iterator[Limited]:
    namespace = make_namespace(labels=SIMULATED)
    run_operator(namespace, watch=(namespace,), extra=LIMITER)
    with limited(cluster, namespace) as found:
        found.wait("RateLimitEnforced", "True", "Proven")
        yield found


def test_a_way_past_the_limiter_is_named_while_it_is_there(stage: Limited) -> None:
    for kind, spec, words in WAYS:
        made: Manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": "back-door", "namespace": stage.namespace},
            "spec": spec,
        }
        stage.api.create(made)
        body = stage.wait("RateLimitEnforced", "False", "BypassFound")
        assert words in get_str(condition(body, "RateLimitEnforced"), "message")
        assert condition(body, "Stalled")["status"] == "False", "the instance serves on"
        assert "LimiterBypassed" in [get_str(one, "code") for one in get_list(body, "status", "findings")]
        stage.api.delete(kind, stage.namespace, "back-door")
        stage.wait("RateLimitEnforced", "True", "Proven")


def test_what_the_replicas_see_is_judged(stage: Limited) -> None:
    well = stage.agents.seen
    stage.agents.seen = replace(well, requests=Counts(100, 900), from_cluster=0.5)
    body = stage.wait("ClientAddressTrusted", "False", "SharedAddress")
    assert condition(body, "RateLimitEnforced")["reason"] == "Proven"
    stage.agents.seen = replace(well, requests=Counts(100, 900), tracked=Counts(0, well.room * 9 // 10))
    body = stage.wait("RateLimitCapacity", "False", "NearlyFull")
    assert condition(body, "ClientAddressTrusted")["status"] == "True"
    stage.agents.seen = replace(well, apart=1)
    stage.wait("RateLimitExact", "False", "ReplicasApart")
    stage.agents.seen = well
    stage.wait("RateLimitExact", "True", "Exact")
    stage.wait("RateLimitCapacity", "True", "Room")


def test_a_report_of_long_ago_is_no_report(stage: Limited) -> None:
    stage.agents.clock = lambda: datetime.now(UTC) - timedelta(minutes=6)
    stage.agents.seen = replace(stage.agents.seen, requests=Counts(100, 900))
    body = stage.wait("RateLimitEnforced", "Unknown", "NotReported")
    assert condition(body, "RateLimitConfigured")["status"] == "Unknown"
    assert condition(body, "Stalled")["status"] == "False"
    stage.agents.clock = lambda: datetime.now(UTC)
    stage.agents.seen = replace(stage.agents.seen, requests=Counts(900, 900))
    stage.wait("RateLimitEnforced", "True", "Proven")
