"""Ways past the limiter: what leads to server or login is one, and nothing else is."""

from typing import Any

import pytest

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import API_VERSION, KIND, LABEL_COMPONENT, LABEL_INSTANCE
from dedicated.api.objects import Key
from dedicated.contract.limits_sight import Way
from dedicated.parts.limiter.ways import instances_of, leads_of, ways_of

ACME = Key("acme-ns", "acme")
SERVER: Manifest = {LABEL_INSTANCE: "acme", LABEL_COMPONENT: "server"}
OWNED: list[JsonValue] = [{"apiVersion": API_VERSION, "kind": KIND, "name": "acme", "uid": "u"}]


def made(kind: str, spec: Manifest, *, namespace: str = "acme-ns", ours: bool = False) -> Manifest:
    metadata: Manifest = {"name": "x", "namespace": namespace}
    if ours:
        metadata["ownerReferences"] = OWNED
    return {"kind": kind, "metadata": metadata, "spec": spec}


def ways(*manifests: Manifest, of: Key = ACME) -> list[Way]:
    return list(ways_of(of, [found for one in manifests if (found := leads_of(one)) is not None]))


def service(selector: Manifest, **spec: JsonValue) -> Manifest:
    return made("Service", {"selector": selector, **spec})


def route(kind: str, **ref: JsonValue) -> Manifest:
    return made(kind, {"rules": [{"backendRefs": [ref]}]})


def ingress(name: str) -> Manifest:
    path: Manifest = {"backend": {"service": {"name": name, "port": {"number": 8080}}}}
    return made("Ingress", {"rules": [{"http": {"paths": [path]}}]})


def policy(rules: list[JsonValue], **selector: JsonValue) -> Manifest:
    return made("NetworkPolicy", {"podSelector": selector, "ingress": rules})


def port(number: Any, **more: JsonValue) -> JsonValue:
    return {"ports": [{"port": number, **more}]}


PAST: dict[str, tuple[Manifest, str]] = {
    "another Service of the server": (service(SERVER), "Service x (ClusterIP)"),
    "one that is open": (service(SERVER, type="NodePort"), "Service x (NodePort)"),
    "one of fewer labels": (service({LABEL_COMPONENT: "login"}), "Service x (ClusterIP)"),
    "one of a release": (
        service({**SERVER, "app.kubernetes.io/version": "v4.15.2"}),
        "Service x (ClusterIP)",
    ),
    "one with an address": (
        service(SERVER, externalIPs=["203.0.113.1"]),
        "Service x (ClusterIP with external addresses)",
    ),
    "one of ours that was opened": (
        made("Service", {"selector": SERVER, "type": "LoadBalancer"}, ours=True),
        "Service x (LoadBalancer)",
    ),
    "a name of it": (
        made("Service", {"type": "ExternalName", "externalName": "acme-server.acme-ns.svc.cluster.local"}),
        "Service x (ExternalName)",
    ),
    "an Ingress": (ingress("acme-server"), "Ingress x (leads there)"),
    "an Ingress by default": (
        made("Ingress", {"defaultBackend": {"service": {"name": "acme-login"}}}),
        "Ingress x (leads there)",
    ),
    "a route": (route("HTTPRoute", name="acme-server-pods"), "HTTPRoute x (leads there)"),
    "a route for gRPC": (route("GRPCRoute", name="acme-server"), "GRPCRoute x (leads there)"),
    "a route for TCP": (route("TCPRoute", name="acme-login-pods"), "TCPRoute x (leads there)"),
    "a mirror": (
        made("HTTPRoute", {"rules": [
            {"filters": [{"requestMirror": {"backendRef": {"name": "acme-server"}}}]}
        ]}),
        "HTTPRoute x (leads there)",
    ),
    "a route from elsewhere": (
        made(
            "HTTPRoute",
            {"rules": [{"backendRefs": [{"name": "acme-server", "namespace": "acme-ns"}]}]},
            namespace="gateways",
        ),
        "HTTPRoute gateways/x (leads there)",
    ),
    "a policy that lets in": (policy([{}]), "NetworkPolicy x (lets others in)"),
    "a policy for a port": (policy([port(8080)], matchLabels=SERVER), "NetworkPolicy x (lets others in)"),
    "a policy for many ports": (policy([port(1, endPort=9000)]), "NetworkPolicy x (lets others in)"),
    "a policy for a name": (policy([port("http")]), "NetworkPolicy x (lets others in)"),
    "a policy by an expression": (
        policy([{}], matchExpressions=[
            {"key": LABEL_COMPONENT, "operator": "In", "values": ["server", "db"]},
            {"key": "team", "operator": "DoesNotExist"},
        ]),
        "NetworkPolicy x (lets others in)",
    ),
}  # fmt: skip

BESIDE: dict[str, Manifest] = {
    "the Service of the server": made("Service", {"selector": SERVER}, ours=True),
    "a Service of something else": service({"app": "web"}),
    "a Service of another instance": service({**SERVER, LABEL_INSTANCE: "globex"}),
    "the limiter's": service({LABEL_INSTANCE: "acme", LABEL_COMPONENT: "limiter"}, type="LoadBalancer"),
    "a Service without a selector": made("Service", {}),
    "a name of something else": made("Service", {"type": "ExternalName", "externalName": "example.com"}),
    "an Ingress to the limiter": ingress("acme-limiter"),
    "a route to another instance": route("HTTPRoute", name="globex-server"),
    "a route to a namesake": route("HTTPRoute", name="acme-server", namespace="elsewhere"),
    "our policy": made("NetworkPolicy", {"podSelector": {}, "ingress": [{}]}, ours=True),
    "a policy that closes": policy([]),
    "a policy for another port": policy([port(9090), port(8080, protocol="UDP")]),
    "a policy of other pods": policy([{}], matchLabels={"app": "web"}),
    "a policy of all but the server": policy([{}], matchExpressions=[
        {"key": LABEL_COMPONENT, "operator": "NotIn", "values": ["server", "login"]}
    ]),
    "a policy elsewhere": made("NetworkPolicy", {"podSelector": {}, "ingress": [{}]}, namespace="other"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAST)
def test_what_leads_past_the_limiter_is_named(name: str) -> None:
    manifest, wanted = PAST[name]
    assert [str(way) for way in ways(manifest)] == [wanted]


@pytest.mark.parametrize("name", BESIDE)
def test_nothing_else_does(name: str) -> None:
    assert ways(BESIDE[name]) == []


def test_several_are_told_in_order() -> None:
    found = ways(route("TCPRoute", name="acme-server"), ingress("acme-server"), service(SERVER))
    assert [way.kind for way in found] == ["Ingress", "Service", "TCPRoute"]


def test_whose_services_a_route_names() -> None:
    manifest = made(
        "HTTPRoute",
        {
            "rules": [
                {"backendRefs": [{"name": "acme-server-pods"}, {"name": "globex-login", "namespace": "g"}]}
            ]
        },
    )
    leads = leads_of(manifest)
    assert leads is not None
    assert {*instances_of(leads)} == {ACME, Key("g", "globex")}
