"""The policies of a release in force in a namespace, and users with verbs on the instances in it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from api.record_examples import record
from cluster.standing import until
from cluster.validation import placed
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.objects import INSTANCE, RECORD
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.operator_process import Settings, render

POLICIES = {
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}
EVERYTHING: Manifest = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
RBAC = "rbac.authorization.k8s.io"


@contextmanager
def policies_in_force(
    cluster: Cluster, namespace: str, name: str, *, probe: Manifest, values: Manifest | None = None
) -> Iterator[None]:
    """The chart's policies whose name ends so, until the end; they refuse the creation of `probe`."""
    policies = [
        manifest
        for manifest in render(Settings(namespace, (namespace,), values=values or {}))
        if get_str(manifest, "kind") in POLICIES
        and get_str(manifest, "metadata", "name").endswith(f".{name}")
    ]
    assert [get_str(manifest, "kind") for manifest in policies] == list(POLICIES)
    for manifest in policies:
        cluster.api.apply(manifest, manager="helm")
    until(lambda: refusal(cluster.api, probe) != "", "the policy in force")
    try:
        yield
    finally:
        for manifest in reversed(policies):
            kind, own = get_str(manifest, "kind"), get_str(manifest, "metadata", "name")
            cluster.api.delete(POLICIES[kind], "", own)


def refusal(api: Api, body: Manifest) -> str:
    """Why a creation is refused; empty where it would be accepted. Nothing is stored."""
    try:
        api.create(body, dry_run=True)
    except ApiError as error:
        if error.status != 403:
            raise
        return error.message
    return ""


def grant(cluster: Cluster, namespace: str, user: str, *rules: Manifest) -> Api:
    """A user with rights on records and, by further rules, on instances."""
    own: list[JsonValue] = [
        {
            "apiGroups": [RECORD.group],
            "resources": [RECORD.plural],
            "verbs": ["create", "get", "delete", "deletecollection"],
        },
        *rules,
    ]
    role = f"{user.replace(':', '-')}"
    metadata: Manifest = {"name": role, "namespace": namespace}
    cluster.api.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": own})
    bind(cluster, namespace, user, kind="Role", role=role)
    return cluster.as_user(user)


def bind(cluster: Cluster, namespace: str, user: str, *, kind: str, role: str) -> None:
    """Bind a role to a user in the namespace."""
    cluster.api.create(
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{user}-{role.replace(':', '-')}", "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
            "subjects": [{"kind": "User", "name": user, "apiGroup": RBAC}],
        }
    )


def verbs(*names: str, instance: str = "acme") -> Manifest:
    """Custom verbs on one instance."""
    return {
        "apiGroups": [INSTANCE.group],
        "resources": [INSTANCE.plural],
        "resourceNames": [instance],
        "verbs": list[JsonValue](names),
    }


def instruction(
    namespace: str, lasts: timedelta, *, user: str = "jane", by: str = "provider", scope: Sequence[str] = ()
) -> Manifest:
    """The provider's instruction to a user, from now on."""
    now = datetime.now(UTC)
    given: Manifest = {
        "grantee": {"kind": "User", "name": user},
        "scope": list[JsonValue](scope),
        "validFrom": rfc3339(now),
        "validUntil": rfc3339(now + lasts),
    }
    spec: Manifest = {
        "instance": "acme",
        "fact": "Instruction",
        "by": by,
        "reason": "a test",
        "instruction": given,
    }
    body = record(spec, name=f"acme-instruction-{user}")
    return placed(body, namespace)


def wrong(expected: Sequence[tuple[str, bool, str]]) -> list[str]:
    """Of (what, whether it must be refused, what was said), those that are otherwise."""
    return [f"{what}: {said or 'accepted'}" for what, refused, said in expected if refused != bool(said)]
