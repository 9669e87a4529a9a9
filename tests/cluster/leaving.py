"""Instances on their way out: what people do before they go."""

from cluster.records_stage import grant, verbs
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import INSTANCE, RECORD
from testbed.client import Api
from testbed.cluster import Cluster

SECONDS = 60.0


def confirmation(api: Api, namespace: str, by: str) -> Manifest:
    """The record that the instance, as it is there now, may be deleted."""
    uid = get_str(api.get(INSTANCE, namespace, "acme"), "metadata", "uid")
    spec: Manifest = {"instance": "acme", "fact": "DeletionConfirmed", "by": by, "incarnation": uid}
    return {
        "apiVersion": API_VERSION,
        "kind": RECORD.kind,
        "metadata": {"name": f"acme-deletionconfirmed-{by}-{uid[:8]}", "namespace": namespace},
        "spec": spec,
    }


def confirm(cluster: Cluster, namespace: str, by: str = "carla") -> None:
    """A customer confirms, and the operator tells it where the policy on deletions looks."""
    grant(cluster, namespace, by, verbs("act-as-customer")).create(
        confirmation(cluster.api, namespace, by)
    )
    cluster.api.wait_for(
        INSTANCE,
        namespace,
        "acme",
        lambda body: get_str(body, "status", "deletion", "confirmedBy") == by,
        timeout=SECONDS,
        what="the confirmation is told",
    )
