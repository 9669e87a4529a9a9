"""The limiter on a real control plane: its order, its ways, its repair, its end."""

from pathlib import Path

import pytest

from cluster.limiter_stage import (
    AGENT,
    create_with_edge,
    files,
    let_in,
    policy,
    raised,
    stand_with_limiter,
)
from cluster.observing import History, pods_by_zone, uids, wait_applied
from cluster.standing import SIMULATED, Standing, children, modification_of, refused, rest, until
from cluster.test_deletion import KEPT
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    DEPLOYMENT,
    INSTANCE,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from dedicated.contract.limiter_report import MANAGER
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect, RunOperator

pytestmark = pytest.mark.cluster

NAME = "acme-limiter"


def version(body: Manifest) -> int:
    return int(get_str(body, "metadata", "resourceVersion"))


def first(bodies: list[Manifest], name: str, holds: object) -> int:
    """The version in which an object was first so."""
    assert callable(holds)
    return min(version(b) for b in bodies if get_str(b, "metadata", "name") == name and holds(b))


def test_it_comes_after_the_server_and_closes_the_ways_past_it_when_it_stands(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels=SIMULATED)
    api, since = cluster.api, cluster.audit_position()
    kinds = (DEPLOYMENT, STATEFUL_SET, SERVICE, NETWORK_POLICY)
    histories = {kind: History.of(api, kind, namespace) for kind in kinds}
    operator = run_operator(namespace, watch=(namespace,), extra=AGENT)
    create_with_edge(api, namespace)
    wait_applied(api, namespace)
    seen = {kind: history.look() for kind, history in histories.items()}
    served = first(seen[DEPLOYMENT], "acme-server", lambda b: get_int(b, "status", "readyReplicas") > 0)
    made = first(seen[STATEFUL_SET], NAME, lambda _: True)
    ready = first(seen[STATEFUL_SET], NAME, lambda b: get_int(b, "status", "readyReplicas") >= 2)
    way_in = first(seen[SERVICE], NAME, lambda _: True)
    closed = [
        first(seen[NETWORK_POLICY], f"acme-{name}", lambda b: "limiter" in let_in(b))
        for name in ("server", "login")
    ]
    assert served < made < ready < min(way_in, *closed)
    assert let_in(policy(api, namespace, "server")) == ["limiter", "login"]
    assert let_in(policy(api, namespace, "login")) == ["limiter"]
    assert pods_by_zone(api, namespace, "limiter") == dict.fromkeys(pods_by_zone(api, namespace, "server"), 1)
    assert refused(cluster, operator, since) == []
    rest(cluster, operator)
    operator.kill()
    since = cluster.audit_position()
    at = Standing(cluster, namespace, run_operator(namespace, watch=(namespace,), extra=AGENT))
    at.rest()
    assert at.writes(since) == [], "a restart writes nothing"


def test_what_others_do_to_it_is_undone_and_told(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_with_limiter(cluster, make_namespace(labels=SIMULATED), run_operator)
    api, was = at.api, uids(at.api, at.namespace, STATEFUL_SET)
    api.patch(STATEFUL_SET, at.namespace, NAME, {"spec": {"replicas": 1}}, manager="mallory")
    until(lambda: modification_of(at.body(), f"StatefulSet/{NAME}") != {}, "the scaling is told")
    assert modification_of(at.body(), f"StatefulSet/{NAME}")["manager"] == "mallory"
    until(lambda: get_int(api.get(STATEFUL_SET, at.namespace, NAME), "spec", "replicas") == 3, "three again")
    open_: Manifest = {"spec": {"ingress": [{}]}}
    api.patch(NETWORK_POLICY, at.namespace, "acme-server", open_, manager="mallory")
    until(lambda: let_in_or_all(api, at.namespace) == ["limiter", "login"], "closed again", seconds=10)
    wait_applied(api, at.namespace)
    api.delete(STATEFUL_SET, at.namespace, NAME)
    until(
        lambda: uids(api, at.namespace, STATEFUL_SET) not in ({}, was), "it is made again", seconds=30
    )
    until(
        lambda: modification_of(at.body(), f"StatefulSet/{NAME}").get("operation") == "Delete",
        "the deletion is told",
    )
    assert let_in(policy(api, at.namespace, "server")) == ["limiter", "login"], "closed without pods too"
    wait_applied(api, at.namespace)


def let_in_or_all(api: Api, namespace: str) -> list[str]:
    rules = get_list(policy(api, namespace, "server"), "spec", "ingress")
    return let_in(policy(api, namespace, "server")) if get_list(rules[0], "from") else [""]


def test_a_raised_limit_is_in_the_files_at_once_and_rolls_no_pod(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_with_limiter(cluster, make_namespace(labels=SIMULATED), run_operator)
    generation = get_int(at.api.get(STATEFUL_SET, at.namespace, NAME), "metadata", "generation")
    raised(at.api, at.namespace, "198.51.100.0/24")
    took = until(
        lambda: "198.51.100.0/24 1818\n" in get_str(files(at.api, at.namespace), "data", "ui_limit.map"),
        "the range is in the files",
    )
    assert took < 5
    at.rest()
    assert get_int(at.api.get(STATEFUL_SET, at.namespace, NAME), "metadata", "generation") == generation
    assert modification_of(at.body(), f"ConfigMap/{NAME}") == {}


def test_the_agents_may_write_their_report_and_nothing_else(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, protect: Protect
) -> None:
    """Under the chart's protection, which lets nobody else change it."""
    at = stand_with_limiter(cluster, make_namespace(labels=SIMULATED), run_operator)
    account: Path = cluster.account_kubeconfig(at.namespace, f"{NAME}-report")
    agent = Api.from_kubeconfig(account)
    assert get_map(agent.get(CONFIG_MAP, at.namespace, NAME), "data")["policy.json"]
    protect(at.namespace)
    told: Manifest = {"data": {"r0": '{"replica": 0}'}}
    agent.patch(CONFIG_MAP, at.namespace, f"{NAME}-report", told, manager=MANAGER)
    others: list[Manifest] = [{"data": {"r3": "x"}}, {"metadata": {"labels": {"a": "b"}}}]
    for more in others:
        with pytest.raises(ApiError, match="only the provider may do this"):
            agent.patch(CONFIG_MAP, at.namespace, f"{NAME}-report", more, manager=MANAGER)
    at.rest()
    report = at.api.get(CONFIG_MAP, at.namespace, f"{NAME}-report")
    assert get_map(report, "data") == told["data"]
    assert modification_of(at.body(), f"ConfigMap/{NAME}-report") == {}
    secret = next(name for name in uids(at.api, at.namespace, SECRET) if "-peers-" in name)
    for kind, name in ((SECRET, secret.partition("/")[2]), (CONFIG_MAP, "acme-identity"), (INSTANCE, "acme")):
        with pytest.raises(ApiError, match="forbidden"):
            agent.get(kind, at.namespace, name)
    with pytest.raises(ApiError, match="forbidden"):
        agent.patch(CONFIG_MAP, at.namespace, NAME, told, manager=MANAGER)


def test_it_goes_with_its_way_in_and_with_its_instance(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_with_limiter(cluster, make_namespace(labels=SIMULATED), run_operator)
    api = at.api
    api.patch(INSTANCE, at.namespace, "acme", {"spec": {"edge": None}})
    until(lambda: uids(api, at.namespace, STATEFUL_SET) == {}, "the limiter is gone", seconds=60)
    at.rest()
    left = {name for name in children(api, at.namespace) if "limiter" in name or "-pods" in name}
    assert {name.partition("/")[0] for name in left} == {"Secret"}
    assert "" in let_in(policy(api, at.namespace, "server"))
    assert get_list(at.body(), "status", "modifications") == []
    api.patch(INSTANCE, at.namespace, "acme", {"spec": {"edge": {"service": {}}}})
    until(lambda: f"Service/{NAME}" in children(api, at.namespace), "it stands again", seconds=90)
    wait_applied(api, at.namespace)
    api.delete(INSTANCE, at.namespace, "acme")
    until(
        lambda: uids(api, at.namespace, *CHILD_KINDS).keys() == KEPT,
        "all but keys and identity are gone",
        seconds=60,
    )
