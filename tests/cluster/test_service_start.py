"""The beginning of service, recorded with the first Ready: once, wherever the operator ends."""

from typing import Literal

import pytest

from cluster.instances import database_secret, instance, wait_ready
from cluster.observing import SECONDS
from cluster.standing import records, rest, until, writes
from dedicated.api.json import get_map
from dedicated.api.objects import INSTANCE, RECORD
from faultproxy import Asked, Decision, FaultProxy, Forward, Kill, fault_proxy, forward_all
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

When = Literal["before", "after"]


def dies_at_the_record(proxy: FaultProxy, operator: OperatorProcess, when: When) -> None:
    """The operator ends right before, or right after, its first record."""

    def policy(asked: Asked) -> Decision:
        record = (asked.verb, asked.resource) == ("create", RECORD.plural)
        return Kill(when, operator.kill) if record else Forward()

    proxy.follow(policy)


@pytest.mark.usefixtures("crds")
def test_the_start_of_service_is_recorded_once(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy:
        operator = run_operator(namespace, watch=(namespace,), server=proxy.url)
        dies_at_the_record(proxy, operator, "before")
        api.create(database_secret(namespace, database))
        api.create(instance(namespace))
        until(lambda: operator.process.poll() is not None, "dead before it", seconds=SECONDS)
        assert records(api, namespace) == []
        second = run_operator(namespace, watch=(namespace,), server=proxy.url)
        dies_at_the_record(proxy, second, "after")
        until(lambda: second.process.poll() is not None, "dead after it", seconds=SECONDS)
        proxy.follow(forward_all)
        made = records(api, namespace)
        third = run_operator(namespace, watch=(namespace,), server=proxy.url)
        wait_ready(api, namespace, seconds=SECONDS)
        rest(cluster, third)
        assert records(api, namespace) == made
        assert get_map(made[0], "spec") == {
            "instance": "acme",
            "fact": "ServiceStarted",
            "by": third.account,
        }
        since = cluster.audit_position()
        api.patch(INSTANCE, namespace, "acme", {"status": None}, subresource="status")
        wait_ready(api, namespace, seconds=SECONDS)
        rest(cluster, third)
        assert records(api, namespace) == made
        assert not [line for line in writes(cluster, third, since) if RECORD.plural in line]
