"""Pods of the testbed's stub program, as a user who meets Pod Security `restricted` writes them."""

from dedicated.api.json import JsonValue, Manifest

IMAGE = "registry.test/tools/testbed-stub:v1"
PORT = 8080
_RESTRICTED: Manifest = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(*args: str, name: str = "main", **fields: JsonValue) -> Manifest:
    """A container of the stub with arguments; fields are added."""
    return {"name": name, "image": IMAGE, "args": list(args), "securityContext": _RESTRICTED, **fields}


def pod(namespace: str, *containers: Manifest, name: str = "p", **spec: JsonValue) -> Manifest:
    """A pod; spec fields are added."""
    labels: Manifest = {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 2, **spec},
    }


def http_probe(path: str, **fields: JsonValue) -> Manifest:
    """A probe of the stub's port."""
    get: Manifest = {"path": path, "port": PORT, "httpHeaders": [{"name": "Host", "value": "public.test"}]}
    return {"httpGet": get, **fields}
