"""Who leads when nobody can say, and when two begin at once: never two, and soon one."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from cluster.instances import wait_for
from cluster.leading import EXTRA, LEASE_SECONDS, LEASES, Election, errors, pair, replicas, stands_by
from cluster.observing import is_applied
from cluster.standing import SIMULATED, create_simulated, until
from dedicated.api.json import Manifest
from dedicated.api.objects import DEPLOYMENT
from dedicated.cluster.client import connect
from dedicated.cluster.lease import LeaderLease, NotLeader
from dedicated.cluster.transport import Login
from faultproxy import Forward, Gate, Hold, fault_proxy
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

OUTAGE_SECONDS = 2 * LEASE_SECONDS
STARTS = 50
STARTS_OF_PROCESSES = 3
CLAIM_SECONDS = 3.0
"""From a lease that is free to a leader, with 100 candidates on one small API server."""


@pytest.mark.slow
def test_both_replicas_survive_an_api_server_that_refuses_longer_than_the_lease(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    with (
        fault_proxy(server=cluster.state.server, ca=cluster.ca) as one,
        fault_proxy(server=cluster.state.server, ca=cluster.ca) as two,
    ):
        both = pair(run_operator, home, namespace, one, two)
        create_simulated(cluster.api, namespace)
        wait_for(cluster.api, namespace, is_applied, what="applied")
        gate = Gate()  # a pass is in the middle of a repair when the lease is lost
        one.follow(lambda asked: Hold(gate) if asked.resource == "deployments" else Forward())
        try:
            more: Manifest = {"spec": {"replicas": 7}}
            cluster.api.patch(DEPLOYMENT, namespace, "acme-login", more, manager="somebody")
            assert gate.arrived.wait(10)
            for proxy in (one, two):
                proxy.outage(OUTAGE_SECONDS)
            outlive(both, time.monotonic() + OUTAGE_SECONDS)
        finally:
            gate.open()
        lead_again(cluster, namespace, both)


def test_both_replicas_survive_an_api_server_that_hangs_longer_than_the_lease(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    both = pair(run_operator, home, namespace)
    create_simulated(cluster.api, namespace)
    wait_for(cluster.api, namespace, is_applied, what="applied")
    with cluster.frozen("kube-apiserver"):
        outlive(both, time.monotonic() + OUTAGE_SECONDS)
    lead_again(cluster, namespace, both)


def outlive(both: tuple[OperatorProcess, OperatorProcess], end: float) -> None:
    """Nobody leads, nobody ends, and a new process would not help: for the rest of an outage."""
    until(lambda: all(stands_by(operator) for operator in both), "both stand by", seconds=OUTAGE_SECONDS)
    while time.monotonic() < end - 0.5:
        assert all(stands_by(operator) for operator in both)
        time.sleep(0.1)


def lead_again(cluster: Cluster, namespace: str, both: tuple[OperatorProcess, OperatorProcess]) -> None:
    """After an outage exactly one leads, and works."""
    election = Election(both)
    leader, _ = election.settled(seconds=15)
    leader.wait_ready()
    replicas(cluster, namespace, 4)
    election.leaders()
    assert election.seen <= {0, 1}
    for operator in both:
        assert operator.process.poll() is None
        assert errors(operator) == []


async def test_two_candidates_that_begin_at_once_on_50_leases(
    cluster: Cluster, make_namespace: MakeNamespace
) -> None:
    namespace, dice = make_namespace(), random.Random(4)
    took: dict[str, list[float]] = {"begins": [], "follows": []}

    async def one_round(number: int, leases: tuple[LeaderLease, LeaderLease]) -> None:
        acquired: asyncio.Queue[LeaderLease] = asyncio.Queue()

        async def candidate(lease: LeaderLease) -> None:
            await asyncio.sleep(dice.choice((0.0, 0.0, 0.005, 0.05)))
            await lease.acquire()
            acquired.put_nowait(lease)

        begun = time.monotonic()
        tasks = [asyncio.create_task(candidate(lease)) for lease in leases]
        async with asyncio.timeout(10):
            first = await acquired.get()
        took["begins"].append(time.monotonic() - begun)
        await asyncio.sleep(1.5)  # the other one looks again
        (second,) = (lease for lease in leases if lease is not first)
        assert first.is_leader
        assert not second.is_leader
        assert not closed(first.fence())
        released, stale = time.monotonic(), first.fence()
        await first.release()
        async with asyncio.timeout(10):
            assert await acquired.get() is second, f"round {number}"
        took["follows"].append(time.monotonic() - released)
        assert closed(stale)
        await asyncio.gather(*tasks)
        await second.release()

    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(Login(str(cluster.kubeconfig)), user_agent="candidate"))
            for _ in range(2)
        ]
        rounds = []
        for number in range(STARTS):
            one, two = (
                LeaderLease(
                    client=client, namespace=namespace, name=f"lease-{number}", identity=f"operator-{place}"
                )
                for place, client in enumerate(clients)
            )
            rounds.append(one_round(number, (one, two)))
        await asyncio.gather(*rounds)
    for what, seconds in took.items():
        assert len(seconds) == STARTS
        assert max(seconds) < CLAIM_SECONDS, what


def closed(fence: Callable[[], None]) -> bool:
    """Whether it forbids to write."""
    try:
        fence()
    except NotLeader:
        return True
    return False


def test_two_processes_that_start_at_once(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    for _ in range(STARTS_OF_PROCESSES):
        both = tuple(
            run_operator(home, watch=(namespace,), identity=f"operator-{number}", extra=EXTRA, ready=False)
            for number in range(2)
        )
        election = Election(both)
        leader, _ = election.settled(seconds=30)
        for operator in both:
            operator.wait_ready()
        assert election.leaders() == [leader]
        assert election.seen <= {0, 1}
        for operator in both:
            operator.kill()
        cluster.api.delete(LEASES, home, "dedicated-operator")
