"""Instances with a way in, on a control plane on which the gateway and cert-manager are played."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from cluster.instances import database_secret, instance
from cluster.limiter_stage import AGENT
from cluster.observing import wait_applied
from cluster.standing import NOWHERE, Standing, until
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map
from dedicated.api.objects import CERTIFICATE, GRPC_ROUTE, HTTP_ROUTE, Kind
from engines import definitions
from parts.chains import certificate, key_pem
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

TLS: Manifest = {"secretName": "login-tls"}
ISSUED: Manifest = {"certificate": {"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}}
BEHIND: Manifest = {"from": "XForwardedFor", "trusted": ["10.0.0.0/8"]}
GATEWAY: Manifest = {
    "gateway": {"parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}]},
    "clientAddress": BEHIND,
}


def ingress(name: str = "traefik") -> Manifest:
    """An Ingress of a class."""
    return {"ingress": {"className": name}, "tls": TLS, "clientAddress": BEHIND}


def load_balancer() -> Manifest:
    """A load balancer, with a certificate that cert-manager keeps."""
    return {"loadBalancer": {}, "tls": ISSUED}


def create_with(api: Api, namespace: str, edge: Manifest) -> None:
    """An instance with this way in."""
    api.create(database_secret(namespace, NOWHERE))
    api.create(instance(namespace, edge=edge))


def stand_with(
    cluster: Cluster, namespace: str, run_operator: RunOperator, edge: Manifest
) -> Standing:
    """An instance that is rolled out with this way in."""
    operator = run_operator(namespace, watch=(namespace,), extra=AGENT)
    create_with(cluster.api, namespace, edge)
    wait_applied(cluster.api, namespace)
    return Standing(cluster, namespace, operator)


def tls_secret(namespace: str, name: str, *, days: float, host: str = "") -> Manifest:
    """A certificate for the instance's domain, or another host, that ends in so many days."""
    until = datetime.now(UTC) + timedelta(days=days)
    data = {"tls.crt": certificate(until, host or f"{namespace}.example.test"), "tls.key": key_pem()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def answer(api: Api, namespace: str, kind: Kind, name: str, *, accepted: bool = True) -> None:
    """What a gateway's controller says of a route."""
    route = api.get(kind, namespace, name)
    said = [("Accepted", accepted), ("ResolvedRefs", True)]
    conditions: list[JsonValue] = [
        {
            "type": kind_of,
            "status": "True" if well else "False",
            "reason": kind_of if well else "NotAllowedByListeners",
            "message": "" if well else "the listener lets no route of this namespace attach",
            "lastTransitionTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "observedGeneration": get_int(route, "metadata", "generation"),
        }
        for kind_of, well in said
    ]
    parent: Manifest = {
        "parentRef": get_list(route, "spec", "parentRefs")[0],
        "controllerName": "gateway.example.test/controller",
        "conditions": conditions,
    }
    status(api, namespace, kind, name, {"parents": [parent]})


def status(api: Api, namespace: str, kind: Kind, name: str, told: Manifest) -> None:
    """Write a status as a controller does, under its own name."""
    path = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    path = f"{path}/namespaces/{namespace}/{kind.plural}/{name}/status"
    api.request("PATCH", path, body={"status": told}, content="merge", query={"fieldManager": "controller"})


def edge_status(at: Standing) -> Manifest:
    """`status.edge`."""
    return get_map(at.body(), "status", "edge")


def install_edge(cluster: Cluster) -> None:
    """The definitions of the Gateway API and of cert-manager; skips where they are not at hand."""
    source = definitions.folder()
    if source is None:
        pytest.skip(definitions.REASON)
    definitions.install_edge(cluster, source)
    for kind in (HTTP_ROUTE, GRPC_ROUTE, CERTIFICATE):
        until(partial(_is_served, cluster.api, kind), f"{kind.plural} to be served")


def _is_served(api: Api, kind: Kind) -> bool:
    """Whether a kind can be listed by now: one that is new is refused with 429 for a while."""
    try:
        api.list(kind)
    except ApiError as error:
        if error.status not in (404, 429):
            raise
        return False
    return True


def remove_edge(cluster: Cluster) -> None:
    """Take them away; the test that does has the cluster alone."""
    source = definitions.folder()
    if source is None:
        pytest.skip(definitions.REASON)
    definitions.remove_edge(cluster, source)


