"""The chart's protection of instances, installed for a test's own namespaces and removed after it.

Admission policies come into force, and go out of it, some moments after the request. A sentinel, created
after them, tells when: the API server takes the changes of policies, and of bindings, in their order.
"""

import secrets
import time
from collections.abc import Sequence

from dedicated.api.json import JsonValue, Manifest, get_str
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.controlplane import ADMIN, KWOK, RUNNER
from testbed.operator_process import Settings, render

PLATFORM: list[JsonValue] = [ADMIN, KWOK, RUNNER]
"""Users that play the platform here: the simulated kubelets, and the supervisor."""
_VERSION = "admissionregistration.k8s.io/v1"
_PLURALS = {
    "ValidatingAdmissionPolicy": f"{_VERSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_VERSION}/validatingadmissionpolicybindings",
}
_SECONDS = 30


def policies(namespace: str, *, watch: Sequence[str], **protection: JsonValue) -> list[Manifest]:
    """The chart's policies and bindings, as a release in `namespace` that watches `watch` has them.

    `protection` are values of the chart's section of that name.
    """
    if not watch:
        raise ValueError("policies for the whole cluster would be other tests' too: name the namespaces")
    values: Manifest = {"platformControllers": {"users": PLATFORM}, **protection}
    manifests = render(Settings(namespace, tuple(watch), values={"protection": values}))
    return [manifest for manifest in manifests if get_str(manifest, "kind") in _PLURALS]


def replace(cluster: Cluster, namespace: str, *, old: Sequence[Manifest], new: Sequence[Manifest]) -> None:
    """Delete policies and apply others; returns when that is in force. The namespace is one that exists."""
    _delete(cluster, old)
    name = f"testbed-sentinel.{secrets.token_hex(4)}"
    sentinel = _sentinel(name, namespace)
    for manifest in (*new, *sentinel):
        cluster.api.apply(manifest, manager="helm")
    deadline = time.monotonic() + _SECONDS
    while not _refuses(cluster, namespace, name):
        if time.monotonic() > deadline:
            raise AssertionError(f"the policies are not in force after {_SECONDS} s")
        time.sleep(0.1)
    _delete(cluster, sentinel)


def _delete(cluster: Cluster, manifests: Sequence[Manifest]) -> None:
    for manifest in manifests:
        cluster.api.delete(_PLURALS[get_str(manifest, "kind")], "", get_str(manifest, "metadata", "name"))


def _sentinel(name: str, namespace: str) -> tuple[Manifest, Manifest]:
    named: Manifest = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule: Manifest = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["configmaps"],
        "resourceNames": [name],
    }
    policy: Manifest = {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"namespaceSelector": named, "resourceRules": [rule]},
            "validations": [{"expression": "false"}],
        },
    }
    binding: Manifest = {
        "apiVersion": _VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return policy, binding


def _refuses(cluster: Cluster, namespace: str, name: str) -> bool:
    metadata: Manifest = {"name": name, "namespace": namespace}
    try:
        cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}, dry_run=True)
    except ApiError as error:
        return f"'{name}'" in error.message
    return False
