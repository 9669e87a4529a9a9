"""The ways in with every field, their status, and counter-examples of the rules on them and rate limits."""

from dedicated.api.json import JsonValue, Manifest

TIME = "2026-01-31T12:00:00Z"
_BEHIND_PROXY: Manifest = {"from": "XForwardedFor", "trusted": ["10.0.0.0/8"], "hops": 1}
_OWN: Manifest = {"secretName": "login-tls"}
_ISSUED: Manifest = {
    "certificate": {"issuerRef": {"name": "ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}}
}
PARENT: Manifest = {"name": "public", "namespace": "gateways", "sectionName": "https"}
GATEWAY: Manifest = {"gateway": {"parentRefs": [PARENT]}, "tls": _OWN, "clientAddress": _BEHIND_PROXY}
INGRESS: Manifest = {
    "ingress": {"className": "traefik", "annotations": {"key": "value"}},
    "tls": _OWN,
    "clientAddress": _BEHIND_PROXY,
}
LOAD_BALANCER: Manifest = {
    "loadBalancer": {
        "class": "metallb",
        "annotations": {"key": "value"},
        "sourceRanges": ["203.0.113.0/24"],
    },
    "tls": _ISSUED,
    "hsts": {"maxAge": 300, "includeSubDomains": True},
    "clientAddress": {"from": "ProxyProtocol", "trusted": ["10.0.0.0/8", "fd00::/8"], "hops": 1},
}
SERVICE: Manifest = {
    "service": {"annotations": {"key": "value"}},
    "clientAddress": {"from": "Connection"},
}
EDGES: dict[str, Manifest] = {
    "gateway": GATEWAY,
    "ingress": INGRESS,
    "loadBalancer": LOAD_BALANCER,
    "service": SERVICE,
}
"""Each way in, with all that stands with it."""
RATE_LIMIT: Manifest = {
    "enforcement": "Embedded",
    "mode": "Shadow",
    "ipv6Prefix": 56,
    "addresses": 200_000,
}


def full_edge(path: tuple[str, ...]) -> Manifest:
    """The patch that has what is below a path of the schema; empty where that is below no way in."""
    if path[:2] != ("spec", "edge") or len(path) < 3:
        return {}
    if path[2] == "tls":
        return {"edge": LOAD_BALANCER if "certificate" in path else INGRESS}
    return {"edge": EDGES.get(path[2], LOAD_BALANCER)}


def _with(edge: Manifest, **changes: JsonValue) -> Manifest:
    return {"edge": {key: value for key, value in {**edge, **changes}.items() if value is not None}}


def _from(source: str, trusted: list[JsonValue], hops: int = 1) -> Manifest:
    return _with(SERVICE, clientAddress={"from": source, "trusted": trusted, "hops": hops})


EDGE_RULES: dict[str, tuple[Manifest, ...]] = {
    "spec.edge/rule/set exactly one of gateway, ingress, loadBalancer and service": (
        {"edge": {}},
        _with(SERVICE, loadBalancer={}),
        _with(INGRESS, gateway=GATEWAY["gateway"]),
    ),
    "spec.edge/rule/tls is required with ingress and loadBalancer: name the certificate of the domain": (
        _with(INGRESS, tls=None),
        _with(LOAD_BALANCER, tls=None),
    ),
    "spec.edge/rule/tls has no effect with service: what stands before it holds the certificate": (
        _with(SERVICE, tls=_OWN),
    ),
    "spec.edge/rule/clientAddress is required with gateway and ingress: every connection comes from the "
    "proxy, and all clients would share one budget": (
        _with(GATEWAY, clientAddress=None),
        _with(INGRESS, clientAddress={"from": "Connection"}),
    ),
    "spec.edge.tls/rule/set exactly one of secretName and certificate": (
        _with(INGRESS, tls={}),
        _with(INGRESS, tls={**_OWN, **_ISSUED}),
    ),
    "spec.edge.clientAddress/rule/trusted stands with from XForwardedFor and ProxyProtocol, and with no "
    "other: name the ranges of the proxies there, remove it elsewhere": (
        _with(SERVICE, clientAddress={"from": "XForwardedFor"}),
        _from("ProxyProtocol", []),
        _from("Connection", ["10.0.0.0/8"]),
    ),
    "spec.edge.clientAddress/rule/trusted must not hold every address: any client could then choose "
    "its own": (
        _from("XForwardedFor", ["0.0.0.0/0"]),
        _from("ProxyProtocol", ["10.0.0.0/8", "::/0"]),
    ),
    "spec.edge.clientAddress/rule/hops has no effect but with from XForwardedFor": (
        _from("ProxyProtocol", ["10.0.0.0/8"], hops=2),
        _from("Connection", [], hops=2),
    ),
    "spec/rule/edge must not be set with rateLimit.enforcement External: whoever enforces the limits brings "
    "the way in": ({"edge": SERVICE, "rateLimit": {"enforcement": "External"}},),
    "spec/rule/rateLimit has no effect without edge: the limiter stands in the way in that edge describes": (
        {"rateLimit": {}},
        {"rateLimit": {"mode": "Shadow"}},
    ),
}
"""Rule -> patches of the smallest spec, each of which breaks it."""

EDGE_STATUS: Manifest = {
    "kind": "Gateway",
    "address": "203.0.113.7",
    "certificateNotAfter": TIME,
}
_LIMITS: Manifest = {"limit": 606, "ban": 2727}
RATE_LIMIT_STATUS: Manifest = {
    "enforcement": "Embedded",
    "mode": "Enforce",
    "policyHash": "f163c3b931e46715",
    "limits": {"ui": _LIMITS, "api": _LIMITS},
    "overrides": 1,
    "nextChange": TIME,
    "replicas": [
        {"name": "acme-limiter-0", "observedHash": "f163c3b931e46715", "phase": "Applied", "message": "m"}
    ],
    "lastProof": {
        "at": TIME,
        "passed": True,
        "replica": "acme-limiter-0",
        "detail": "d",
        "classes": [
            {"class": "ui", "admitted": 606, "firstRefused": 607, "bannedAt": 2728, "banSeconds": 60}
        ],
    },
    "observed": {
        "measuredAt": TIME,
        "requestsPerMinute": 100,
        "refusedPerMinute": [{"class": "ui", "limited": 1, "banned": 0}],
        "p50Milliseconds": 3,
        "p99Milliseconds": 20,
        "bans": 0,
        "tracked": 10,
        "room": 131_072,
    },
    "deviations": ["Shadow"],
}
