"""What must go on under the strictest protection: the platform's own work, and the end of an instance."""

import pytest

from cluster.instances import wait_for
from cluster.leaving import confirm
from cluster.observing import SECONDS, change, is_applied, uids
from cluster.standing import SIMULATED, children, create_simulated, rest, until
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import DEPLOYMENT, INSTANCE, JOB, NAMESPACE, POD, SECRET, Kind
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect, RunOperator

pytestmark = pytest.mark.cluster

SERVER = f"{LABEL_INSTANCE}=acme,app.kubernetes.io/component=server"
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
ROLE = "rbac.authorization.k8s.io/v1/roles"
VERBS: list[JsonValue] = ["get", "list", "patch", "update", "delete", "create"]


def mark(cluster: Cluster, namespace: str) -> str:
    """The instance that a namespace is labelled with; empty where the namespace is gone, too."""
    found = cluster.api.find(NAMESPACE, "", namespace)
    return get_str(found, "metadata", "labels", LABEL_INSTANCE)


def person(cluster: Cluster, namespace: str, *, instructed: bool = False) -> Api:
    """Somebody with all rights in the namespace but custom verbs; with an instruction if asked for."""
    name = "ines" if instructed else "paul"
    rules: list[JsonValue] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": VERBS}]
    if instructed:
        group = INSTANCE.group
        rules.append({"apiGroups": [group], "resources": [INSTANCE.plural], "verbs": ["modify"]})
    version = "rbac.authorization.k8s.io/v1"
    metadata: Manifest = {"name": name, "namespace": namespace}
    role: Manifest = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    subject: JsonValue = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
    binding: Manifest = {"metadata": metadata, "roleRef": role, "subjects": [subject]}
    cluster.api.apply({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules})
    cluster.api.apply({"apiVersion": version, "kind": "RoleBinding", **binding})
    return cluster.as_user(name)


def refused(error: pytest.ExceptionInfo[ApiError]) -> bool:
    """Whether the protection refused, not RBAC."""
    return error.value.status == 403 and "ValidatingAdmissionPolicy" in error.value.message


def names(api: Api, kind: Kind, namespace: str) -> set[str]:
    """Names of the server's objects of a kind."""
    return {get_str(item, "metadata", "name") for item in api.list(kind, namespace, labels=SERVER)}


def ready_addresses(api: Api, namespace: str) -> int:
    """Addresses that the server's Service sends traffic to."""
    slices = api.list(SLICE, namespace, labels=SERVER)
    endpoints = [item for piece in slices for item in get_list(piece, "endpoints")]
    return sum(get_map(item, "conditions").get("ready") is True for item in endpoints)


@pytest.mark.slow
def test_the_platform_works_on(
    cluster: Cluster, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator, protect: Protect
) -> None:
    """Installation with its Jobs, drains, rollouts, endpoints, garbage collection: nothing is blocked.

    Alone, since collection pauses for minutes where other tests bring kinds and take them away.
    """
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    protect(namespace, wildcardAdmins="Deny")
    operator = run_operator(namespace)
    create_simulated(person(cluster, namespace), namespace)
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="rolled out")
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    jobs = api.list(JOB, namespace)
    assert len(jobs) == 2
    assert all(get_map(job, "status").get("succeeded") == 1 for job in jobs)
    until(lambda: ready_addresses(api, namespace) == 3, "three endpoints")

    paul, evicted = person(cluster, namespace), min(names(api, POD, namespace))
    with pytest.raises(ApiError) as error:
        paul.delete(POD, namespace, evicted)
    assert refused(error)
    eviction: Manifest = {"metadata": {"name": evicted, "namespace": namespace}}
    paul.request("POST", f"/api/v1/namespaces/{namespace}/pods/{evicted}/eviction", body=eviction)
    until(lambda: evicted not in names(api, POD, namespace), "the evicted pod is gone", seconds=60)
    until(lambda: ready_addresses(api, namespace) == 3, "another pod in its place", seconds=60)

    before = names(api, REPLICA_SET, namespace)
    change(paul, namespace, {"server": {"config": {"Log": {"Level": "debug"}}}})
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="rolled out anew")
    assert len(names(api, REPLICA_SET, namespace) - before) == 1

    ines, old = person(cluster, namespace, instructed=True), names(api, REPLICA_SET, namespace)
    ines.delete(DEPLOYMENT, namespace, "acme-server")
    until(lambda: not old & names(api, REPLICA_SET, namespace), "what it owned is collected", seconds=SECONDS)
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="made again")
    rest(cluster, operator)
    problems = [line for line in operator.logs() if "ValidatingAdmissionPolicy" in str(line)]
    assert problems == []


def test_the_end_of_an_instance_and_of_its_namespace(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, protect: Protect
) -> None:
    """Label, then finalizer; children are collected, keys stay; then the namespace ends, keys and all."""
    namespace, home, api = make_namespace(labels=SIMULATED), make_namespace(), cluster.api
    protect(home, namespace, wildcardAdmins="Deny")
    operator = run_operator(home, watch=(namespace,))
    create_simulated(person(cluster, namespace), namespace)
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="rolled out")
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    with pytest.raises(ApiError) as error:
        api.delete(NAMESPACE, "", namespace)
    assert refused(error)
    assert "kubectl delete dedicatedinstance acme" in error.value.message
    with pytest.raises(ApiError) as error:
        person(cluster, namespace).delete(INSTANCE, namespace, "acme")
    assert refused(error)
    confirm(cluster, namespace)

    operator.kill()
    person(cluster, namespace).delete(INSTANCE, namespace, "acme")
    assert mark(cluster, namespace) == "acme"
    with pytest.raises(ApiError) as error:
        api.delete(NAMESPACE, "", namespace)
    assert refused(error)

    run_operator(home, watch=(namespace,))
    api.wait_for(INSTANCE, namespace, "acme", lambda body: body is None, what="the instance is gone")
    assert mark(cluster, namespace) == ""
    until(lambda: not names(api, POD, namespace), "no pods", seconds=60)
    until(
        lambda: all(name.startswith(("Secret/", "ConfigMap/")) for name in children(api, namespace)),
        "children",
    )
    assert "Secret/acme-masterkey" in uids(api, namespace, SECRET)
    with pytest.raises(ApiError) as error:
        person(cluster, namespace).delete(SECRET, namespace, "acme-masterkey")
    assert refused(error)
    api.delete(NAMESPACE, "", namespace)
    until(lambda: api.find(NAMESPACE, "", namespace) is None, "the namespace is gone", seconds=60)


def test_a_label_taken_off_is_put_back_after_the_next_start(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """With a Role there is no watch on namespaces: each start reads the label once."""
    namespace = make_namespace(labels=SIMULATED)
    operator = run_operator(namespace)
    create_simulated(cluster.api, namespace)
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    operator.kill()
    cluster.api.patch(NAMESPACE, "", namespace, {"metadata": {"labels": {LABEL_INSTANCE: None}}})
    since = cluster.audit_position()
    again = run_operator(namespace)
    until(lambda: mark(cluster, namespace) == "acme", "the label again")
    rest(cluster, again)
    calls = [
        call for call in cluster.requests(since=since, user=again.account) if call.resource == "namespaces"
    ]
    assert [(call.verb, call.code) for call in calls] == [("get", 200), ("patch", 200)]


def test_a_label_taken_off_is_put_back_at_once_where_namespaces_are_watched(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    home, namespace = make_namespace(), make_namespace(labels=SIMULATED)
    run_operator(home, watch=())
    create_simulated(cluster.api, namespace)
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    for wrong in (None, "globex"):
        cluster.api.patch(NAMESPACE, "", namespace, {"metadata": {"labels": {LABEL_INSTANCE: wrong}}})
        until(lambda: mark(cluster, namespace) == "acme", "the label again")


@pytest.mark.slow
def test_an_instance_that_went_by_force_leaves_no_label_behind(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    """While the operator looks on; and while it is away, where it watches namespaces."""
    home, watched, seen = make_namespace(), make_namespace(labels=SIMULATED), make_namespace(labels=SIMULATED)

    def force(namespace: str) -> None:
        cluster.api.patch(INSTANCE, namespace, "acme", {"metadata": {"finalizers": None}})
        cluster.api.delete(INSTANCE, namespace, "acme")

    operator = run_operator(home, watch=(watched,))
    create_simulated(cluster.api, watched)
    until(lambda: mark(cluster, watched) == "acme", "the label of the namespace")
    wait_for(cluster.api, watched, is_applied, seconds=SECONDS, what="rolled out")
    operator.pause()
    force(watched)
    operator.resume()
    until(lambda: mark(cluster, watched) == "", "no label")
    operator.kill()

    everywhere = make_namespace()
    operator = run_operator(everywhere, watch=())
    create_simulated(cluster.api, seen)
    until(lambda: mark(cluster, seen) == "acme", "the label of the namespace")
    wait_for(cluster.api, seen, is_applied, seconds=SECONDS, what="rolled out")
    operator.kill()
    force(seen)
    run_operator(everywhere, watch=())
    until(lambda: mark(cluster, seen) == "", "no label")


def take_away_the_right_to_label(api: Api, namespace: str) -> None:
    """As a Role of somebody else's making may be."""
    role = api.get(ROLE, namespace, "dedicated-operator")
    rules: list[JsonValue] = [
        rule for rule in get_list(role, "rules") if get_list(rule, "resources") != ["namespaces"]
    ]
    rules.append({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]})
    api.replace({**role, "rules": rules})


@pytest.mark.slow
def test_an_instance_whose_namespace_may_not_be_labelled_says_so_and_is_none_the_worse(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    operator = run_operator(namespace)
    take_away_the_right_to_label(api, namespace)
    create_simulated(api, namespace)
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="rolled out")
    wait_for(api, namespace, lambda one: "NamespaceNotMarked" in str(get_list(one, "status", "findings")))
    assert mark(cluster, namespace) == ""
    operator.kill()
    run_operator(namespace)  # with the chart's rights
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")


@pytest.mark.slow
def test_a_label_that_may_not_be_taken_off_holds_up_no_deletion(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    run_operator(namespace)
    create_simulated(api, namespace)
    wait_for(api, namespace, is_applied, seconds=SECONDS, what="rolled out")
    until(lambda: mark(cluster, namespace) == "acme", "the label of the namespace")
    take_away_the_right_to_label(api, namespace)
    api.delete(INSTANCE, namespace, "acme")
    api.wait_for(INSTANCE, namespace, "acme", lambda one: one is None, timeout=SECONDS, what="gone")
    assert mark(cluster, namespace) == "acme"
