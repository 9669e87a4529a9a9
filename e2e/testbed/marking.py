"""Which pods really run: decided by the API server itself, when a pod is created.

A MutatingAdmissionPolicy needs no process of ours in the way of every pod. kwok's stages leave marked
pods alone; the pod runner takes no others.
"""

from dedicated.api.json import Manifest

RUN_BY = "testbed/run-by"
RUNNER = "pod-runner"
NAMESPACE_LABEL = "testbed/pods"
"""Label of namespaces whose pods are all simulated: value `simulated` (benches)."""
PROGRAMS = ("zitadel", "zitadel-login", "testbed-stub")
"""Last path components of the images that the runner has a program for."""

_NAME = "testbed-run-by"
_VERSION = "admissionregistration.k8s.io/v1"


def marking_manifests() -> list[Manifest]:
    """The policy and its binding."""
    binding: Manifest = {
        "apiVersion": _VERSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": _NAME},
        "spec": {"policyName": _NAME},
    }
    return [_policy(), binding]


def _policy() -> Manifest:
    pods: Manifest = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods"],
        "operations": ["CREATE"],
    }
    # `namespaceObject` is not there for matchConditions: a selector it must be.
    namespaces: Manifest = {"key": NAMESPACE_LABEL, "operator": "NotIn", "values": ["simulated"]}
    return {
        "apiVersion": _VERSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": [namespaces]},
                "resourceRules": [pods],
            },
            "matchConditions": [{"name": "image", "expression": _has_known_image()}],
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _annotate()}}],
        },
    }


def _has_known_image() -> str:
    images = "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
    # Kubelet accepts "name", "host/path/name", with ":tag" and "@digest" behind.
    pattern = rf"^(.*/)?({'|'.join(PROGRAMS)})(:[^/]*)?(@.*)?$"
    return f"{images}.exists(c, c.image.matches('{pattern}'))"


def _annotate() -> str:
    key = RUN_BY.replace("~", "~0").replace("/", "~1")
    make = 'JSONPatch{op: "add", path: "/metadata/annotations", value: {}}'
    add = f'JSONPatch{{op: "add", path: "/metadata/annotations/{key}", value: "{RUNNER}"}}'
    return f"(has(object.metadata.annotations) ? [] : [{make}]) + [{add}]"
