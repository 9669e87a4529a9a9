"""A protected instance and the users who try, with rights that reach so far that only the policy refuses."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from cluster.protection_attempts import END, Attempt, workload
from cluster.standing import until
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_str
from dedicated.api.names import GROUP, LABEL_INSTANCE, PLURAL
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, JOB, POD, SERVICE, Kind
from testbed.client import Api
from testbed.cluster import Cluster

Rights = Literal["power", "everything", "admin", "edit", "view", "operator", ""]
"""`power`: every verb but custom ones, on everything in the namespace and on the namespace itself."""
Standing = Literal["platform", "granted", "wildcard", "ordinary"]

VERBS: list[JsonValue] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
MARK = "ValidatingAdmissionPolicy"
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
SLICE = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
PLATFORM_USER = "system:serviceaccount:karpenter:karpenter"
PLATFORM_GROUP = "system:serviceaccounts:storage"
RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody. `modifies` names the instances whose `modify` they were granted; `account` is the user's name
    as the API server knows it."""

    name: str
    account: str
    standing: Standing = "ordinary"
    rights: Rights = "power"
    groups: tuple[str, ...] = ()
    modifies: tuple[str, ...] = ()

    def must_pass(self, attempt: Attempt, *, wildcards: bool) -> bool:
        """Whether the protection must let them through; `wildcards`: a right to everything is enough,
        but for the namespace. Which nobody deletes, whatever they were granted."""
        if attempt.guard == "free":
            return True
        if self.name == "autoscaler" and attempt.guard == "scale":
            return False
        match self.standing:
            case "platform":
                return True
            case "granted":
                may = self.rights == "operator" or set(attempt.instances) <= set(self.modifies)
                return may and attempt.name != END
            case "wildcard":
                return wildcards and attempt.guard != "namespace"
        return False


def _system(name: str) -> User:
    groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
    return User(name, f"system:serviceaccount:kube-system:{name}", "platform", groups=groups)


USERS = (
    User("cluster admin", "root", "wildcard", "", ("system:masters",)),
    User("holder of a wildcard in the namespace", "wild", "wildcard", "everything"),
    User("all standard verbs", "power"),
    User("namespace's admin", "anna", rights="admin"),
    User("editor", "ed", rights="edit"),
    User("viewer", "vi", rights="view"),
    User("instructed", "ines", "granted", modifies=("acme",)),
    User("instructed for another instance", "otto", "granted", modifies=("globex",)),
    User("GitOps controller", "system:serviceaccount:argocd:argocd-application-controller",
         groups=("system:serviceaccounts", "system:serviceaccounts:argocd")),
    User("platform controller of the values", PLATFORM_USER, "platform"),
    User("platform controller by group", "somebody", "platform", groups=(PLATFORM_GROUP,)),
    User("account named like the system's", "system:serviceaccount:kube-system2:generic-garbage-collector"),
    User("nobody", "system:anonymous", rights="edit", groups=("system:unauthenticated",)),
    User("controller manager", "system:kube-controller-manager", "platform"),
    User("scheduler", "system:kube-scheduler", "platform"),
    User("node", "system:node:zone-a-0", "platform", groups=("system:nodes",)),
    _system("generic-garbage-collector"),
    _system("deployment-controller"),
    _system("namespace-controller"),
    User("autoscaler", "system:serviceaccount:kube-system:horizontal-pod-autoscaler", "platform",
         groups=("system:serviceaccounts", "system:serviceaccounts:kube-system")),
)  # fmt: skip


OPERATOR = User("operator", "operators-twin", "granted", "operator")
"""Somebody with the chart's Role for the operator: its own account must not be seen to be denied anything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the API server answered."""

    status: int
    message: str
    warnings: tuple[str, ...]

    @property
    def by_policy(self) -> bool:
        """Whether the protection refused."""
        return self.status == 403 and MARK in self.message

    @property
    def by_rights(self) -> bool:
        """Whether RBAC refused."""
        return self.status == 403 and ": User " in self.message and " cannot " in self.message


@dataclass(slots=True)
class Stage:
    """The namespace, what `Attempt`s name in it, and the users' connections."""

    cluster: Cluster
    namespace: str
    names: dict[str, str]
    apis: dict[str, Api] = field(default_factory=dict)

    def send(self, user: User, attempt: Attempt) -> Outcome:
        """One attempt: a dry run, but for connections."""
        return send(self.apis[user.name], attempt, self.names)


def send(api: Api, attempt: Attempt, names: dict[str, str]) -> Outcome:
    """One attempt by the user of `api`."""
    path = attempt.path
    body = json.dumps(attempt.body)
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", quote(value))
        body = body.replace(f"{{{name}}}", value)
    if not attempt.loose:
        path += ("&" if "?" in path else "?") + "dryRun=All"
    kinds = {
        "merge": "application/merge-patch+json",
        "json": "application/json-patch+json",
        "strategic": "application/strategic-merge-patch+json",
        "apply": "application/apply-patch+yaml",
        "": "application/json",
    }
    headers = api.headers | {"Content-Type": kinds[attempt.content]}
    data = None if attempt.body is None else body.encode()
    answer = api.pool.request(attempt.method, api.server + path, body=data, headers=headers)
    text = answer.data.decode(errors="replace")
    with suppress(ValueError, TypeError):
        text = get_str(as_manifest(json.loads(text)), "message")
    return Outcome(answer.status, text, tuple(answer.headers.getlist("Warning")))


def prepare(cluster: Cluster, namespace: str, users: Sequence[User]) -> Stage:
    """Own objects beside the instance, the users' rights, and the names that attempts use."""
    for manifest in _own(namespace):
        cluster.api.create(manifest)
    stage = Stage(cluster, namespace, {"ns": namespace} | _names(cluster.api, namespace))
    # A kubelet that can resize says so; a simulated one does not.
    can: Manifest = {"containerStatuses": [{"name": "server", "resources": {"requests": {"cpu": "1"}}}]}
    cluster.api.patch(
        POD, namespace, stage.names["pod"], {"status": can}, content="strategic", subresource="status"
    )
    for user in users:
        stage.apis[user.name] = cluster.as_user(user.account, groups=user.groups)
    for manifest in _rights(namespace, users):
        cluster.api.apply(manifest)
    return stage


def remove(cluster: Cluster, namespace: str) -> None:
    """Delete what does not go with the namespace."""
    for plural in ("clusterrolebindings", "clusterroles"):
        cluster.api.delete(f"{RBAC}/v1/{plural}", "", f"{namespace}:power")


def _names(api: Api, namespace: str) -> dict[str, str]:
    server = f"{LABEL_INSTANCE}=acme,app.kubernetes.io/component=server"

    def first(kind: Kind, labels: str = server) -> str:
        return get_str(api.list(kind, namespace, labels=labels)[0], "metadata", "name")

    until(lambda: bool(api.list(SLICE, namespace, labels=server)), "an endpoint slice")
    config = [get_str(item, "metadata", "name") for item in api.list(CONFIG_MAP, namespace)]
    return {
        "pod": first(POD),
        "replicaset": first(REPLICA_SET),
        "job": first(JOB, LABEL_INSTANCE),
        "config": next(name for name in config if name.startswith("acme-config-")),
        "slice": first(SLICE),
    }


def _own(namespace: str) -> Iterator[Manifest]:
    metadata: Manifest = {"name": "own", "namespace": namespace}
    port: JsonValue = [{"port": 80}]
    specs: tuple[tuple[Kind, Manifest], ...] = (
        (CONFIG_MAP, {}),
        (SERVICE, {"spec": {"selector": {"app": "own"}, "ports": port}}),
        (DEPLOYMENT, {"spec": workload({"app": "own"}, replicas=0)}),
    )
    for kind, rest in specs:
        yield {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **rest}


def _rights(namespace: str, users: Sequence[User]) -> Iterator[Manifest]:
    everywhere = f"{namespace}:power"
    named: JsonValue = {
        "apiGroups": [""],
        "resources": ["namespaces"],
        "resourceNames": [namespace],
        "verbs": VERBS,
    }
    yield _role("ClusterRole", everywhere, "", [named])
    power: JsonValue = {"apiGroups": ["*"], "resources": ["*"], "verbs": VERBS}
    yield _role("Role", "power", namespace, [power])
    for name in ("acme", "globex"):
        modify: JsonValue = {
            "apiGroups": [GROUP], "resources": [PLURAL], "resourceNames": [name], "verbs": ["modify"],
        }  # fmt: skip
        yield _role("Role", f"modify-{name}", namespace, [modify])
        holders = [user for user in users if name in user.modifies]
        yield _binding("RoleBinding", f"modify-{name}", namespace, ("Role", f"modify-{name}"), holders)
    twins = [user for user in users if user.rights == "operator"]
    yield _binding("RoleBinding", "twin", namespace, ("Role", "dedicated-operator"), twins)
    powerful = [user for user in users if user.rights == "power"]
    yield _binding("RoleBinding", "power", namespace, ("Role", "power"), powerful)
    yield _binding("ClusterRoleBinding", everywhere, "", ("ClusterRole", everywhere), powerful)
    for rights, role in (
        ("everything", "cluster-admin"),
        ("admin", "admin"),
        ("edit", "edit"),
        ("view", "view"),
    ):
        holders = [user for user in users if user.rights == rights]
        yield _binding("RoleBinding", rights, namespace, ("ClusterRole", role), holders)


def _role(kind: str, name: str, namespace: str, rules: list[JsonValue]) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _binding(kind: str, name: str, namespace: str, role: tuple[str, str], users: Sequence[User]) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": namespace}
    subjects: list[JsonValue] = [{"kind": "User", "apiGroup": RBAC, "name": user.account} for user in users]
    reference: Manifest = {"apiGroup": RBAC, "kind": role[0], "name": role[1]}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": kind,
        "metadata": metadata,
        "roleRef": reference,
        "subjects": subjects,
    }


def install_route_kinds(cluster: Cluster) -> None:
    """The kinds of the Gateway API that attempts create; they stay, since other workers use them as well."""
    made = []
    for kind in ("HTTPRoute", "GRPCRoute"):
        schema: Manifest = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version: Manifest = {
            "name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema},
        }  # fmt: skip
        plural = f"{kind.lower()}s"
        name = f"{plural}.gateway.networking.k8s.io"
        approved: Manifest = {"api-approved.kubernetes.io": "unapproved, for tests"}
        cluster.api.apply(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": name, "annotations": approved},
                "spec": {
                    "group": "gateway.networking.k8s.io",
                    "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural},
                    "versions": [version],
                },
            }
        )
        made.append(name)
    for name in made:
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", f"crd/{name}")
