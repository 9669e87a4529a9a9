"""Edits of managed objects by somebody else."""

from collections.abc import Callable

from builders import body
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map
from dedicated.api.names import ANNOTATION_APPLIED
from dedicated.api.objects import Ref
from dedicated.reconcile.turns import Turn
from reconcile.simulation import Cluster

SERVER = Ref("Deployment", "acme-server")
LOGIN = Ref("Deployment", "acme-login")
SERVICE = Ref("Service", "acme-server")
POLICY = Ref("NetworkPolicy", "acme-default-deny")
BUDGET = Ref("PodDisruptionBudget", "acme-server")

WAITING = Turn("Waiting", before=4)
RUNNING = Turn("Running", since="2026-03-01T12:00:00Z")

Change = Callable[[Manifest], None]


def standing() -> Cluster:
    """An instance that is ready."""
    cluster = Cluster(body())
    cluster.stand()
    cluster.pass_time(minutes=5)
    return cluster


def rendered_otherwise(cluster: Cluster, *refs: Ref) -> Cluster:
    """As if the operator before had rendered these children otherwise; a new one looks at them first."""
    for ref in refs:
        manifest = cluster.server.objects[ref].manifest
        get_map(manifest, "metadata", "annotations")[ANNOTATION_APPLIED] = "0123456789abcdef"
        if ref.kind == "Deployment":
            get_map(manifest, "spec", "template", "spec")["terminationGracePeriodSeconds"] = 1
    cluster.settled = {}
    cluster.turn = WAITING
    return cluster


def container(manifest: Manifest) -> Manifest:
    """The first container of a pod template."""
    return as_manifest(get_list(manifest, "spec", "template", "spec", "containers")[0])


def put(*path: str, value: JsonValue) -> Change:
    """A change that sets a field."""

    def change(manifest: Manifest) -> None:
        get_map(manifest, *path[:-1])[path[-1]] = value

    return change


def drop(*path: str) -> Change:
    """A change that takes a field away."""

    def change(manifest: Manifest) -> None:
        del get_map(manifest, *path[:-1])[path[-1]]

    return change


def in_container(key: str, value: JsonValue) -> Change:
    """A change of the first container."""

    def change(manifest: Manifest) -> None:
        container(manifest)[key] = value

    return change


def add_variable(manifest: Manifest) -> None:
    """Add an environment variable."""
    get_list(container(manifest), "env").append({"name": "EVIL", "value": "1"})


def remove_variable(manifest: Manifest) -> None:
    """Remove the first environment variable."""
    del get_list(container(manifest), "env")[0]


def change_variable(manifest: Manifest) -> None:
    """Change the value of a variable."""
    as_manifest(get_list(container(manifest), "env")[0])["value"] = "http://elsewhere"


def add_port(manifest: Manifest) -> None:
    """Add a port to a Service."""
    get_list(manifest, "spec", "ports").append({"name": "spy", "port": 9, "protocol": "TCP"})


def add_container(manifest: Manifest) -> None:
    """Add a container."""
    get_list(manifest, "spec", "template", "spec", "containers").append({"name": "spy", "image": "spy:1"})


def head(ref: Ref) -> Manifest:
    """Kind and name of a manifest."""
    version = {"Deployment": "apps/v1", "Service": "v1"}[ref.kind]
    return {
        "apiVersion": version,
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": "acme-ns"},
    }
