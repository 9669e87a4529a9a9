"""Who may talk to whom (S-1)."""

from dataclasses import replace

import pytest

from builders import children, instance, named, pod_templates, wanted
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.parts import network
from dedicated.parts.wanted import Wanted

POLICIES = network.policies(wanted())


def policy(name: str, of: Wanted | None = None) -> Manifest:
    """A policy's spec."""
    return get_map(named(list(network.policies(of or wanted())), "NetworkPolicy", f"acme-{name}"), "spec")


def ports(rule: JsonValue) -> set[tuple[int, str]]:
    """Ports of a rule with their protocols."""
    return {(get_int(item, "port"), get_str(item, "protocol")) for item in get_list(rule, "ports")}


DNS = {(53, "UDP"), (53, "TCP")}


@pytest.mark.parametrize("manifest", POLICIES, ids=[get_str(item, "metadata", "name") for item in POLICIES])
def test_it_is_about_this_instance_and_both_directions(manifest: Manifest) -> None:
    spec = get_map(manifest, "spec")
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert get_map(spec, "podSelector", "matchLabels")[LABEL_INSTANCE] == "acme"


def test_every_pod_is_closed_by_default() -> None:
    spec = policy("default-deny")
    assert get_map(spec, "podSelector", "matchLabels") == {LABEL_INSTANCE: "acme"}
    assert "ingress" not in spec
    (out,) = get_list(spec, "egress")
    assert ports(out) == DNS


def test_every_component_with_pods_has_its_own_policy() -> None:
    components = {
        get_str(template, "metadata", "labels", LABEL_COMPONENT)
        for template in pod_templates(children(wanted()))
    }
    chosen = {
        get_str(manifest, "spec", "podSelector", "matchLabels", LABEL_COMPONENT) for manifest in POLICIES
    }
    assert components == chosen - {""}


@pytest.mark.parametrize(("component", "port"), [("server", 8080), ("login", 3000)])
def test_gateways_and_own_pods_come_in_and_pods_of_other_instances_do_not(component: str, port: int) -> None:
    (rule,) = get_list(policy(component), "ingress")
    assert ports(rule) == {(port, "TCP")}
    gateways, own = get_list(rule, "from")
    assert get_map(gateways, "podSelector") == {
        "matchExpressions": [{"key": LABEL_INSTANCE, "operator": "DoesNotExist"}]
    }
    assert get_map(gateways)["namespaceSelector"] == {}
    assert get_map(own) == {"podSelector": {"matchLabels": {LABEL_INSTANCE: "acme"}}}, "own namespace only"


def test_nobody_comes_in_to_the_schema_jobs_and_they_reach_the_database_only() -> None:
    spec = policy("schema", Wanted(instance(), wanted().release, 3, database_port=6432))
    assert "ingress" not in spec
    dns, database = get_list(spec, "egress")
    assert ports(dns) == DNS
    assert ports(database) == {(6432, "TCP")}


def test_the_login_reaches_the_server_only() -> None:
    dns, server = get_list(policy("login"), "egress")
    assert ports(dns) == DNS
    assert ports(server) == {(8080, "TCP")}
    (to,) = get_list(server, "to")
    assert get_map(to) == {"podSelector": get_map(policy("server"), "podSelector")}


def test_while_the_databases_port_is_not_known_the_jobs_policy_is_left_alone() -> None:
    unknown = replace(wanted(), database_port=None)
    names = [get_str(manifest, "metadata", "name") for manifest in network.policies(unknown)]
    assert names == ["acme-default-deny", "acme-server", "acme-login"]
