"""Pods for the tests of real nodes: the nodes' own image has a shell, Python and network tools."""

from dedicated.api.json import JsonValue, Manifest
from images import reference

PORT = 8080


def pod(
    namespace: str, name: str, *, node: str = "", claim: str = "", command: str = "sleep infinity"
) -> Manifest:
    """A pod labelled `app: NAME`, on a node if given, with a claim at /data if given."""
    mounts: list[JsonValue] = [{"name": "data", "mountPath": "/data"}] if claim else []
    volumes: list[JsonValue] = (
        [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
            "containers": [
                {
                    "name": "main",
                    "image": reference("node"),
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", command],
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
        },
    }


def web(namespace: str, name: str, *, node: str = "") -> Manifest:
    """A pod that answers HTTP with its name."""
    serve = f"exec python3 -m http.server {PORT} --directory /tmp/w"
    return pod(namespace, name, node=node, command=f"mkdir /tmp/w; echo {name} > /tmp/w/index.html; {serve}")


def claim(namespace: str, name: str, size: str) -> Manifest:
    """A claim of the cluster's own class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def service(namespace: str, name: str, *, kind: str = "ClusterIP") -> Manifest:
    """A Service for the pod of that name, at port 80."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]},
    }
