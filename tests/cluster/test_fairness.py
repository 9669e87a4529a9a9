"""Instances whose requests fail for ever or take many seconds: a healthy one must not wait for them."""

import itertools
import time
from dataclasses import dataclass, field

import pytest

from cluster.observing import wait_applied
from cluster.standing import SIMULATED, create_simulated, until
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE, SERVICE
from faultproxy import Answer, Asked, Decision, Delay, Forward, fault_proxy
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

SECONDS = 8.0
"""For each kind of trouble."""
MARGIN = 1.0
SERVER = "acme-server"
TROUBLE: dict[str, Decision] = {
    "refused": Answer(403, "Forbidden"),
    "broken": Answer(500, "InternalError"),
    "slow": Delay(10),
}


@dataclass(slots=True)
class Harm:
    """The proxy's policy: what namespaces in trouble are answered, and how many requests were."""

    victims: frozenset[str] = frozenset()
    decision: Decision = field(default_factory=Forward)
    hit: set[str] = field(default_factory=set)

    def __call__(self, asked: Asked) -> Decision:
        if asked.namespace not in self.victims or asked.watch:
            return Forward()
        if not asked.write and not isinstance(self.decision, Delay):
            return Forward()
        self.hit.add(asked.namespace)
        return self.decision


@pytest.mark.parametrize("number", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_a_healthy_instance_is_repaired_while_others_fail(
    number: int,
    cluster: Cluster,
    crds: None,
    alone: None,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
) -> None:
    home, healthy = make_namespace(), make_namespace(labels=SIMULATED)
    victims = frozenset(make_namespace(labels=SIMULATED) for _ in range(number))
    harm = Harm(victims, TROUBLE["refused"])
    with fault_proxy(server=cluster.state.server, ca=cluster.ca, policy=harm) as proxy:
        operator = run_operator(home, watch=(), server=proxy.url)
        create_simulated(cluster.api, healthy)
        wait_applied(cluster.api, healthy)
        alone_took = max(_repaired(cluster.api, healthy) for _ in range(5))
        for victim in victims:
            create_simulated(cluster.api, victim)
        worst = {}
        for name, decision in TROUBLE.items():
            harm.decision, harm.hit = decision, set()
            worst[name] = _worst(cluster.api, healthy, sorted(victims))
            until(lambda: harm.hit == victims, f"{name}: all are in trouble", seconds=60)
        assert max(worst.values()) < alone_took + MARGIN, f"alone {alone_took:.2f} s, {worst}"
        assert operator.http("/healthz")[0] == 200


def _worst(api: Api, healthy: str, victims: list[str]) -> float:
    """The longest repair within some time, in which the others are woken one after the other."""
    over = time.monotonic() + SECONDS
    longest = 0.0
    for victim, round_number in zip(itertools.cycle(victims), itertools.count()):
        if round_number >= len(victims) and time.monotonic() > over:
            return longest
        body: Manifest = {"metadata": {"labels": {"example.test/round": str(round_number)}}}
        api.patch(INSTANCE, victim, "acme", body, manager="somebody")
        if round_number % 10 == 9:
            longest = max(longest, _repaired(api, healthy))
    return longest


def _repaired(api: Api, namespace: str) -> float:
    """Seconds from the deletion of a Service to the next one of its name."""
    uid = _uid(api, namespace)
    api.delete(SERVICE, namespace, SERVER)
    return until(lambda: _uid(api, namespace) not in ("", uid), "the Service again")


def _uid(api: Api, namespace: str) -> str:
    found = api.find(SERVICE, namespace, SERVER)
    return get_str(found, "metadata", "uid") if found else ""
