"""The operator behind the fault proxy, before any fault: it works as without, and the log has its writes."""

import pytest

from cluster.observing import wait_applied
from cluster.standing import SIMULATED, UPKEEP, create_simulated, rest, until
from dedicated.api.objects import CHILD_KINDS
from faultproxy import Answer, Asked, Decision, Forward, fault_proxy
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def test_an_operator_behind_the_proxy(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy:
        since = cluster.audit_position()
        operator = run_operator(namespace, watch=(namespace,), server=proxy.url)
        create_simulated(cluster.api, namespace)
        wait_applied(cluster.api, namespace)
        rest(cluster, operator)
        watched = {asked.resource for asked in proxy.watches}
        assert watched >= {kind.plural for kind in CHILD_KINDS} | {"dedicatedinstances"}
        assert sum(asked.resource == "dedicatedinstances" for asked in proxy.watches) == 2  # kopf's and ours
        writes = [str(exchange.asked) for exchange in proxy.writes()]
        assert f"create secrets {namespace}/acme-masterkey" in writes
        assert f"apply deployments {namespace}/acme-server" in writes
        assert {exchange.status for exchange in proxy.writes()} <= {200, 201}
        audited = [
            request
            for request in cluster.requests(since=since, user=operator.account)
            if request.verb not in {"get", "list", "watch"} and request.resource not in UPKEEP
        ]
        assert len(writes) == len(audited)
        # Nothing passes by the proxy: without it there is no API server for the operator.
        operator.kill()
        until(lambda: not proxy.watches, "no watches of a dead process")


def test_rights_that_nobody_tells_are_asked_for_again(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """An API server in trouble right after the lease was won: no reason to end."""
    namespace = make_namespace(labels=SIMULATED)
    refused: list[Asked] = []

    def policy(asked: Asked) -> Decision:
        if asked.resource == "selfsubjectaccessreviews" and len(refused) < 2:
            refused.append(asked)
            return Answer(403, "Forbidden")
        return Forward()

    with fault_proxy(server=cluster.state.server, ca=cluster.ca, policy=policy) as proxy:
        operator = run_operator(namespace, watch=(namespace,), server=proxy.url)
        until(lambda: len(proxy.watches) > len(CHILD_KINDS), "a leader at work")
        assert len(refused) == 2
        assert operator.process.poll() is None
        operator.kill()
