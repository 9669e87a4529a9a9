"""What Git holds is what the cluster holds: the operator leaves no difference on the custom resource."""

import pytest
import yaml

from cluster.instances import database_secret, instance, wait_ready
from cluster.observing import SECONDS, kstatus_of
from cluster.standing import own_fields
from dedicated.api.json import Manifest, get_map
from dedicated.api.names import FINALIZER
from dedicated.api.objects import INSTANCE
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator
from testbed_oracles import argo_health

pytestmark = pytest.mark.cluster


def of_users(body: Manifest) -> tuple[Manifest, object, object]:
    """What belongs to the users of an instance."""
    metadata = get_map(body, "metadata")
    return get_map(body, "spec"), metadata.get("labels"), metadata.get("annotations")


def test_an_instance_from_git_shows_no_difference(
    cluster: Cluster, crds: None, namespace: str, database: str, run_operator: RunOperator
) -> None:
    manifest = instance(namespace)
    get_map(manifest, "metadata")["labels"] = {"team": "identity"}
    text = yaml.safe_dump(manifest)
    run_operator(namespace, watch=(namespace,))
    cluster.api.create(database_secret(namespace, database))
    cluster.kubectl("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=text)
    before = of_users(cluster.api.get(INSTANCE, namespace, "acme"))
    body = wait_ready(cluster.api, namespace, seconds=SECONDS)

    assert of_users(body) == before
    assert kstatus_of(body) == "Current"
    assert argo_health(body).status == "Healthy"
    # Exit code 1 and a diff where applying would change anything.
    difference = cluster.kubectl(
        "diff", "--server-side", "--field-manager=argocd-controller", "-f", "-", stdin=text
    )
    assert difference == ""

    owned = own_fields(body)
    assert set(owned) == {"Update", "Update status"}
    assert set(get_map(owned["Update"], "fieldsV1")) == {"f:metadata"}
    assert set(get_map(owned["Update"], "fieldsV1", "f:metadata")) == {"f:finalizers"}
    assert set(get_map(owned["Update status"], "fieldsV1")) == {"f:status"}
    assert get_map(body, "metadata")["finalizers"] == [FINALIZER]
