"""Routes of the Gateway API to the limiter: one for HTTP, one for gRPC, attached to Gateways of the user's.

A GRPCRoute tells those gateways that speak HTTP/1.1 to their backends that gRPC is not to be (NGINX). Where a
gateway holds that a name belongs to one kind of route alone (Gateway API, "cross serving"), the older one
wins: so the HTTP route, which carries gRPC over h2c as well, is made first and is first by its name.

Route and backend are in one namespace, so that no ReferenceGrant is needed. A Gateway in another namespace
has to let routes of this one attach (`allowedRoutes`), and needs a ReferenceGrant only where its listener
names a certificate's Secret here (docs/edge.md).
"""

from dedicated.api.edge import ParentRef
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import GRPC_ROUTE, HTTP_ROUTE, Kind, Ref
from dedicated.api.resource import Instance
from dedicated.parts.edge.entry import COMPONENT, Entry, Requirement, edge_of
from dedicated.parts.limiter.names import HTTP_PORT, limiter_name
from dedicated.parts.metadata import child

HTTP, GRPC = "edge", "grpc"
"""Suffixes of the routes' names, in the order in which a gateway prefers them."""


def http_ref(instance: Instance) -> Ref:
    """The route for HTTP."""
    return Ref(HTTP_ROUTE.kind, f"{instance.name}-{HTTP}")


def grpc_ref(instance: Instance) -> Ref:
    """The route for gRPC."""
    return Ref(GRPC_ROUTE.kind, f"{instance.name}-{GRPC}")


def render(instance: Instance) -> tuple[Manifest, ...]:
    """Both routes."""
    return (
        _route(HTTP_ROUTE, HTTP, instance, [{"path": {"type": "PathPrefix", "value": "/"}}]),
        _route(GRPC_ROUTE, GRPC, instance, []),
    )


def _route(kind: Kind, suffix: str, instance: Instance, matches: list[JsonValue]) -> Manifest:
    gateway = edge_of(instance).gateway
    backend: Manifest = {"name": limiter_name(instance.name), "port": HTTP_PORT}
    rule: Manifest = {"backendRefs": [backend], **({"matches": matches} if matches else {})}
    return {
        **child(kind, instance, suffix, COMPONENT),
        "spec": {
            "parentRefs": [_parent(ref, instance) for ref in gateway.parent_refs] if gateway else [],
            "hostnames": [instance.spec.domain],
            "rules": [rule],
        },
    }


def _parent(ref: ParentRef, instance: Instance) -> JsonValue:
    section: Manifest = {"sectionName": ref.section_name} if ref.section_name else {}
    return {"name": ref.name, "namespace": ref.namespace or instance.namespace, **section}


GATEWAY = Entry(
    kind="Gateway",
    render=render,
    requirement=Requirement(
        kinds=(HTTP_ROUTE, GRPC_ROUTE),
        code="GatewayApiMissing",
        install="install the Gateway API (standard channel, 1.1 or newer) and a gateway that implements it",
    ),
)
