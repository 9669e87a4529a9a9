"""Where requests go, once they are counted: server and login, and the agent's probes to nowhere."""

from dedicated.contract.rate_limits import Kind, Policy
from dedicated.parts.limiter import refusals, window
from dedicated.parts.limiter.frontends import LOGIN
from dedicated.parts.limiter.maps import thresholds
from dedicated.parts.limiter.rules import answer, indented
from dedicated.parts.limiter.site import Backend, Site
from dedicated.parts.limiter.tables import KINDS

FORGED = (
    "forwarded",
    "x-zitadel-instance-host",
    "x-zitadel-public-host",
    "x-zitadel-forward-host",
    "x-real-ip",
    "x-rewrite-url",
    "upgrade",
    "connection",
)
FORGED_PREFIXES = ("x-forwarded-", "x-original-", "x-http-method", "x-middleware-")
"""Headers by which somebody outside could name another instance, origin, address or request.

The login sends its token to the host of `x-zitadel-forward-host`, and passes by its own checks for
`x-middleware-*`. A `connection` that asks for an upgrade would become an extended CONNECT in HTTP/2: a server
that knows none answers nothing, though many proxies send it with every request.
"""
RESOLVERS = "cluster"
CHECKED = 2
"""Seconds that a server has to answer a check."""
WATCHED = "check inter 1s fastinter 500ms fall 2 rise 1 tcp-ut 3s"
"""A server that hangs gets no request any more after 5.5 s at most. One that is gone without a word keeps
what it was asked for 3 s at most: its connections are closed then, not after the kernel's 15 minutes."""


def backends(policy: Policy, site: Site, replica: int) -> list[str]:
    """All of them."""
    return [
        *_traffic("ui", "ui", policy, site, replica),
        *_traffic("login", "ui", policy, site, replica),
        *_traffic("api", "api", policy, site, replica),
        *(line for kind in KINDS for line in _probe(kind, policy, site, replica)),
    ]


def _traffic(name: str, kind: Kind, policy: Policy, site: Site, replica: int) -> list[str]:
    floor = thresholds(policy, kind)
    refused = refusals.answers(kind, floor.limit) if policy.mode == "Enforce" else []
    rules = [
        *window.counting(kind, floor, replica=replica, replicas=site.replicas),
        *refusals.refusing(),
        *refusals.counted(kind),
        *refused,
        *(_hidden() if name == "api" else []),
        *_headers(),
        *_servers(name, site),
    ]
    return [f"backend {name}", *indented(rules)]


def _probe(kind: Kind, policy: Policy, site: Site, replica: int) -> list[str]:
    rules = [
        *window.counting(kind, thresholds(policy, kind), replica=replica, replicas=site.replicas),
        *refusals.refusing(),
        *refusals.probe_answers(kind),
    ]
    return [f"backend probe_{kind}", *indented(rules)]


def _hidden() -> list[str]:
    """What the server tells its own cluster only. Whether it is ready is asked by the public name (A-3)."""
    asked = "!{ path -m str /debug/ready }"
    return [
        answer("404", f"{{ {path} -m {match} }} {asked}")
        for path in ("path", "var(txn.p)")
        for match in ("str /debug /metrics", "beg /debug/ /metrics/")
    ]


def _headers() -> list[str]:
    return [
        *(f"http-request del-header {name}" for name in FORGED),
        *(f"http-request del-header {prefix} -m beg" for prefix in FORGED_PREFIXES),
        "http-request set-header x-forwarded-for %[var(txn.real)]",
        "http-request set-header x-forwarded-proto https",
        "http-request set-header x-forwarded-host %[req.fhdr(host)]",
    ]


def _servers(name: str, site: Site) -> list[str]:
    if name == "login":
        # HTTP/1.1 keeps an authority in the target: the host says it, and the login reads paths.
        target = "http-request set-uri %[pathq]"
        return [target, *_check(f"{LOGIN}/healthy", site), _pods("login", site.login, "")]
    return [
        "http-request set-timeout server 1h if { req.hdr(content-type) -m beg application/grpc }",
        *_check("/debug/ready", site),
        _pods("server", site.server, "proto h2 "),
    ]


def _check(path: str, site: Site) -> list[str]:
    """The host matters: servers answer for hosts they know, and HTTP/2 has none otherwise."""
    return [
        "option httpchk",
        f"timeout check {CHECKED}s",
        f"http-check send meth GET uri {path} hdr host {site.domain}",
        "http-check expect status 200",
    ]


def _pods(name: str, backend: Backend, protocol: str) -> str:
    """Pods by their headless Service; a reload knows those of before by the state that the agent saved."""
    checks = f"{protocol}{WATCHED}"
    if backend.host.replace(".", "").isdigit():
        return f"server {name}1 {backend.host}:{backend.port} {checks}"
    return (
        f"server-template {name} {backend.slots} {backend.host}:{backend.port} {checks}"
        f" resolvers {RESOLVERS} resolve-prefer ipv4 init-addr last,none"
    )


def resolvers() -> list[str]:
    """The cluster's name servers."""
    return [
        f"resolvers {RESOLVERS}",
        "    parse-resolv-conf",
        "    accepted_payload_size 8192",
        "    resolve_retries 3",
        "    timeout resolve 1s",
        "    timeout retry 1s",
        "    hold valid 2s",
        "    hold obsolete 5s",
    ]
