"""Two replicas: one leads, and the other takes over in time, whatever happened to the first."""

import time

import pytest

from cluster.instances import wait_for
from cluster.observing import change, is_applied
from cluster.standing import SIMULATED, create_simulated, rest, until, writes
from dedicated.api.json import get_str
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

LEASE_SECONDS = 6.0
EXTRA = (f"--lease-seconds={LEASE_SECONDS:g}",)
RETRY_SECONDS = LEASE_SECONDS / 6 * 1.2
"""How often a standby looks at most."""
LEASES = "coordination.k8s.io/v1/leases"


def pair(run_operator: RunOperator, home: str, namespace: str) -> tuple[OperatorProcess, OperatorProcess]:
    """A leader and a standby. Both are ready: a standby misses nothing."""
    leader = run_operator(home, watch=(namespace,), identity="operator-0", extra=EXTRA)
    standby = run_operator(home, watch=(namespace,), identity="operator-1", extra=EXTRA)
    assert is_leader(leader)
    assert not is_leader(standby)
    return leader, standby


def is_leader(operator: OperatorProcess) -> bool:
    return "dedicated_operator_leader 1.0" in operator.http("/metrics")[1]


def holder(cluster: Cluster, namespace: str) -> str:
    return get_str(cluster.api.get(LEASES, namespace, "dedicated-operator"), "spec", "holderIdentity")


def replicas(cluster: Cluster, namespace: str, number: int) -> None:
    """Change the spec, and wait until whoever leads has applied it."""
    change(cluster.api, namespace, {"login": {"replicas": number}})
    wait_for(cluster.api, namespace, is_applied, what=f"{number} replicas")


def test_a_leader_that_stops_and_one_that_is_killed(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    leader, standby = pair(run_operator, home, namespace)
    create_simulated(cluster.api, namespace)
    wait_for(cluster.api, namespace, is_applied, what="applied")
    since = cluster.audit_position()
    assert leader.stop() == 0
    assert until(lambda: is_leader(standby), "the standby leads") < RETRY_SECONDS + 2
    assert holder(cluster, home) == "operator-1"
    standby.wait_ready()
    replicas(cluster, namespace, 4)
    assert any("dedicatedinstances/status" in write for write in writes(cluster, standby, since))

    third = run_operator(home, watch=(namespace,), identity="operator-2", extra=EXTRA)
    assert not is_leader(third)
    standby.kill()
    assert until(lambda: is_leader(third), "the third leads") < LEASE_SECONDS + RETRY_SECONDS + 2
    replicas(cluster, namespace, 3)


def test_a_leader_that_wakes_up_late_ends_and_writes_nothing(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    leader, standby = pair(run_operator, home, namespace)
    create_simulated(cluster.api, namespace)
    wait_for(cluster.api, namespace, is_applied, what="applied")
    rest(cluster, leader)
    leader.pause()
    paused = time.monotonic()
    until(lambda: is_leader(standby), "the standby leads")
    assert time.monotonic() - paused > LEASE_SECONDS / 2
    standby.wait_ready()
    # Work for whoever believes to lead, waiting in the sleeper's sockets.
    cluster.api.delete("v1/services", namespace, "acme-server")
    cluster.api.wait_for(
        "v1/services", namespace, "acme-server", lambda found: found is not None, what="made again"
    )
    rest(cluster, standby)
    # Both replicas share one account: only the newcomer's end tells them apart, by their process.
    standby.pause()
    try:
        since = cluster.audit_position()
        cluster.api.delete("v1/services", namespace, "acme-login")
        leader.resume()
        assert leader.process.wait(20) != 0
        assert writes(cluster, leader, since) == []
    finally:
        standby.resume()
    assert holder(cluster, home) == "operator-1"
