"""A process that dies between a record and its repair: the fact is kept once, and the repair is made."""

from functools import partial
from typing import Literal

import pytest

from cluster.instances import wait_for
from cluster.observing import wait_applied
from cluster.standing import SIMULATED, create_simulated, modifications, records, rest, until
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import RECORD, SERVICE
from faultproxy import Asked, Decision, FaultProxy, Forward, Kill, fault_proxy, forward_all
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

AFFINITY: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
When = Literal["before", "after"]
MOMENTS: list[tuple[str, str, When]] = [
    ("create", RECORD.plural, "before"),
    ("create", RECORD.plural, "after"),
    ("apply", SERVICE.plural, "before"),
    ("apply", SERVICE.plural, "after"),
    ("patch", SERVICE.plural, "before"),
    ("patch", SERVICE.plural, "after"),
]


def dies(proxy: FaultProxy, operator: OperatorProcess, verb: str, resource: str, when: When) -> None:
    """From now on the operator dies at its first request of this sort."""

    def policy(asked: Asked) -> Decision:
        if (asked.verb, asked.resource) == (verb, resource):
            return Kill(when, operator.kill)
        return Forward()

    proxy.follow(policy)


def is_dead(operator: OperatorProcess) -> bool:
    return operator.process.poll() is not None


def test_a_crash_at_any_moment_of_a_repair(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api = cluster.api
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy:
        operator = run_operator(namespace, watch=(namespace,), server=proxy.url)
        create_simulated(api, namespace)
        wait_applied(api, namespace)
        for number, (verb, resource, when) in enumerate(MOMENTS, 1):
            moment = f"{when} {verb} {resource}"
            dies(proxy, operator, verb, resource, when)
            api.patch(SERVICE, namespace, "acme-server", AFFINITY, manager=f"somebody-{number}")
            until(partial(is_dead, operator), moment)
            proxy.follow(forward_all)
            operator = run_operator(namespace, watch=(namespace,), server=proxy.url)
            wait_for(
                api, namespace, lambda body, number=number: len(modifications(body)) == number, what=moment
            )
            rest(cluster, operator)
            service = api.get(SERVICE, namespace, "acme-server")
            assert get_map(service, "spec")["sessionAffinity"] == "None", moment
            told = [get_str(item, "spec", "modification", "manager") for item in records(api, namespace)]
            assert sorted(told) == [f"somebody-{each}" for each in range(1, number + 1)], moment
