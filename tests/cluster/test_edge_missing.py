"""A cluster without the Gateway API and cert-manager: told, looked for, and in nobody's way."""

import pytest

from cluster.edge_stage import (
    GATEWAY,
    ISSUED,
    answer,
    create_with,
    edge_status,
    install_edge,
    remove_edge,
    tls_secret,
)
from cluster.limiter_stage import AGENT
from cluster.observing import finding, has_finding, wait_applied
from cluster.standing import SIMULATED, Standing, until
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CERTIFICATE, GRPC_ROUTE, HTTP_ROUTE
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

CODES = ("GatewayApiMissing", "CertManagerMissing")


def test_what_is_missing_is_told_and_what_serves_goes_on(
    cluster: Cluster, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    remove_edge(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    operator = run_operator(namespace, watch=(namespace,), extra=AGENT)
    edge: Manifest = {**GATEWAY, "tls": ISSUED}
    create_with(api, namespace, edge)
    at = Standing(cluster, namespace, operator)
    body = wait_applied(api, namespace)
    for code in CODES:
        assert get_str(finding(body, code), "responsible") == "Provider"
        assert "once a minute" in get_str(finding(body, code), "action")
    install_edge(cluster)
    until(lambda: api.find(HTTP_ROUTE, namespace, "acme-edge") is not None, "a route", seconds=90)
    until(lambda: api.find(GRPC_ROUTE, namespace, "acme-grpc") is not None, "both routes", seconds=90)
    until(lambda: api.find(CERTIFICATE, namespace, "acme-edge") is not None, "a certificate", seconds=90)
    answer(api, namespace, HTTP_ROUTE, "acme-edge")
    api.create(tls_secret(namespace, "acme-tls", days=90))
    until(lambda: not any(has_finding(code)(at.body()) for code in CODES), "nothing is missing", seconds=90)
    until(lambda: "certificateNotAfter" in edge_status(at), "the certificate's end")
    wait_applied(api, namespace)
