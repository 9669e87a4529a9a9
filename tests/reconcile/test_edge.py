"""The way in, in one pass: what is made when, and what is said of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.edge_examples import EDGES, GATEWAY, INGRESS, LOAD_BALANCER, SERVICE
from builders import NOW, instance
from dedicated.api.findings import Finding
from dedicated.api.json import Manifest
from dedicated.api.objects import Ref, ref_of
from dedicated.api.probing import Entry
from dedicated.contract.certificate import CertificateReading, Chain
from dedicated.parts.edge import certificate, gateway
from dedicated.parts.edge.entry import Attachment, EdgeState, EntryState, Issuance
from dedicated.parts.limiter.names import service_ref
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.edge import NO_EDGE, Edge, judge, with_way
from dedicated.reconcile.observed import Child, Observed, ServiceReading

ZONE = "Europe/Zurich"
LIMITER = service_ref("acme")
OTHER = Ref("ConfigMap", "acme-config")
STANDING = instance(edge=GATEWAY)
HTTP, GRPC = gateway.http_ref(STANDING), gateway.grpc_ref(STANDING)
CERTIFICATE = certificate.ref(STANDING)
LATER = NOW + timedelta(days=90)
GOOD = CertificateReading("login-tls", Chain(("login.acme.example",), LATER))
BEFORE = Desired((), frozenset({OTHER}), frozenset(), "", complete=True)
PUBLIC = "gateways/public/https"
ACCEPTED = Attachment(PUBLIC, "x.io/y", "True", "True")
REFUSED = Attachment(PUBLIC, "x.io/y", "False", "True", "NotAllowedByListeners", "not from here")


def with_children(*refs: Ref, edge: EdgeState | None = None) -> Observed:
    children = {ref: Child(ref, f"uid-{ref}", "1") for ref in refs}
    return Observed(children=children, edge=edge or EdgeState())


def made(edge: Manifest, observed: Observed) -> Desired:
    return with_way(BEFORE, instance(edge=edge), observed)


def refs(desired: Desired) -> list[Ref]:
    return [ref_of(item) for item in desired.manifests]


def seen(edge: Manifest, state: EdgeState, observed: Observed | None = None) -> Edge:
    return judge(instance(edge=edge), replace(observed or Observed(), edge=state), zone=ZONE, now=NOW)


def codes(found: Edge) -> list[str]:
    return [finding.code for finding in found.findings]


def routes(http: tuple[Attachment, ...], grpc: tuple[Attachment, ...]) -> EdgeState:
    objects = {HTTP: EntryState(HTTP, http, made=NOW), GRPC: EntryState(GRPC, grpc, made=NOW)}
    return EdgeState(objects=objects, certificate=GOOD)


def test_without_a_way_in_nothing_is_made_and_nothing_is_said() -> None:
    assert with_way(BEFORE, instance(), with_children(LIMITER)) is BEFORE
    assert judge(instance(), Observed(), zone=ZONE, now=NOW) is NO_EDGE


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_nobody_is_led_to_a_limiter_that_does_not_stand(edge: Manifest) -> None:
    found = made(edge, with_children(HTTP))
    assert set(refs(found)) <= {CERTIFICATE}
    assert (found.waiting, found.complete) == ("", True)
    assert OTHER in found.untouched


def test_what_led_to_a_limiter_stays_while_that_is_made_anew() -> None:
    found = made(GATEWAY, with_children(HTTP, GRPC))
    assert found.untouched == {OTHER, HTTP, GRPC}


def test_the_certificate_comes_before_the_limiter_that_needs_it() -> None:
    assert refs(made(LOAD_BALANCER, with_children())) == [CERTIFICATE]
    assert refs(made(LOAD_BALANCER, with_children(LIMITER))) == [CERTIFICATE, Ref("Service", "acme-edge")]


def test_a_limiter_that_has_stood_is_led_to_while_its_service_is_away() -> None:
    observed = replace(with_children(), deleted={LIMITER: "uid"})
    assert refs(made(INGRESS, observed)) == [Ref("Ingress", "acme-edge")]


def test_the_route_for_grpc_is_the_younger_one() -> None:
    first = made(GATEWAY, with_children(LIMITER))
    assert (refs(first), first.replaced) == ([HTTP], frozenset({GRPC}))
    then = made(GATEWAY, with_children(LIMITER, HTTP))
    assert (refs(then), then.replaced) == ([HTTP, GRPC], frozenset())


def test_the_route_for_grpc_goes_where_that_for_http_is_made_anew() -> None:
    found = made(GATEWAY, with_children(LIMITER, GRPC))
    assert (refs(found), found.replaced) == ([HTTP], frozenset({GRPC}))


def test_kinds_that_are_missing_are_not_made_but_told() -> None:
    state = EdgeState(missing=frozenset({"HTTPRoute", "GRPCRoute", "Certificate"}))
    edge: Manifest = {**GATEWAY, "tls": LOAD_BALANCER["tls"]}
    assert refs(made(edge, with_children(LIMITER, edge=state))) == []
    found = seen(edge, state)
    assert codes(found) == ["GatewayApiMissing", "CertManagerMissing"]
    assert {finding.blocks for finding in found.findings} == {""}
    assert {finding.responsible for finding in found.findings} == {"Provider"}
    assert "httproutes, grpcroutes (gateway.networking.k8s.io)" in found.findings[0].message
    assert "goes on serving" in found.findings[0].message
    assert seen(INGRESS, state).findings == ()


def test_a_kind_alone_that_is_missing_holds_up_no_other() -> None:
    state = EdgeState(missing=frozenset({"GRPCRoute"}))
    assert refs(made(GATEWAY, with_children(LIMITER, HTTP, edge=state))) == [HTTP]


def test_routes_that_are_accepted_are_not_spoken_of() -> None:
    found = seen(GATEWAY, routes((ACCEPTED,), (ACCEPTED,)))
    assert (found.findings, found.status) == (
        (),
        {"kind": "Gateway", "certificateNotAfter": "2026-05-30T12:00:00Z"},
    )


def test_a_refused_route_is_told_in_the_gateways_words() -> None:
    found: tuple[Finding, ...] = seen(GATEWAY, routes((REFUSED,), (REFUSED,))).findings
    assert [finding.code for finding in found] == ["RouteNotAccepted"] * 2
    assert found[0].message == (
        f"Gateway {PUBLIC} does not accept HTTPRoute/acme-edge: NotAllowedByListeners: not from here"
    )


def test_a_backend_that_is_not_resolved_is_told() -> None:
    unresolved = Attachment(PUBLIC, "x.io/y", "True", "False", "BackendNotFound")
    found = seen(GATEWAY, routes((unresolved,), ()))
    assert codes(found) == ["RouteNotAccepted"]
    assert found.findings[0].message.endswith("HTTPRoute/acme-edge: BackendNotFound")


def test_a_route_for_grpc_is_not_missed_where_that_for_http_carries_it() -> None:
    assert seen(GATEWAY, routes((ACCEPTED,), (REFUSED,))).findings == ()
    elsewhere = replace(ACCEPTED, parent="gateways/other")
    assert codes(seen(GATEWAY, routes((elsewhere,), (REFUSED,)))) == ["RouteNotAccepted"]


def test_a_gateway_has_a_minute_to_take_up_a_route() -> None:
    def after(seconds: int) -> Edge:
        now = NOW + timedelta(seconds=seconds)
        return judge(STANDING, replace(Observed(), edge=routes((), ())), zone=ZONE, now=now)

    early, late = after(59), after(60)
    assert (codes(early), early.wake_at) == ([], NOW + timedelta(seconds=60))
    assert codes(late) == ["RouteNotAccepted"]
    assert "nobody answers for gateways/public" in late.findings[0].message


@pytest.mark.parametrize(
    ("name", "controllers", "told"),
    [
        ("public", {"public": "k8s.io/ingress-nginx"}, ["IngressControllerRetired"]),
        ("nginx", {}, ["IngressControllerRetired"]),
        ("nginx", {"nginx": "nginx.org/ingress-controller"}, []),
        ("traefik", {}, []),
    ],
)
def test_a_retired_controller_is_told(name: str, controllers: dict[str, str], told: list[str]) -> None:
    edge: Manifest = {**INGRESS, "ingress": {"className": name}}
    assert codes(seen(edge, EdgeState(certificate=GOOD, controllers=controllers))) == told


def test_a_certificate_is_the_domains_duty() -> None:
    gone = CertificateReading("login-tls", problem="does not exist")
    found = seen(INGRESS, EdgeState(certificate=gone))
    assert [(finding.code, finding.responsible) for finding in found.findings] == [
        ("CertificateMissing", "Customer")
    ]


def test_cert_manager_is_heard_while_it_has_not_issued() -> None:
    gone = CertificateReading("acme-tls", problem="does not exist")

    def told(issuance: Issuance) -> str:
        state = EntryState(CERTIFICATE, issuance=issuance)
        return seen(
            LOAD_BALANCER, EdgeState(objects={CERTIFICATE: state}, certificate=gone)
        ).findings[0].message

    assert told(Issuance("False", "DoesNotExist", "issuing")).endswith("cert-manager: DoesNotExist: issuing")
    assert "cert-manager" not in told(Issuance("True", "Ready", "fine"))


def test_the_status_changes_when_the_certificate_is_due() -> None:
    found = seen(INGRESS, EdgeState(certificate=GOOD))
    assert found.wake_at == LATER - timedelta(days=21)


@pytest.mark.parametrize("kind", ["Ingress", "Service"])
def test_the_address_is_told(kind: str) -> None:
    ref = Ref(kind, "acme-edge")
    state = EdgeState(objects={ref: EntryState(ref, address="203.0.113.7")})
    edge = INGRESS if kind == "Ingress" else LOAD_BALANCER
    assert (seen(edge, state).status or {})["address"] == "203.0.113.7"


def test_without_a_secret_the_date_is_that_of_what_is_served() -> None:
    served = Observed(service=ServiceReading(True, "", Entry(certificate_until=LATER)))
    found = seen(SERVICE, EdgeState(), served)
    assert found.status == {"kind": "Service", "certificateNotAfter": "2026-05-30T12:00:00Z"}
    assert seen(SERVICE, EdgeState()).status == {"kind": "Service"}
