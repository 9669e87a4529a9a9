"""Who asks, and for what: the client's true address, the class of the path, and the backend of it.

The path is read as the server reads it (`contract.rate_limits.class_of`): escapes undone once, slashes made
single. That costs, so that only a path with something odd in it is; one that walks up is refused with 400.
"""

from dedicated.contract.rate_limits import Policy
from dedicated.parts.limiter.maps import EXEMPT, NEARBY, TRUSTED
from dedicated.parts.limiter.site import HTTP_PORT, HTTPS_PORT, PROBE_PORT, Site
from dedicated.parts.limiter.window import DIE, LOGGED

LOGIN = "/ui/v2/login"
BAD_ESCAPE = "%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)"
IS_ODD = "{ var(txn.p) -m found }"
IS_LOGGED = f"{{ var(txn.die) -m int {LOGGED} }}"


def frontends(policy: Policy, site: Site) -> list[str]:
    """All that clients, and the agent's probes, come in by."""
    return [
        *(_redirect(site) if site.tls else []),
        *_edge(policy, site),
        *_probe(policy, site),
    ]


def _edge(policy: Policy, site: Site) -> list[str]:
    return [
        "frontend edge",
        f"    {_bind(site)}",
        *_indented(_logged(site)),
        *_indented(_source(site)),
        *_indented(_client(policy)),
        f"    http-request set-log-level silent if !{IS_LOGGED}",
        f"    http-request set-var(txn.near) bool(true) if {IS_LOGGED} {{ src -f {NEARBY} }}",
        *_indented(_classes()),
        *_indented(_key()),
        f"    http-after-response set-header strict-transport-security {_hsts(site)}",
        f"    use_backend login if {{ path {LOGIN} }} or {{ path -m beg {LOGIN}/ }}",
        "    use_backend ui if ui",
        "    default_backend api",
    ]


def _bind(site: Site) -> str:
    if not site.tls:
        return f"bind {site.address}:{HTTP_PORT}"
    crt = f"{site.directories.tls}/tls.crt"
    return f"bind {site.address}:{HTTPS_PORT} ssl crt {crt} alpn h2,http/1.1 ssl-min-ver TLSv1.2"


def _logged(site: Site) -> list[str]:
    """Status, milliseconds, backend, and whether no client should come from there: of one in `DIE` requests."""
    return [
        f"log {site.directories.run}/log.sock format raw local0",
        'log-format "%ST %Ta %b %[var(txn.near)]"',
        "option dontlognull",
    ]


def _source(site: Site) -> list[str]:
    """Take the address from the proxy before, if it is trusted.

    A trusted proxy's list may be shorter than the hops: then the first of it is as far as can be believed.
    """
    match site.client_address.from_:
        case "ProxyProtocol":
            return [f"tcp-request connection expect-proxy layer4 if {{ src -f {TRUSTED} }}"]
        case "XForwardedFor":
            return [
                f"http-request set-var(txn.via) bool(true) if {{ src -f {TRUSTED} }}",
                *(
                    f"http-request set-src req.hdr_ip(x-forwarded-for,-{hop}) if {{ var(txn.via) -m found }}"
                    for hop in range(1, site.client_address.hops + 1)
                ),
            ]
        case "Connection":
            return []


def _client(policy: Policy) -> list[str]:
    """`txn.real`: the client's address, `txn.v6`: it is an IPv6 one, `txn.k`: what is counted as one client."""
    return [
        "http-request set-src src,regsub(^::ffff:,) if { src,ipmask(32,96) ::ffff:0:0 }",
        "http-request set-var(txn.real) src",
        "http-request set-var(txn.v6) bool(true) if { src,ipmask(32,0) :: }",
        f"http-request set-var(txn.k) src,ipmask(32,{policy.ipv6_prefix}) if !{{ src -f {EXEMPT} }}",
        f"http-request set-var(txn.die) rand({DIE})",
    ]


def _classes() -> list[str]:
    return [
        "http-request set-var(txn.p) path,url_dec,regsub(/+,/,g) if { path -m sub % // /. }",
        f"http-request deny deny_status 400 if {IS_ODD} {{ path -m reg {BAD_ESCAPE} }}",
        f"http-request deny deny_status 400 if {IS_ODD} {{ var(txn.p) -m sub /../ /./ }}",
        f"http-request deny deny_status 400 if {IS_ODD} {{ var(txn.p) -m end /.. /. }}",
        "acl ui path -m beg /ui/",
        "acl ui var(txn.p) -m beg /ui/",
    ]


def _key() -> list[str]:
    return ["http-request set-src var(txn.k) if { var(txn.k) -m found }"]


def _hsts(site: Site) -> str:
    scope = "; includeSubDomains" if site.hsts.include_sub_domains else ""
    return f'"max-age={site.hsts.max_age}{scope}"'


def _redirect(site: Site) -> list[str]:
    return [
        "frontend redirect",
        f"    bind {site.address}:{HTTP_PORT}",
        "    http-request redirect scheme https code 308",
    ]


def _probe(policy: Policy, site: Site) -> list[str]:
    """For the agent in the same pod: it names the client by the PROXY protocol."""
    return [
        "frontend probe",
        f"    bind {site.address or '127.0.0.1'}:{PROBE_PORT} accept-proxy",
        *_indented(_client(policy)),
        *_indented(_classes()),
        *_indented(_key()),
        "    use_backend probe_ui if ui",
        "    default_backend probe_api",
    ]


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
