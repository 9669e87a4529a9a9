"""Ways in: what each is made of, what their controllers tell, and what a certificate says."""

from datetime import timedelta

import pytest

from api.edge_examples import EDGES, GATEWAY, INGRESS, LOAD_BALANCER, SERVICE
from builders import NOW, instance
from dedicated.api.edge import EdgeKind
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import EDGE_KINDS, KIND_BY_NAME, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.parts.edge import certificate, gateway
from dedicated.parts.edge.certificate import reading_of
from dedicated.parts.edge.entries import ENTRIES, entry_of, manifests, requirements, service_annotations
from dedicated.parts.edge.entry import Attachment, EntryState, Issuance, state_of, tls_secret
from dedicated.parts.edge.ingress import is_retired
from parts.chains import certificate as issued
from parts.chains import key_pem
from parts.upstream import refused, schema_of

LATER = (NOW + timedelta(days=90)).replace(microsecond=0)
PROJECTS = {"HTTPRoute": "gateway-api", "GRPCRoute": "gateway-api", "Certificate": "cert-manager"}


def standing(edge: Manifest) -> Instance:
    return instance(edge=edge)


def by_ref(edge: Manifest) -> dict[str, Manifest]:
    return {str(ref_of(item)): item for item in manifests(standing(edge))}


def backends(manifest: Manifest) -> list[JsonValue]:
    rules = get_list(manifest, "spec", "rules")
    return [backend for rule in rules for backend in get_list(rule, "backendRefs")]


def test_each_way_in_of_the_spec_is_an_entry() -> None:
    found: dict[str, EdgeKind] = {name: entry_of(standing(edge)).kind for name, edge in EDGES.items()}
    assert set(found.values()) == set(ENTRIES)
    assert {name: kind.lower() for name, kind in found.items()} == {name: name.lower() for name in EDGES}


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_every_object_is_the_instances_own_and_of_a_kind_that_is_watched(edge: Manifest) -> None:
    found = standing(edge)
    for item in (*manifests(found), *certificate.render(found)):
        assert get_list(item, "metadata", "ownerReferences")
        assert get_str(item, "metadata", "labels", "dedicated.zitadel.com/instance") == "acme"
        assert KIND_BY_NAME[get_str(item, "kind")] in EDGE_KINDS or get_str(item, "kind") == "Service"


@pytest.mark.parametrize("edge", [GATEWAY, {**GATEWAY, "tls": LOAD_BALANCER["tls"]}])
def test_upstream_takes_what_is_rendered(edge: Manifest) -> None:
    found = standing(edge)
    for item in (*manifests(found), *certificate.render(found)):
        kind = get_str(item, "kind")
        assert list(refused(item, schema_of(PROJECTS[kind], kind))) == []


def test_routes_lead_to_the_limiter_alone_and_both_to_the_same() -> None:
    http, grpc = by_ref(GATEWAY).values()
    assert backends(http) == backends(grpc) == [{"name": "acme-limiter", "port": 8080}]
    for route in (http, grpc):
        assert get_list(route, "spec", "hostnames") == ["login.acme.example"]
        assert get_list(route, "spec", "parentRefs") == [
            {"name": "public", "namespace": "gateways", "sectionName": "https"}
        ]


def test_the_route_for_http_is_first_by_its_name_too() -> None:
    found = standing(GATEWAY)
    assert gateway.http_ref(found).name < gateway.grpc_ref(found).name
    assert [str(gateway.http_ref(found)), str(gateway.grpc_ref(found))] == list(by_ref(GATEWAY))


def test_a_gateway_without_a_namespace_is_of_the_instances() -> None:
    found = by_ref({**GATEWAY, "gateway": {"parentRefs": [{"name": "public"}]}})
    for route in found.values():
        assert get_list(route, "spec", "parentRefs") == [{"name": "public", "namespace": "acme-ns"}]


def test_an_ingress_has_the_class_the_certificate_and_one_backend() -> None:
    (found,) = by_ref(INGRESS).values()
    assert get_map(found, "metadata", "annotations") == {"key": "value"}
    assert get_map(found, "spec") == {
        "ingressClassName": "traefik",
        "tls": [{"hosts": ["login.acme.example"], "secretName": "login-tls"}],
        "rules": [
            {
                "host": "login.acme.example",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "Prefix",
                            "backend": {"service": {"name": "acme-limiter", "port": {"name": "http"}}},
                        }
                    ]
                },
            }
        ],
    }


def test_the_limiters_service_carries_what_is_read_there() -> None:
    assert service_annotations(standing(INGRESS)) == {
        "traefik.ingress.kubernetes.io/service.serversscheme": "h2c"
    }
    assert service_annotations(standing(SERVICE)) == {"key": "value"}
    assert service_annotations(standing(GATEWAY)) == {}


def test_a_load_balancer_leads_to_the_limiters_pods() -> None:
    (found,) = by_ref(LOAD_BALANCER).values()
    spec = get_map(found, "spec")
    assert get_map(spec, "selector") == {
        "dedicated.zitadel.com/instance": "acme",
        "app.kubernetes.io/component": "limiter",
    }
    ports = [(get_map(port)["port"], get_map(port)["targetPort"]) for port in get_list(spec, "ports")]
    assert ports == [(443, 8443), (80, 8080)]
    assert (spec["loadBalancerClass"], spec["loadBalancerSourceRanges"]) == ("metallb", ["203.0.113.0/24"])


@pytest.mark.parametrize(("source", "policy"), [("Connection", "Local"), ("ProxyProtocol", "Cluster")])
def test_a_load_balancer_keeps_the_clients_address_where_nothing_else_tells_it(
    source: str, policy: str
) -> None:
    trusted: list[JsonValue] = [] if source == "Connection" else ["10.0.0.0/8"]
    edge: Manifest = {
        "loadBalancer": {},
        "tls": INGRESS["tls"],
        "clientAddress": {"from": source, "trusted": trusted},
    }
    (found,) = by_ref(edge).values()
    assert get_str(found, "spec", "externalTrafficPolicy") == policy
    assert not get_map(found, "spec").keys() & {"loadBalancerClass", "loadBalancerSourceRanges"}


def test_a_service_of_the_users_own_has_nothing_before_it() -> None:
    assert manifests(standing(SERVICE)) == ()
    assert requirements(standing(SERVICE)) == requirements(instance()) == ()


def test_a_certificate_is_asked_for_where_the_spec_does() -> None:
    assert certificate.render(standing(GATEWAY)) == ()
    (found,) = certificate.render(standing(LOAD_BALANCER))
    assert ref_of(found) == certificate.ref(standing(LOAD_BALANCER)) == Ref("Certificate", "acme-edge")
    spec = get_map(found, "spec")
    assert spec["secretName"] == tls_secret(standing(LOAD_BALANCER)) == "acme-tls"
    assert spec["dnsNames"] == ["login.acme.example"]
    assert spec["issuerRef"] == {"name": "ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert [item.code for item in requirements(standing(LOAD_BALANCER))] == ["CertManagerMissing"]


def test_without_a_certificate_no_secret_is_named() -> None:
    assert tls_secret(standing(SERVICE)) == tls_secret(instance()) == ""
    assert tls_secret(standing(GATEWAY)) == "login-tls"


def said(kind: str, status: str, generation: int = 2, **words: str) -> Manifest:
    return {"type": kind, "status": status, "observedGeneration": generation, **words}


def route(*conditions: JsonValue) -> Manifest:
    parent: Manifest = {"namespace": "gateways", "name": "public", "sectionName": "https"}
    item: Manifest = {"parentRef": parent, "controllerName": "x.io/y", "conditions": [*conditions]}
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "acme-edge", "generation": 2, "creationTimestamp": "2026-03-01T12:00:00Z"},
        "status": {"parents": [item]},
    }


def test_a_route_is_read_as_its_gateway_has_it() -> None:
    found = state_of(route(said("Accepted", "True"), said("ResolvedRefs", "True")))
    assert found == EntryState(
        Ref("HTTPRoute", "acme-edge"),
        (Attachment("gateways/public/https", "x.io/y", "True", "True"),),
        made=NOW,
    )


def test_what_is_wrong_is_told_in_the_gateways_words() -> None:
    unresolved = said("ResolvedRefs", "False", reason="RefNotPermitted", message="no")
    (found,) = state_of(route(said("Accepted", "True"), unresolved)).attachments
    assert (found.accepted, found.resolved, found.reason, found.message) == (
        "True", "False", "RefNotPermitted", "no",
    )


def test_what_was_said_of_an_older_generation_is_not_believed() -> None:
    (found,) = state_of(route(said("Accepted", "False", 1, reason="NoMatchingParent"))).attachments
    assert (found.accepted, found.reason) == ("Unknown", "")


@pytest.mark.parametrize("entry", [{"ip": "203.0.113.7"}, {"hostname": "lb.example"}])
def test_the_address_of_a_load_balancer_is_read(entry: Manifest) -> None:
    status: Manifest = {"loadBalancer": {"ingress": [entry]}}
    found = state_of({"kind": "Service", "metadata": {"name": "acme-edge"}, "status": status})
    assert found.address == next(iter(entry.values()))


def test_cert_managers_word_is_read() -> None:
    words: Manifest = {"type": "Ready", "status": "False", "reason": "DoesNotExist", "message": "issuing"}
    found = state_of({"kind": "Certificate", "metadata": {"name": "x"}, "status": {"conditions": [words]}})
    assert found.issuance == Issuance("False", "DoesNotExist", "issuing")
    assert state_of({"kind": "Certificate", "metadata": {"name": "x"}}).issuance is None


@pytest.mark.parametrize("broken", [{}, {"status": []}, {"status": {"parents": [1, {}], "loadBalancer": 7}}])
def test_an_odd_status_is_no_error(broken: Manifest) -> None:
    assert state_of({"kind": "HTTPRoute", "metadata": {"name": "x"}, **broken}).address == ""


@pytest.mark.parametrize(
    ("name", "controller", "retired"),
    [
        ("public", "k8s.io/ingress-nginx", True),
        ("nginx", "nginx.org/ingress-controller", False),
        ("nginx", None, True),
        ("traefik", None, False),
        ("traefik", "traefik.io/ingress-controller", False),
    ],
)
def test_a_retired_controller_is_known_by_its_class(name: str, controller: str | None, retired: bool) -> None:
    assert is_retired(name, controller) is retired


def test_a_chain_is_read_from_its_first_certificate() -> None:
    early = NOW + timedelta(days=3)
    pem = issued(LATER, "Login.acme.example", "*.acme.example") + issued(early, subject="intermediate")
    chain = reading_of("login-tls", {"tls.crt": pem, "tls.key": key_pem()}).chain
    assert chain is not None
    assert chain.names == ("login.acme.example", "*.acme.example")
    assert (chain.until, chain.behind_until, chain.not_after) == (LATER, early, early)


def test_a_root_that_has_run_out_is_left_aside() -> None:
    root = issued(NOW - timedelta(days=1), subject="root", issuer="root")
    chain = reading_of("login-tls", {"tls.crt": issued(LATER, "a.example") + root}).chain
    assert chain is not None
    assert (chain.behind_until, chain.not_after) == (None, LATER)


def test_a_self_signed_certificate_is_judged_by_its_own_date() -> None:
    chain = reading_of("login-tls", {"tls.crt": issued(LATER, subject="self", issuer="self")}).chain
    assert chain is not None
    assert (chain.names, chain.not_after) == ((), LATER)


NO_PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "does not exist"),
        ({}, "has no tls.crt"),
        ({"tls.crt": b""}, "has no tls.crt"),
        ({"tls.crt": b"hunter2"}, "has a tls.crt that is no certificate in PEM"),
        ({"tls.crt": NO_PEM}, "has a tls.crt that is no certificate in PEM"),
        ({"tls.crt": b"x" * 70_000}, "has a tls.crt of more than 65536 bytes"),
    ],
)
def test_what_cannot_be_read_is_said_without_its_content(
    data: dict[str, bytes] | None, problem: str
) -> None:
    found = reading_of("login-tls", data)
    assert (found.chain, found.problem) == (None, problem)
