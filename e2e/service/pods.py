"""What the pods beside an instance have in common: they obey Pod Security `restricted`, as users' do."""

from collections.abc import Mapping

from dedicated.api.json import JsonValue, Manifest

RESTRICTED = "pod-security.kubernetes.io/enforce"


def namespace(name: str) -> Manifest:
    """A namespace that takes restricted pods alone."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {RESTRICTED: "restricted"}},
    }


def pod_security(user: int) -> Manifest:
    """Of a pod that runs as one user, whose volume is that user's.

    OnRootMismatch: applied at each start, a group that may write makes PostgreSQL refuse its data directory.
    """
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    """Of each container: no rights, and a root that it cannot write to."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def service(namespace: str, name: str, port: int) -> Manifest:
    """A Service before the pods that are labelled `app: NAME`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": port, "protocol": "TCP"}]},
    }


def stateful(namespace: str, name: str, pod: Manifest, *, size: str, storage_class: str) -> Manifest:
    """One pod with one volume called `data`; at a lost node it waits for its volume."""
    claim: Manifest = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": size}},
        },
    }
    labels: Manifest = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"enableServiceLinks": False, **pod}},
            "volumeClaimTemplates": [claim],
        },
    }


def resources(cpu: str, memory: str, *, limit: str) -> Manifest:
    """Of a container on a small machine; memory has a limit, processors have none."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def secret(namespace: str, name: str, values: Mapping[str, str]) -> Manifest:
    """A Secret with texts by key."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {**values},
    }


def secret_volume(name: str, secret: str) -> JsonValue:
    """A Secret as files that the pod's group may read, and nobody else."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}
