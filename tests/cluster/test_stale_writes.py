"""What a leader has sent, but what arrives only when another one leads: it is refused, or does not last.

A write is kept between the replica and the API server while the replica is stopped, as if its machine had
stood still between the fence and the wire.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from cluster.instances import wait_for
from cluster.leading import held_back, is_leader, pair, replicas, stands_by
from cluster.observing import History, change, is_applied, uids
from cluster.standing import SIMULATED, create_simulated, rest, until
from dedicated.api.json import get_int, get_list, get_str
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, INSTANCE, SERVICE
from faultproxy import Asked, Decision, FaultProxy, Forward, Gate, Hold, fault_proxy
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster


@dataclass(frozen=True, slots=True)
class Stage:
    """A leader behind a proxy, a standby, and a namespace."""

    cluster: Cluster
    namespace: str
    leader: OperatorProcess
    standby: OperatorProcess
    proxy: FaultProxy

    @contextmanager
    def kept(self, meant: Callable[[str], bool], cause: Callable[[], object]) -> Iterator[None]:
        """The leader's first such write, which `cause` leads to, arrives at the end of the block.

        In the block the leader stands still, and the other one leads. Afterwards the leader stands by.
        Sisters of the write, sent in the same stage, may be halfway to the proxy when the leader stops: they
        arrive with it, and share its lot. Nothing that would have followed on them is sent.
        """
        gate = Gate()

        def policy(asked: Asked) -> Decision:
            first = asked.write and meant(str(asked)) and not gate.arrived.is_set()
            return Hold(gate) if first else Forward()

        self.proxy.follow(policy)
        try:
            cause()
            assert gate.arrived.wait(30)
            self.leader.pause()
            until(lambda: is_leader(self.standby), "the standby leads")
            self.standby.wait_ready()
            yield
            rest(self.cluster, self.standby)
            known = {exchange.asked.number for exchange in self.proxy.writes()}
        finally:
            gate.open()
        until(lambda: self.proxy.in_hand == 0, "the late write has arrived")
        rest(self.cluster, self.standby)
        self.leader.resume()
        until(lambda: stands_by(self.leader), "the first stands by")
        assert is_leader(self.standby)
        rest(self.cluster, self.standby)
        late = [one.asked for one in self.proxy.writes() if one.asked.number not in known]
        assert [str(asked) for asked in late if not _is_of_a_stage(asked)] == []


@pytest.fixture
def stage(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> Iterator[Stage]:
    """Both replicas, without an instance."""
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    with fault_proxy(server=cluster.state.server, ca=cluster.ca) as proxy:
        leader, standby = pair(run_operator, home, namespace, proxy)
        yield Stage(cluster, namespace, leader, standby, proxy)


def test_a_change_that_arrives_late_is_refused(stage: Stage) -> None:
    api, namespace = stage.cluster.api, stage.namespace
    create_simulated(api, namespace)
    wait_for(api, namespace, is_applied, what="applied")
    rest(stage.cluster, stage.leader)

    def scales(write: str) -> bool:
        return write == f"apply deployments {namespace}/acme-login"

    with stage.kept(scales, lambda: change(api, namespace, {"login": {"replicas": 5}})):
        wait_for(api, namespace, is_applied, what="5 replicas, by the other one")
        replicas(stage.cluster, namespace, 4)
        history = History.of(api, DEPLOYMENT, namespace)
    assert held_back(stage.proxy, scales)[-1].endswith(" 409")
    assert {get_int(body, "spec", "replicas") for body in history.look() if _is(body, "acme-login")} <= {4}
    assert get_int(api.get(DEPLOYMENT, namespace, "acme-login"), "spec", "replicas") == 4
    assert is_applied(api.get(INSTANCE, namespace, "acme"))


@pytest.mark.slow
def test_what_is_made_late_is_taken_away_again(stage: Stage) -> None:
    api, namespace = stage.cluster.api, stage.namespace
    create_simulated(api, namespace)
    wait_for(api, namespace, is_applied, what="applied")
    rest(stage.cluster, stage.leader)
    known = _names(stage)

    def configures(write: str) -> bool:
        return write.startswith(f"apply configmaps {namespace}/acme-config")

    def configure(level: str) -> None:
        change(api, namespace, {"server": {"config": {"Log": {"Level": level}}}})

    with stage.kept(configures, lambda: configure("debug")):
        wait_for(api, namespace, is_applied, what="the new configuration, by the other one")
        configure("warn")
        wait_for(api, namespace, is_applied, what="a third configuration")
        rest(stage.cluster, stage.standby)
        third, history = _names(stage), History.of(api, CONFIG_MAP, namespace)
        assert len(third) == len(known)
    made = held_back(stage.proxy, configures)[-1]
    assert made.endswith(" 201")
    assert any(get_str(body, "metadata", "name") in made for body in history.look()), "it was there"
    assert _names(stage) == third
    assert is_applied(api.get(INSTANCE, namespace, "acme"))
    found = api.get(INSTANCE, namespace, "acme")
    assert get_list(found, "status", "modifications") == []


def test_what_is_made_late_for_an_instance_that_is_gone_goes_too(stage: Stage) -> None:
    api, namespace = stage.cluster.api, stage.namespace

    def serves(write: str) -> bool:
        return write == f"apply services {namespace}/acme-login"

    with stage.kept(serves, lambda: create_simulated(api, namespace)):
        wait_for(api, namespace, is_applied, what="applied by the other one")
        api.delete(INSTANCE, namespace, "acme")
        until(lambda: api.find(INSTANCE, namespace, "acme") is None, "the instance is gone")
        until(lambda: api.list(SERVICE, namespace) == [], "its Services are gone")
    assert held_back(stage.proxy, serves)[-1].endswith(" 201")
    until(lambda: api.list(SERVICE, namespace) == [], "the late Service is gone")


def _is_of_a_stage(asked: Asked) -> bool:
    """Whether it makes a child: what ends a pass, such as its status, comes when all are answered."""
    return asked.verb == "apply" and "/" not in asked.resource


def _is(body: object, name: str) -> bool:
    return isinstance(body, dict) and get_str(body, "metadata", "name") == name


def _names(stage: Stage) -> set[str]:
    return set(uids(stage.cluster.api, stage.namespace, CONFIG_MAP))
