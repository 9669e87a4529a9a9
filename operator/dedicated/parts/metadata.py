"""Metadata that all children share: names, labels, ownership, and the restricted security contexts.

`app.kubernetes.io/instance` is left to GitOps tools: copied to children it would make them believe
that they own our objects.
"""

from collections.abc import Mapping

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, shared, strings
from dedicated.api.names import (
    API_VERSION,
    FIELD_MANAGER,
    KIND,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_PART_OF,
    ZONE_LABEL,
)
from dedicated.api.objects import Kind
from dedicated.api.resource import Instance


def selector(instance: Instance, component: str) -> Manifest:
    """Labels that select the pods of one component. They never change: selectors are immutable."""
    return {LABEL_INSTANCE: instance.name, LABEL_COMPONENT: component}


def labels(instance: Instance, component: str) -> Manifest:
    """The recommended labels of a child."""
    return labels_of(instance.name, component)


def labels_of(name: str, component: str) -> Manifest:
    """The same by the instance's name."""
    return {
        LABEL_INSTANCE: name,
        LABEL_COMPONENT: component,
        LABEL_NAME: "zitadel",
        LABEL_MANAGED_BY: FIELD_MANAGER,
        LABEL_PART_OF: "dedicated-instance",
    }


def child(kind: Kind, instance: Instance, suffix: str, component: str) -> Manifest:
    """The head of a rebuildable child: owned by the instance, garbage-collected with it."""
    return owned(kind, instance, f"{instance.name}-{suffix}", component, owner=owner_of(instance))


def owned(kind: Kind, instance: Instance, name: str, component: str, *, owner: Manifest) -> Manifest:
    """The head of a child whose whole name is given, and what it goes with."""
    head = named(kind, instance, name, component)
    metadata = head["metadata"]
    assert isinstance(metadata, dict)
    metadata["ownerReferences"] = [owner]
    return head


def annotated(head: Manifest, annotations: Mapping[str, str]) -> Manifest:
    """The head of a child with annotations; the same where there are none."""
    if not annotations:
        return head
    return {**head, "metadata": {**get_map(head, "metadata"), "annotations": strings(annotations)}}


def owner_of(instance: Instance) -> Manifest:
    """The reference by which a child goes with its instance."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": instance.name,
        "uid": instance.meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def lasting(kind: Kind, instance: Instance, suffix: str, component: str) -> Manifest:
    """The head of a child that outlives its instance: no owner reference (design.md §2, principle 5)."""
    return named(kind, instance, f"{instance.name}-{suffix}", component)


def named(kind: Kind, instance: Instance, name: str, component: str) -> Manifest:
    """The same of a child whose whole name is given."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": instance.namespace,
            "labels": labels(instance, component),
        },
    }


def restricted_pod() -> Manifest:
    """Pod security context for Pod Security level `restricted`."""
    return {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def restricted_container() -> Manifest:
    """Container security context for Pod Security level `restricted`."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def only_zones(names: list[str]) -> Manifest:
    """The affinity of pods that may go to these zones alone."""
    expression: Manifest = {"key": ZONE_LABEL, "operator": "In", "values": list(names)}
    terms: list[JsonValue] = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def image_of(job: Manifest) -> str:
    """The image of a Job's first container."""
    containers = get_list(job, "spec", "template", "spec", "containers")
    return shared(containers[0], "image") if containers else ""
