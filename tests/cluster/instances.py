"""Instances for tests on the control plane: manifests, and waiting for what becomes of them."""

import base64

from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE
from testbed.client import Api

DATABASE_SECRET = "database"


def instance(namespace: str, name: str = "acme", **spec: JsonValue) -> Manifest:
    """A small valid instance; keyword arguments replace parts of its spec."""
    base: Manifest = {
        "plan": "Standard",
        "domain": f"{namespace}.example.test",
        "release": {"version": "v4.15.2"},
        "database": {"external": {"state": "New", "secretRef": {"name": DATABASE_SECRET}}},
    }
    return {
        "apiVersion": INSTANCE.api_version,
        "kind": INSTANCE.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**base, **spec},
    }


def database_secret(namespace: str, dsn: str, name: str = DATABASE_SECRET) -> Manifest:
    """The Secret that an instance's database is found by."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"dsn": base64.b64encode(dsn.encode()).decode()},
    }


def condition(body: Manifest | None, kind: str) -> Manifest:
    """One condition of an instance; empty where it has none."""
    found = (item for item in get_list(body, "status", "conditions") if get_str(item, "type") == kind)
    return next((item for item in found if isinstance(item, dict)), {})


def is_ready(body: Manifest | None) -> bool:
    """Whether this generation is Ready."""
    return (
        body is not None
        and get_map(body, "status").get("observedGeneration") == get_map(body, "metadata")["generation"]
        and condition(body, "Ready").get("status") == "True"
    )


def wait_ready(api: Api, namespace: str, name: str = "acme", *, seconds: float = 90) -> Manifest:
    """The instance once it is Ready."""
    return wait_for(api, namespace, is_ready, name, seconds=seconds, what="Ready=True")


def wait_for(
    api: Api, namespace: str, predicate: object, name: str = "acme", *, seconds: float = 60, what: str = ""
) -> Manifest:
    """The instance once `predicate(body)` holds."""
    assert callable(predicate)
    found = api.wait_for(INSTANCE, namespace, name, predicate, timeout=seconds, what=what or "a condition")
    assert found is not None
    return found
