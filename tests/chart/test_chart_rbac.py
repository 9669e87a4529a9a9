"""The rights that the chart grants: exactly what the operator uses, in both modes."""

import pytest

from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.objects import (
    CHILD_KINDS,
    EDGE_KINDS,
    ENGINE_KINDS,
    INGRESS_CLASS,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    MAINTENANCE,
    POD,
    RECORD,
    TCP_ROUTE,
    TLS_ROUTE,
    VOLUME_CLAIM,
    Kind,
)
from dedicated.parts.database.engines import BY_BACKUP
from helm_charts import OPERATOR, of_kind, render

pytestmark = pytest.mark.cluster  # Helm is built by the testbed.

IMAGE: Manifest = {"repository": "registry.example/dedicated-operator"}
CHILD_VERBS = {"get", "list", "watch", "create", "patch", "delete"}
DANGEROUS_VERBS = {"*", "bind", "escalate", "impersonate", "approve", "sign"}
DANGEROUS_RESOURCES = {"*", "pods/exec", "pods/attach", "serviceaccounts/token", "nodes/proxy"}


def operator(**values: JsonValue) -> list[Manifest]:
    return render(OPERATOR, values={"image": IMAGE, **values})


def rights(*roles: Manifest) -> dict[tuple[str, str], set[str]]:
    """(API group, resource) -> verbs, over all rules of the roles."""
    found: dict[tuple[str, str], set[str]] = {}
    for role in roles:
        for rule in get_list(role, "rules"):
            for group in get_list(rule, "apiGroups"):
                for resource in get_list(rule, "resources"):
                    found.setdefault((str(group), str(resource)), set()).update(
                        map(str, get_list(rule, "verbs"))
                    )
    return found


def bound(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Roles of this kind that a binding gives to the operator."""
    bindings = of_kind(manifests, f"{kind}Binding")
    names = {(get_str(b, "metadata", "namespace"), get_str(b, "roleRef", "name")) for b in bindings}
    return [
        role
        for role in of_kind(manifests, kind)
        if (get_str(role, "metadata", "namespace"), get_str(role, "metadata", "name")) in names
    ]


@pytest.mark.parametrize("namespaces", [[], ["acme", "globex"]])
def test_no_wildcard_and_no_way_up(namespaces: list[JsonValue]) -> None:
    roles = of_kind(operator(watchNamespaces=namespaces), "Role", "ClusterRole")
    granted = rights(*roles)
    assert granted
    assert not any(verbs & DANGEROUS_VERBS for verbs in granted.values())
    assert not any(resource in DANGEROUS_RESOURCES or group == "*" for group, resource in granted)
    # Without bind and escalate Kubernetes lets it grant only what it holds itself, in these namespaces.
    rbac = {resource for group, resource in granted if group == "rbac.authorization.k8s.io"}
    assert rbac == {"roles", "rolebindings"}


def test_cluster_mode_grants_exactly_what_an_instance_is_made_of() -> None:
    manifests = operator()
    granted = rights(*bound(manifests, "ClusterRole"))
    children = {(kind.group, kind.plural): CHILD_VERBS for kind in CHILD_KINDS}
    # Keys are never changed, and never deleted: they outlive their instance.
    children["", "secrets"] = CHILD_VERBS - {"patch", "delete"}
    # A cluster is deleted by its record alone; a backup is asked for once and never changed.
    engines = {
        (kind.group, kind.plural): (
            {"list", "watch", "create", "delete"} if kind.kind in BY_BACKUP else CHILD_VERBS
        )
        for kind in ENGINE_KINDS
    }
    edge = {(kind.group, kind.plural): CHILD_VERBS for kind in EDGE_KINDS}
    edge |= {(kind.group, kind.plural): {"list", "watch"} for kind in (TLS_ROUTE, TCP_ROUTE)}
    assert granted == children | engines | edge | {
        (INSTANCE.group, INSTANCE.plural): {"list", "watch", "patch", "act-as-operator", "modify"},
        (RECORD.group, RECORD.plural): {"list", "watch", "create", "delete"},
        (MAINTENANCE.group, MAINTENANCE.plural): {"list", "watch", "create"},
        (MAINTENANCE.group, f"{MAINTENANCE.plural}/status"): {"patch"},
        (INSTANCE_BACKUP.group, INSTANCE_BACKUP.plural): {"list", "watch", "delete"},
        (INSTANCE_BACKUP.group, f"{INSTANCE_BACKUP.plural}/status"): {"patch"},
        (INSTANCE_EXPORT.group, INSTANCE_EXPORT.plural): {"list", "watch", "create", "delete"},
        (INSTANCE_EXPORT.group, f"{INSTANCE_EXPORT.plural}/status"): {"patch"},
        (INSTANCE_RESTORE.group, INSTANCE_RESTORE.plural): {"list", "watch", "create", "delete"},
        (INSTANCE_RESTORE.group, f"{INSTANCE_RESTORE.plural}/status"): {"patch"},
        (INSTANCE.group, f"{INSTANCE.plural}/status"): {"patch"},
        (INSTANCE.group, f"{INSTANCE.plural}/finalizers"): {"update"},
        (POD.group, POD.plural): {"list", "watch"},
        (VOLUME_CLAIM.group, VOLUME_CLAIM.plural): {"list", "delete"},
        ("", "nodes"): {"list", "watch"},
        (INGRESS_CLASS.group, INGRESS_CLASS.plural): {"list", "watch"},
        ("", "namespaces"): {"list", "watch", "patch"},
        ("events.k8s.io", "events"): {"create", "patch"},
    }


def test_named_namespaces_get_a_role_each_and_nothing_beyond() -> None:
    manifests = operator(watchNamespaces=["acme", "globex"])
    assert rights(*bound(manifests, "ClusterRole")) == {
        ("", "nodes"): {"list", "watch"},
        (INGRESS_CLASS.group, INGRESS_CLASS.plural): {"list", "watch"},
    }
    cluster_mode = rights(*bound(operator(rbac={"nodes": False}), "ClusterRole"))
    roles = {get_str(role, "metadata", "namespace"): role for role in bound(manifests, "Role")}
    assert set(roles) == {"acme", "globex", "dedicated-system"}
    # A Role allows no list of namespaces: each is read by its name.
    cluster_mode["", "namespaces"] = {"get", "patch"}
    assert rights(roles["acme"]) == rights(roles["globex"]) == cluster_mode
    assert rights(roles["dedicated-system"]) == {
        ("coordination.k8s.io", "leases"): {"create", "get", "update"},
        ("", "configmaps"): {"list", "create", "patch"},
    }


def test_nodes_can_be_left_out() -> None:
    manifests = operator(watchNamespaces=["acme"], rbac={"nodes": False})
    assert not of_kind(manifests, "ClusterRoleBinding")


def test_only_its_own_leases() -> None:
    (role,) = of_kind(operator(), "Role")
    own = ["dedicated-operator", "dedicated-operator-measured"]
    for rule in get_list(role, "rules"):
        if get_list(rule, "resources") == ["leases"]:
            assert get_list(rule, "resourceNames") == own or get_list(rule, "verbs") == ["create"]


def test_bindings_name_the_account_of_the_pods() -> None:
    for manifests in (operator(), operator(serviceAccount={"name": "own"}, watchNamespaces=["acme"])):
        (deployment,) = of_kind(manifests, "Deployment")
        account = get_str(deployment, "spec", "template", "spec", "serviceAccountName")
        assert [get_str(m, "metadata", "name") for m in of_kind(manifests, "ServiceAccount")] == [account]
        for binding in of_kind(manifests, "RoleBinding", "ClusterRoleBinding"):
            assert get_list(binding, "subjects") == [
                {"kind": "ServiceAccount", "name": account, "namespace": "dedicated-system"}
            ]


def test_people_get_rights_by_aggregation() -> None:
    def people(role: str, kind: Kind = INSTANCE) -> set[str]:
        label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
        roles = [r for r in of_kind(operator(), "ClusterRole") if get_str(r, "metadata", "labels", label)]
        return rights(*roles)[kind.group, kind.plural]

    view = {"get", "list", "watch"}
    edit = view | {"create", "update", "patch"}
    assert people("view") == view
    assert people("edit") == edit
    assert people("admin") == edit | {"delete", "deletecollection"}
    assert {frozenset(people(role, RECORD)) for role in ("view", "edit", "admin")} == {frozenset(view)}


def test_each_side_of_the_contract_has_a_role_that_is_bound_to_nobody() -> None:
    manifests = operator()
    read = {"get", "list", "watch"}
    found = {}
    for role in of_kind(manifests, "ClusterRole"):
        side = get_str(role, "metadata", "name").rpartition(":")[2]
        if get_str(role, "metadata", "labels", f"dedicated.zitadel.com/aggregate-to-{side}"):
            granted = rights(role)
            found[side] = granted.pop((INSTANCE.group, INSTANCE.plural))
            assert granted.pop((RECORD.group, RECORD.plural)) - {"delete"} == read | {"create"}
            asking = granted.pop((MAINTENANCE.group, MAINTENANCE.plural)) - {"delete"}
            assert asking == (read if side == "customer" else read | {"create"})
            ordering = granted.pop((INSTANCE_BACKUP.group, INSTANCE_BACKUP.plural))
            assert ordering == (read | {"create"} if side == "provider" else read)
            assert not granted
    assert found == {
        "customer": read | {"update", "patch", "act-as-customer"},
        "provider": read | {"create", "update", "patch", "delete", "act-as-provider"},
        "restorer": read | {"restore-records"},
    }
    bindings = of_kind(manifests, "ClusterRoleBinding", "RoleBinding")
    assert not {get_str(b, "roleRef", "name").rpartition(":")[2] for b in bindings} & found.keys()


def test_rbac_can_be_left_to_others() -> None:
    left = of_kind(operator(rbac={"create": False, "aggregate": False}), "Role", "ClusterRole", "RoleBinding")
    assert left == []
