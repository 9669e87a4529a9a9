"""Ways in on a real API server: what is rendered is taken, follows the limiter, and is told as it is."""

from functools import partial

import pytest

from api.edge_examples import EDGES
from api.edge_examples import GATEWAY as GATEWAY_EXAMPLE
from builders import instance as an_instance
from cluster.edge_stage import (
    GATEWAY,
    ISSUED,
    answer,
    create_with,
    edge_status,
    ingress,
    install_edge,
    load_balancer,
    stand_with,
    status,
    tls_secret,
)
from cluster.limiter_stage import AGENT
from cluster.observing import History, change, finding, has_finding, wait_applied
from cluster.standing import SIMULATED, Standing, modification_of, refused, until
from cluster.validation import placed
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_MANAGED_BY
from dedicated.api.objects import (
    CERTIFICATE,
    GRPC_ROUTE,
    HTTP_ROUTE,
    INGRESS,
    INGRESS_CLASS,
    INSTANCE,
    KIND_BY_NAME,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from dedicated.parts.edge import certificate
from dedicated.parts.edge.entries import manifests
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def told(at: Standing, code: str) -> bool:
    return bool(has_finding(code)(at.body()))


def uid(api: Api, kind: Kind, namespace: str, name: str) -> str:
    found = api.find(kind, namespace, name)
    return get_str(found, "metadata", "uid") if found else ""


def version(body: Manifest) -> int:
    return int(get_str(body, "metadata", "resourceVersion"))


@pytest.mark.parametrize("edge", [*EDGES.values(), {**GATEWAY_EXAMPLE, "tls": load_balancer()["tls"]}])
def test_strict_validation_takes_what_is_rendered(cluster: Cluster, namespace: str, edge: Manifest) -> None:
    install_edge(cluster)
    found = an_instance(edge=edge)
    for item in (*manifests(found), *certificate.render(found)):
        kind = KIND_BY_NAME[get_str(item, "kind")]
        body = placed(item, namespace)
        root = "/apis" if kind.group else "/api"
        path = f"{root}/{kind.api_version}/namespaces/{namespace}/{kind.plural}"
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        cluster.api.request("POST", path, body=body, query=query)
        broken = {**body, "spec": {**get_map(body, "spec"), "noSuchField": True}}
        with pytest.raises(ApiError, match="noSuchField"):
            cluster.api.request("POST", path, body=broken, query=query)


def test_routes_follow_the_limiter_and_the_one_for_grpc_that_for_http(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    install_edge(cluster)
    namespace, api, since = make_namespace(labels=SIMULATED), cluster.api, cluster.audit_position()
    kinds = (SERVICE, HTTP_ROUTE, GRPC_ROUTE)
    histories = {kind: History.of(api, kind, namespace) for kind in kinds}
    at = stand_with(cluster, namespace, run_operator, GATEWAY)
    until(lambda: uid(api, GRPC_ROUTE, namespace, "acme-grpc") != "", "both routes")
    names = {SERVICE: "acme-limiter", HTTP_ROUTE: "acme-edge", GRPC_ROUTE: "acme-grpc"}
    made = [
        min(version(body) for body in histories[kind].look() if get_str(body, "metadata", "name") == name)
        for kind, name in names.items()
    ]
    assert made == sorted(made)
    assert refused(cluster, at.operator, since) == []
    assert edge_status(at)["kind"] == "Gateway"

    for kind, name in ((HTTP_ROUTE, "acme-edge"), (GRPC_ROUTE, "acme-grpc")):
        answer(api, namespace, kind, name, accepted=False)
    until(lambda: told(at, "RouteNotAccepted"), "a refusal")
    assert "the listener lets no route" in get_str(finding_of(at, "HTTPRoute"), "message")
    answer(api, namespace, HTTP_ROUTE, "acme-edge")
    until(lambda: not told(at, "RouteNotAccepted"), "one that carries both")
    at.rest()
    assert at.writes(cluster.audit_position()) == []

    was = uid(api, HTTP_ROUTE, namespace, "acme-edge"), uid(api, GRPC_ROUTE, namespace, "acme-grpc")
    api.delete(HTTP_ROUTE, namespace, "acme-edge")
    until(lambda: uid(api, GRPC_ROUTE, namespace, "acme-grpc") not in ("", was[1]), "the younger one")
    assert uid(api, HTTP_ROUTE, namespace, "acme-edge") not in ("", was[0])
    assert version_of(api, HTTP_ROUTE, namespace, "acme-edge") < version_of(
        api, GRPC_ROUTE, namespace, "acme-grpc"
    )
    until(lambda: modification_of(at.body(), "HTTPRoute/acme-edge") != {}, "the deletion is told")
    assert modification_of(at.body(), "GRPCRoute/acme-grpc") == {}


def version_of(api: Api, kind: Kind, namespace: str, name: str) -> int:
    return version(api.get(kind, namespace, name))


def finding_of(at: Standing, route: str) -> Manifest:
    found = (item for item in get_list(at.body(), "status", "findings") if isinstance(item, dict))
    return next(item for item in found if f"{route}/" in get_str(item, "message"))


def test_what_others_lead_elsewhere_is_undone(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    install_edge(cluster)
    at = stand_with(cluster, make_namespace(labels=SIMULATED), run_operator, GATEWAY)
    at.rest()
    elsewhere: Manifest = {"spec": {"rules": [{"backendRefs": [{"name": "acme-server", "port": 8080}]}]}}
    at.api.patch(HTTP_ROUTE, at.namespace, "acme-edge", elsewhere, manager="mallory")
    until(lambda: modification_of(at.body(), "HTTPRoute/acme-edge") != {}, "it is told")

    def backend() -> str:
        (rule,) = get_list(at.api.get(HTTP_ROUTE, at.namespace, "acme-edge"), "spec", "rules")
        return get_str(get_list(rule, "backendRefs")[0], "name")

    until(lambda: backend() == "acme-limiter", "the repair")
    assert modification_of(at.body(), "HTTPRoute/acme-edge")["manager"] == "mallory"
    at.api.delete(INSTANCE, at.namespace, "acme")
    routes = ((HTTP_ROUTE, "acme-edge"), (GRPC_ROUTE, "acme-grpc"))
    until(
        lambda: not any(at.api.find(kind, at.namespace, name) for kind, name in routes),
        "they go with the instance",
        seconds=60,
    )


def test_an_ingress_its_address_and_its_certificate_are_told(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    at = stand_with(cluster, namespace, run_operator, ingress())
    until(lambda: told(at, "CertificateMissing"), "a Secret that is not there")
    assert get_str(finding(at.body(), "CertificateMissing"), "message") == "Secret login-tls does not exist"
    api.create(tls_secret(namespace, "login-tls", days=90, host="other.example"))
    until(lambda: told(at, "CertificateMismatch") and not told(at, "CertificateMissing"), "another name")
    api.delete(SECRET, namespace, "login-tls")
    api.create(tls_secret(namespace, "login-tls", days=90))
    until(lambda: not any(told(at, f"Certificate{how}") for how in ("Missing", "Mismatch")), "a good one")
    assert edge_status(at)["kind"] == "Ingress"
    api.delete(SECRET, namespace, "login-tls")
    api.create(tls_secret(namespace, "login-tls", days=3))
    until(lambda: told(at, "CertificateExpiring"), "one that ends")
    ends = str(edge_status(at)["certificateNotAfter"])
    assert finding(at.body(), "CertificateExpiring")["deadline"] == ends
    assert ends in get_str(finding(at.body(), "CertificateExpiring"), "message")
    _, page = at.operator.http("/metrics")
    assert f'certificate_not_after_timestamp_seconds{{name="acme",namespace="{namespace}"}}' in page
    assert "PRIVATE KEY" not in str(at.body())

    reached: Manifest = {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    status(api, namespace, INGRESS, "acme-edge", reached)
    until(lambda: edge_status(at).get("address") == "203.0.113.7", "the address")


@pytest.mark.parametrize(
    ("edge", "made"),
    [
        (ingress(), [(INGRESS, "acme-edge")]),
        (
            {**GATEWAY, "tls": ISSUED},
            [(GRPC_ROUTE, "acme-grpc"), (CERTIFICATE, "acme-edge"), (HTTP_ROUTE, "acme-edge")],
        ),
    ],
    ids=["ingress", "gateway"],
)
def test_what_lost_its_label_is_found_and_goes_with_its_way_in(
    cluster: Cluster,
    make_namespace: MakeNamespace,
    run_operator: RunOperator,
    edge: Manifest,
    made: list[tuple[Kind, str]],
) -> None:
    if "gateway" in edge:
        install_edge(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    api.create(tls_secret(namespace, "login-tls", days=90))
    at = stand_with(cluster, namespace, run_operator, edge)
    until(lambda: all(uid(api, kind, namespace, name) for kind, name in made), "all of it")
    at.rest()
    lost: Manifest = {"metadata": {"labels": {LABEL_MANAGED_BY: "other"}}}

    def label(kind: Kind, name: str) -> str:
        return get_str(api.get(kind, namespace, name), "metadata", "labels", LABEL_MANAGED_BY)

    for kind, name in made:
        was = uid(api, kind, namespace, name)
        api.patch(kind, namespace, name, lost, manager="mallory")
        until(partial(lambda kind, name: label(kind, name) == FIELD_MANAGER, kind, name), "its label")
        assert uid(api, kind, namespace, name) == was
    at.rest()
    none = dict.fromkeys(("ingress", "gateway", "tls", "clientAddress"))
    change(api, namespace, {"edge": {**none, "service": {}}})
    until(lambda: not any(uid(api, kind, namespace, name) for kind, name in made), "it is gone")
    wait_applied(api, namespace)
    assert edge_status(at)["kind"] == "Service"
    assert api.find(SECRET, namespace, "login-tls") is not None


def test_a_class_of_a_retired_controller_is_told(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    at = stand_with(cluster, namespace, run_operator, ingress(namespace))
    assert not told(at, "IngressControllerRetired")
    of_class: Manifest = {
        "apiVersion": INGRESS_CLASS.api_version,
        "kind": INGRESS_CLASS.kind,
        "metadata": {"name": namespace},
        "spec": {"controller": "k8s.io/ingress-nginx"},
    }
    api.create(of_class)
    try:
        until(lambda: told(at, "IngressControllerRetired"), "a retired controller")
        assert api.find(INGRESS, namespace, "acme-edge") is not None
    finally:
        api.delete(INGRESS_CLASS, "", namespace)
    until(lambda: not told(at, "IngressControllerRetired"), "another one")


def test_the_certificate_comes_before_the_limiter_and_the_load_balancer_after_it(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    install_edge(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    kinds = (CERTIFICATE, STATEFUL_SET, SERVICE)
    histories = {kind: History.of(api, kind, namespace) for kind in kinds}
    operator = run_operator(namespace, watch=(namespace,), extra=AGENT)
    create_with(api, namespace, load_balancer())
    at = Standing(cluster, namespace, operator)
    until(lambda: uid(api, CERTIFICATE, namespace, "acme-edge") != "", "the certificate")
    until(lambda: told(at, "CertificateMissing"), "what it waits for")
    denied: Manifest = {
        "type": "Ready",
        "status": "False",
        "reason": "DoesNotExist",
        "message": "Issuing certificate as Secret does not exist",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    status(api, namespace, CERTIFICATE, "acme-edge", {"conditions": [denied]})
    until(
        lambda: "cert-manager: DoesNotExist" in get_str(finding(at.body(), "CertificateMissing"), "message"),
        "cert-manager's word",
    )
    api.create(tls_secret(namespace, "acme-tls", days=90))
    until(lambda: not told(at, "CertificateMissing"), "the certificate")
    wait_applied(api, namespace)
    until(lambda: uid(api, SERVICE, namespace, "acme-edge") != "", "the load balancer")
    names = {CERTIFICATE: "acme-edge", STATEFUL_SET: "acme-limiter", SERVICE: "acme-edge"}
    made = [
        min(version(body) for body in histories[kind].look() if get_str(body, "metadata", "name") == name)
        for kind, name in names.items()
    ]
    assert made == sorted(made)
    reached: Manifest = {"loadBalancer": {"ingress": [{"hostname": "lb.example.test"}]}}
    status(api, namespace, SERVICE, "acme-edge", reached)
    until(lambda: edge_status(at).get("address") == "lb.example.test", "the address")
    at.rest()
    assert get_list(at.body(), "status", "modifications") == []
