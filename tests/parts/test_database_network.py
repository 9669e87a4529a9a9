"""Who may talk to a database that an engine runs (S-1), by what NetworkPolicies mean."""

from dataclasses import dataclass, field, replace

import pytest

from builders import wanted
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import NETWORK_POLICY
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.parts import network, recovery_agent
from dedicated.parts.database.engine import PORT, Adapter
from dedicated.parts.database.engines import ADAPTERS
from dedicated.parts.recovery_agent import AgentWanted
from dedicated.parts.recovery_source import source_of
from dedicated.parts.wanted import Wanted
from parts.engine_examples import of

RUN_BY_ENGINE = [adapter for adapter in ADAPTERS.values() if adapter.cluster_kind is not None]
every = pytest.mark.parametrize("adapter", RUN_BY_ENGINE, ids=lambda adapter: adapter.engine)
HOME = "acme-ns"


@dataclass(frozen=True, slots=True)
class Pod:
    """Where traffic comes from or goes to."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = HOME


def ours(component: str, instance: str = "acme", namespace: str = HOME) -> Pod:
    """A pod of an instance."""
    labels = {"dedicated.zitadel.com/instance": instance, "app.kubernetes.io/component": component}
    return Pod(labels, namespace)


def member(adapter: Adapter, instance: str = "acme", namespace: str = HOME) -> Pod:
    """A pod that the engine made of an instance's database."""
    assert adapter.pods is not None
    return Pod({adapter.pods.cluster: f"{instance}-database"}, namespace)


def policies(adapter: Adapter, **changes: JsonValue) -> list[Manifest]:
    """All of an instance's, its agent's among them."""
    instance = of(adapter.engine, **changes)
    source = source_of(instance, connected=True)
    assert source is not None
    made = Wanted(instance, wanted().release, 3, database_port=PORT)
    agent = recovery_agent.manifests(AgentWanted(instance, "agent", source, CONTRACT))
    return [*network.policies(made), *(item for item in agent if item["kind"] == NETWORK_POLICY.kind)]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """A label selector, as Kubernetes reads it."""
    for expression in get_list(selector, "matchExpressions"):
        value = labels.get(get_str(expression, "key"))
        match get_str(expression, "operator"):
            case "In":
                held = value in get_list(expression, "values")
            case "DoesNotExist":
                held = value is None
            case other:
                raise NotImplementedError(other)
        if not held:
            return False
    return all(labels.get(key) == value for key, value in get_map(selector, "matchLabels").items())


def allows(found: list[Manifest], way: str, at: Pod, other: Pod | None, port: int) -> bool:
    """Whether the policies that select a pod let this through; `other` is None outside of the cluster."""
    chosen = [item for item in found if selects(get_map(item, "spec", "podSelector"), at.labels)]
    rules = [rule for item in chosen for rule in get_list(item, "spec", way)]
    return at.namespace != HOME or not chosen or any(_lets(rule, way, other, port) for rule in rules)


def _lets(rule: JsonValue, way: str, other: Pod | None, port: int) -> bool:
    ports = [get_map(item).get("port") for item in get_list(rule, "ports")]
    peers = get_list(rule, "from" if way == "ingress" else "to")
    return (not ports or port in ports) and (not peers or any(_is(peer, other) for peer in peers))


def _is(peer: JsonValue, other: Pod | None) -> bool:
    if other is None:
        return False
    anywhere = get_map(peer).get("namespaceSelector") == {}
    return (anywhere or other.namespace == HOME) and selects(get_map(peer, "podSelector"), other.labels)


def reaches(found: list[Manifest], source: Pod, target: Pod, port: int) -> bool:
    return allows(found, "egress", source, target, port) and allows(found, "ingress", target, source, port)


@every
@pytest.mark.parametrize("component", ["server", "schema", "recovery"])
def test_what_needs_the_database_reaches_it_and_nothing_else_of_it(adapter: Adapter, component: str) -> None:
    found = policies(adapter)
    assert reaches(found, ours(component), member(adapter), PORT)
    assert adapter.flows is not None
    for port in {*adapter.flows.members, *adapter.flows.metrics}:
        assert not reaches(found, ours(component), member(adapter), port)


@every
def test_nobody_else_reaches_it(adapter: Adapter) -> None:
    assert adapter.flows is not None
    strangers = [
        ours("login"),
        ours("server", "other"),
        ours("server", "acme", "elsewhere"),
        member(adapter, "other"),
        member(adapter, "acme", "elsewhere"),
        Pod(),
        Pod(namespace="elsewhere"),
    ]
    for port in {PORT, *adapter.flows.members}:
        for stranger in strangers:
            assert not allows(policies(adapter), "ingress", member(adapter), stranger, port), (port, stranger)


@every
def test_its_members_reach_each_other_and_no_other_pod(adapter: Adapter) -> None:
    assert adapter.flows is not None
    found, one = policies(adapter), member(adapter)
    for port in {PORT, *adapter.flows.members}:
        assert reaches(found, one, one, port)
    for target in (member(adapter, "other"), member(adapter, "acme", "elsewhere"), ours("server"), Pod()):
        for port in {PORT, *adapter.flows.members, 8080, 3000}:
            assert not allows(found, "egress", one, target, port), (port, target)


@every
def test_they_find_names_the_api_server_and_the_store(adapter: Adapter) -> None:
    found = policies(adapter, backup={"repository": {"endpoint": "store.example.test:9000"}})
    outside = {port for port in range(1, 10_000) if allows(found, "egress", member(adapter), None, port)}
    copies = {443}  # the port of the second place, and of an API server
    assert outside == {53, 6443, 9000} | copies


def test_the_engines_operator_gets_in_where_it_connects_itself() -> None:
    """CloudNativePG asks the instance manager and the database; Percona runs commands in the pods."""
    by_engine = {adapter.engine: adapter for adapter in RUN_BY_ENGINE}
    there = Pod({"app.kubernetes.io/name": "cloudnative-pg"}, "cnpg-system")
    cnpg, percona = by_engine["cloudnative-pg"], by_engine["percona"]
    found = policies(cnpg)
    open_to_it = {p for p in range(1, 10_000) if allows(found, "ingress", member(cnpg), there, p)}
    assert open_to_it == {5432, 8000, 9187}
    dressed = replace(there, labels={**there.labels, "cnpg.io/cluster": "other-database"})
    assert not allows(found, "ingress", member(cnpg), dressed, 8000), "a database's pod is no operator"
    assert not any(
        allows(policies(percona), "ingress", member(percona), there, port) for port in range(1, 10_000)
    )


def test_the_monitoring_reads_metrics_and_pods_of_instances_do_not() -> None:
    (cnpg,) = [adapter for adapter in RUN_BY_ENGINE if adapter.engine == "cloudnative-pg"]
    found = policies(cnpg)
    assert allows(found, "ingress", member(cnpg), Pod(namespace="monitoring"), 9187)
    for other in (ours("server", "other", "elsewhere"), *(member(a, "other") for a in RUN_BY_ENGINE)):
        assert not allows(found, "ingress", member(cnpg), other, 9187)


@every
def test_it_stands_before_the_first_pod_and_as_long_as_the_database(adapter: Adapter) -> None:
    """It needs nothing of the engine's rendering, and outlives the instance as the cluster does."""
    (found,) = [item for item in policies(adapter) if get_str(item, "metadata", "name") == "acme-database"]
    assert "ownerReferences" not in get_map(found, "metadata")
    assert get_map(found, "spec")["policyTypes"] == ["Ingress", "Egress"]


def test_an_external_database_has_no_pods_of_ours() -> None:
    names = [get_str(item, "metadata", "name") for item in network.policies(wanted())]
    assert "acme-database" not in names
