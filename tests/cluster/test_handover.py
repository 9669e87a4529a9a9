"""Two replicas: one leads, and the other takes over in time, whatever happened to the first."""

from collections.abc import Callable
from functools import partial

import pytest

from cluster.instances import wait_for
from cluster.leading import (
    EXTRA,
    LEASE_SECONDS,
    RETRY_SECONDS,
    errors,
    footprint,
    holder,
    is_leader,
    pair,
    replicas,
    stands_by,
    works,
)
from cluster.observing import is_applied
from cluster.standing import SIMULATED, create_simulated, rest, until
from faultproxy import fault_proxy
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

ROUNDS = 3
"""Of each kind of end."""
NOTICE_SECONDS = 2.0
"""Longest time from a lease that is free to a new leader."""


def test_leaders_that_stop_and_leaders_that_are_killed(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    assert RETRY_SECONDS < NOTICE_SECONDS
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    leader, standby = pair(run_operator, home, namespace)
    create_simulated(cluster.api, namespace)
    wait_for(cluster.api, namespace, is_applied, what="applied")
    took: dict[str, list[float]] = {"stopped": [], "killed": []}
    ends: dict[str, Callable[[OperatorProcess], object]] = {
        "stopped": OperatorProcess.stop,
        "killed": OperatorProcess.kill,
    }
    for number in range(2 * ROUNDS):
        end = ("stopped", "killed")[number % 2]
        ends[end](leader)
        heir = standby
        took[end].append(until(partial(is_leader, heir), "the standby leads"))
        heir.wait_ready()
        replicas(cluster, namespace, 4 - number % 2)
        identity = f"operator-{number + 2}"
        leader, standby = heir, run_operator(home, watch=(namespace,), identity=identity, extra=EXTRA)
        assert holder(cluster, home) == f"operator-{number + 1}"
        assert not is_leader(standby)
    assert max(took["stopped"]) < NOTICE_SECONDS, took
    assert max(took["killed"]) < LEASE_SECONDS + NOTICE_SECONDS, took
    assert errors(leader) == []


def test_a_leader_that_wakes_up_late_writes_nothing_stands_by_and_leads_again(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy:
        leader, standby = pair(run_operator, home, namespace, proxy)
        before = footprint(standby)
        create_simulated(cluster.api, namespace)
        wait_for(cluster.api, namespace, is_applied, what="applied")
        rest(cluster, leader)
        assert works(leader)
        leader.pause()
        assert until(lambda: is_leader(standby), "the standby leads") > LEASE_SECONDS / 2
        standby.wait_ready()
        # Work for whoever believes to lead, waiting in the sleeper's sockets.
        cluster.api.delete("v1/services", namespace, "acme-server")
        cluster.api.wait_for(
            "v1/services", namespace, "acme-server", lambda found: found is not None, what="made again"
        )
        rest(cluster, standby)
        written = len(proxy.writes())
        leader.resume()
        until(lambda: stands_by(leader), "the late one stands by")
        assert is_leader(standby)
        assert holder(cluster, home) == "operator-1"
        # Its one connection is the lease's; the pool of threads of asyncio stays, kopf's thread does not.
        until(lambda: proxy.watches == [], "no watch of the old term")
        assert footprint(leader).connections <= before.connections
        term_threads = footprint(leader).threads

        assert standby.stop() == 0
        assert until(lambda: is_leader(leader), "the first leads again") < NOTICE_SECONDS
        assert len(proxy.writes()) == written
        leader.wait_ready()
        until(lambda: works(leader), "it works again")
        replicas(cluster, namespace, 4)
        assert len(proxy.writes()) > written
        assert footprint(leader).threads <= term_threads + 2
    assert errors(leader) == []
