"""An operator that ends at any moment: the next one finds its place, and writes nothing without need."""

import pytest

from cluster.instances import database_secret, instance, wait_for, wait_ready
from cluster.observing import SECONDS, change, is_applied, uids, wait_applied
from cluster.standing import (
    SIMULATED,
    changes_of,
    children,
    create_simulated,
    modifications,
    rest,
    stand_simulated,
    until,
)
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import FINALIZER, LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, CONFIG_MAP, INSTANCE, JOB, SECRET, SERVICE
from dedicated.parts import measured
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

pytestmark = pytest.mark.cluster

CHILDREN = 21
CROWD = 3


def listed(cluster: Cluster, operator: OperatorProcess, since: int) -> set[str]:
    """What an operator has listed after a position of the audit log."""
    calls = cluster.requests(since=since, user=operator.account)
    return {call.resource for call in calls if call.verb == "list"}


def test_a_restart_writes_nothing_but_what_is_new(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home = make_namespace()
    names = [make_namespace(labels=SIMULATED) for _ in range(CROWD)]
    operator = run_operator(home, watch=tuple(names))
    for name in names:
        create_simulated(cluster.api, name)
    for name in names:
        wait_applied(cluster.api, name)
    rest(cluster, operator)
    before = [cluster.api.get(INSTANCE, name, "acme") for name in names]
    assert operator.stop() == 0
    since = cluster.audit_position()
    again = run_operator(home, watch=tuple(names))
    lists = {kind.plural for kind in CHILD_KINDS}
    until(lambda: lists <= listed(cluster, again, since), "every kind of child is listed", seconds=60)
    rest(cluster, again)
    calls = cluster.requests(since=since, user=again.account)
    assert changes_of(calls) == []
    assert [cluster.api.get(INSTANCE, name, "acme") for name in names] == before

    again.kill()
    cluster.api.delete(INSTANCE, names[0], "acme")
    change(cluster.api, names[1], {"login": {"replicas": 4}})
    run_operator(home, watch=tuple(names))
    cluster.api.wait_for(INSTANCE, names[0], "acme", lambda body: body is None, what="deleted")
    wait_for(
        cluster.api,
        names[1],
        lambda body: is_applied(body) and get_str(body, "status", "summary", "login") == "4/4",
        what="four pods of the login",
    )


@pytest.mark.slow
def test_killed_again_and_again_while_it_builds(
    cluster: Cluster, crds: None, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    api.create(database_secret(namespace, database))
    api.create(instance(namespace))
    seen: dict[str, str] = {}

    def has_finalizer() -> bool:
        body = api.get(INSTANCE, namespace, "acme")
        return FINALIZER in get_list(body, "metadata", "finalizers")

    def exists(child: str) -> bool:
        return child in children(api, namespace)

    moments = (
        ("finalizer", has_finalizer),
        ("masterkey", lambda: exists("Secret/acme-masterkey")),
        ("init Job", lambda: exists("Job/acme-init")),
        ("Deployment", lambda: exists("Deployment/acme-server")),
    )
    for moment, reached in moments:
        operator = run_operator(namespace, watch=(namespace,), ready=False)
        until(reached, moment, seconds=SECONDS)
        operator.kill()
        kept = uids(api, namespace, SECRET, CONFIG_MAP, JOB)
        assert {name: uid for name, uid in kept.items() if name in seen} == seen, moment
        seen = kept
    operator = run_operator(namespace, watch=(namespace,))
    wait_ready(api, namespace, seconds=SECONDS)
    months = f"{LABEL_INSTANCE},{LABEL_COMPONENT}={measured.COMPONENT}"
    until(lambda: len(api.list(CONFIG_MAP, namespace, labels=months)) == 1, "measured", seconds=SECONDS)
    rest(cluster, operator)
    final = uids(api, namespace, *CHILD_KINDS)
    assert {name: uid for name, uid in final.items() if name in seen} == seen
    assert len(final) == CHILDREN
    assert modifications(api.get(INSTANCE, namespace, "acme")) == []


def test_a_child_deleted_while_the_operator_stood_still(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    at = stand_simulated(cluster, make_namespace(labels=SIMULATED), run_operator)
    at.operator.pause()
    try:
        at.api.delete(SERVICE, at.namespace, "acme-server")
        at.api.delete(CONFIG_MAP, at.namespace, _config(at.api.list(CONFIG_MAP, at.namespace)))
        body: Manifest = {"spec": {"sessionAffinity": "ClientIP"}}
        at.api.patch(SERVICE, at.namespace, "acme-login", body, manager="somebody")
    finally:
        at.operator.resume()
    until(lambda: len(children(at.api, at.namespace)) == CHILDREN, "all children again")
    wait_for(at.api, at.namespace, lambda body: len(modifications(body)) == 3, what="three modifications")
    login = at.api.get(SERVICE, at.namespace, "acme-login")
    assert get_map(login, "spec")["sessionAffinity"] == "None"


def _config(config_maps: list[Manifest]) -> str:
    names = [get_str(item, "metadata", "name") for item in config_maps]
    (found,) = (name for name in names if name.startswith("acme-config-"))
    return found
