"""The chart's protection of instances: what is rendered in which mode. What it does is in tests/cluster."""

import re

import pytest

from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.names import GROUP, LABEL_INSTANCE, PLURAL
from helm_charts import OPERATOR, HelmError, of_kind, render

pytestmark = pytest.mark.cluster  # Helm is built by the testbed.

IMAGE: Manifest = {"repository": "registry.example/dedicated-operator"}
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
GUARDS = ("foreign", "managed", "namespace", "scale")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def guards(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """The policies and bindings of the protection; those of records, maintenances and deletions
    are matters of their own."""
    found = of_kind(manifests, *kinds)
    apart = (".records", ".maintenances", ".deletion")
    return [item for item in found if not get_str(item, "metadata", "name").endswith(apart)]


def operator(
    watch: tuple[str, ...] = (), namespace: str = "dedicated-system", **protection: JsonValue
) -> list[Manifest]:
    named: list[JsonValue] = list(watch)
    values: Manifest = {"image": IMAGE, "watchNamespaces": named, "protection": protection}
    return render(OPERATOR, values=values, namespace=namespace)


def names(manifests: list[Manifest], kind: str) -> list[str]:
    """Last parts of the names, sorted."""
    return sorted(get_str(item, "metadata", "name").rpartition(".")[2] for item in guards(manifests, kind))


def actions(manifests: list[Manifest]) -> dict[str, list[JsonValue]]:
    """What bindings do, by the last part of their names."""
    found = guards(manifests, BINDING)
    return {
        get_str(item, "metadata", "name").rpartition(".")[2]: get_list(item, "spec", "validationActions")
        for item in found
    }


def text(manifests: list[Manifest]) -> str:
    """All policies, to look for words in."""
    return str(guards(manifests, POLICY))


def test_on_by_default() -> None:
    found = operator()
    # A right to everything is never enough for a namespace.
    warned = [f"{guard}-wildcard" for guard in GUARDS if guard != "namespace"]
    assert names(found, POLICY) == sorted([*GUARDS, *warned])
    assert actions(found) == {guard: ["Deny", "Audit"] for guard in GUARDS} | {
        guard: ["Warn", "Audit"] for guard in warned
    }
    assert all(get_str(item, "spec", "failurePolicy") == "Fail" for item in guards(found, POLICY))


def test_modes() -> None:
    assert not guards(operator(mode="Off"), POLICY, BINDING)
    assert set(map(str, actions(operator(mode="Warn")).values())) == {"['Warn', 'Audit']"}
    assert actions(operator(wildcardAdmins="Deny")) == {guard: ["Deny", "Audit"] for guard in GUARDS}
    with pytest.raises(HelmError):
        operator(mode="Audit")


def test_named_namespaces_limit_every_binding() -> None:
    for item in guards(operator(watch=("acme", "globex")), BINDING):
        (rule,) = get_list(item, "spec", "matchResources", "namespaceSelector", "matchExpressions")
        assert rule == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["acme", "globex"]}
    assert not any(get_str(item, "spec", "matchResources") for item in guards(operator(), BINDING))


def test_names_are_valid_and_belong_to_the_release() -> None:
    here, there = operator(), operator(namespace="elsewhere")
    for kind in (POLICY, BINDING):
        full = [get_str(item, "metadata", "name") for item in guards([*here, *there], kind)]
        assert len(set(full)) == len(full)
        assert all(NAME.fullmatch(name) for name in full)
    bound = [get_str(item, "spec", "policyName") for item in guards(here, BINDING)]
    assert bound == [get_str(item, "metadata", "name") for item in guards(here, POLICY)]


def test_the_words_are_the_operator_s() -> None:
    found = text(operator())
    assert f"'{LABEL_INSTANCE}' in o.metadata.labels" in found
    assert f"authorizer.group('{GROUP}').resource('{PLURAL}')" in found


def test_no_role_of_the_chart_names_the_control_verb() -> None:
    roles = of_kind(operator(), "ClusterRole", "Role")
    verbs = {
        str(verb) for role in roles for rule in get_list(role, "rules") for verb in get_list(rule, "verbs")
    }
    assert "modify" in verbs
    assert "check('never-granted')" in text(operator())
    assert "never-granted" not in verbs


def test_platform_controllers_are_exempt_in_every_policy() -> None:
    controllers: Manifest = {"users": ["system:serviceaccount:a:b"], "groups": ["example:storage"]}
    for item in guards(operator(platformControllers=controllers), POLICY):
        conditions = [
            get_str(one, "expression")
            for one in get_list(item, "spec", "matchConditions")
            if get_str(one, "name") == "not-the-platform"
        ]
        assert len(conditions) == 1
        for name in ("system:serviceaccount:a:b", "example:storage", "system:nodes", "system:kube-scheduler"):
            assert f'"{name}"' in conditions[0]
    with pytest.raises(HelmError):
        operator(platformControllers={"users": ['x"] || true || ["']})
