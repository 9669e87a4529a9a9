"""A way in under the protection: the operator makes it, nobody else changes it."""

import pytest

from cluster.edge_stage import GATEWAY, ISSUED, answer, create_with, install_edge, tls_secret
from cluster.limiter_stage import AGENT
from cluster.observing import wait_applied
from cluster.standing import SIMULATED, until
from cluster.test_protection_platform import person, refused
from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import CERTIFICATE, GRPC_ROUTE, HTTP_ROUTE
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, Protect, RunOperator

pytestmark = pytest.mark.cluster

ELSEWHERE: Manifest = {"spec": {"hostnames": ["evil.example.test"]}}


def solver(namespace: str, labels: Manifest) -> Manifest:
    """What cert-manager makes for a Certificate: an object with its labels. The kind matters to nobody."""
    metadata: Manifest = {"name": "acme-edge-1", "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def refuses(user: Api, body: Manifest) -> bool:
    try:
        user.create(body, dry_run=True)
    except ApiError as error:
        return "ValidatingAdmissionPolicy" in error.message
    return False


def test_the_operator_makes_it_and_others_do_not_change_it(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, protect: Protect
) -> None:
    install_edge(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    protect(namespace, wildcardAdmins="Deny")
    run_operator(namespace, watch=(namespace,), extra=AGENT)
    create_with(person(cluster, namespace), namespace, {**GATEWAY, "tls": ISSUED})
    wait_applied(api, namespace)
    until(lambda: api.find(GRPC_ROUTE, namespace, "acme-grpc") is not None, "both routes")
    paul = person(cluster, namespace)
    with pytest.raises(ApiError) as error:
        paul.patch(HTTP_ROUTE, namespace, "acme-edge", ELSEWHERE)
    assert refused(error)
    with pytest.raises(ApiError) as error:
        paul.delete(HTTP_ROUTE, namespace, "acme-edge")
    assert refused(error)
    answer(paul, namespace, HTTP_ROUTE, "acme-edge")  # a status is a controller's word, and open
    paul.create(tls_secret(namespace, "acme-tls", days=90))  # so is a Secret without our labels

    labels = get_map(api.get(CERTIFICATE, namespace, "acme-edge"), "metadata", "labels")
    assert refuses(paul, solver(namespace, labels))
    protect(namespace, wildcardAdmins="Deny", platformControllers={"users": ["paul"]})
    until(lambda: not refuses(paul, solver(namespace, labels)), "a controller of the platform")
