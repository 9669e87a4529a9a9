"""Who asks, and for what: the client's true address, the class of the path, and the backend of it.

The path is read as the server reads it (`contract.rate_limits.class_of`): escapes undone once, slashes made
single. That costs, so that only a path with something odd in it is; one that walks up is refused with 400.
"""

from dedicated.contract.rate_limits import Policy
from dedicated.parts.limiter.maps import EXEMPT, NEARBY, TRUSTED
from dedicated.parts.limiter.rules import found, indented, put, source
from dedicated.parts.limiter.site import (
    HTTP_PORT,
    HTTPS_PORT,
    OF_CLIENTS,
    PROBE_PORT,
    REDIRECTED,
    Site,
)
from dedicated.parts.limiter.window import DIE, LOGGED

LOGIN = "/ui/v2/login"
BAD_ESCAPE = "%(00|[^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)"
IS_ODD = found("p")
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
        f"    maxconn {OF_CLIENTS}",
        *indented(_logged(site)),
        *indented(_proxied(site)),
        *indented(_forwarded(site)),
        *indented(_client(policy)),
        f"    http-request set-log-level silent if !{IS_LOGGED}",
        *indented([put("near", "bool(true)", f"{IS_LOGGED} {{ src -f {NEARBY} }}")]),
        *indented(_classes()),
        *indented(_key()),
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
    """Status, milliseconds, backend, and whether no client comes from there: of one in 16 requests."""
    return [
        f"log {site.directories.run}/log.sock format raw local0",
        'log-format "%ST %Ta %b %[var(txn.near)]"',
        "option dontlognull",
    ]


def _proxied(site: Site) -> list[str]:
    """Take the address from the connection's first bytes, if a trusted proxy sends them."""
    if site.client_address.from_ != "ProxyProtocol":
        return []
    return [f"tcp-request connection expect-proxy layer4 if {{ src -f {TRUSTED} }}"]


def _forwarded(site: Site) -> list[str]:
    """Take the address from a trusted proxy's list: the last but so many.

    The list may be shorter than the hops: then the first of it is as far as can be believed.
    """
    if site.client_address.from_ != "XForwardedFor":
        return []
    hops = range(1, site.client_address.hops + 1)
    return [
        put("via", "bool(true)", f"{{ src -f {TRUSTED} }}"),
        *(source(f"req.hdr_ip(x-forwarded-for,-{hop})", found("via")) for hop in hops),
    ]


def _client(policy: Policy) -> list[str]:
    """`txn.real`: the client's address, `txn.v6`: it is of IPv6, `txn.k`: what is counted as one client.

    A mask makes an IPv4 address of one that is written as IPv6.
    """
    return [
        put("real", "src,ipmask(32,128)"),
        put("v6", "bool(true)", "{ src,ipmask(32,0) :: }"),
        put("k", f"src,ipmask(32,{policy.ipv6_prefix})", f"!{{ src -f {EXEMPT} }}"),
        put("die", f"rand({DIE})"),
    ]


def _classes() -> list[str]:
    return [
        "http-request deny deny_status 405 if { method CONNECT TRACE }",
        "http-request deny deny_status 400 unless { req.hdr_cnt(host) 1 }",
        put("p", "path,url_dec,regsub(/+,/,g)", "{ path -m sub % // /. }"),
        f"http-request deny deny_status 400 if {{ path -m sub % }} {{ path -m reg {BAD_ESCAPE} }}",
        f"http-request deny deny_status 400 if {IS_ODD} {{ var(txn.p) -m sub /../ /./ }}",
        f"http-request deny deny_status 400 if {IS_ODD} {{ var(txn.p) -m end /.. /. }}",
        "acl ui path -m beg /ui/",
        "acl ui var(txn.p) -m beg /ui/",
    ]


def _key() -> list[str]:
    return [source("var(txn.k)", found("k"))]


def _hsts(site: Site) -> str:
    scope = "; includeSubDomains" if site.hsts.include_sub_domains else ""
    return f'"max-age={site.hsts.max_age}{scope}"'


def _redirect(site: Site) -> list[str]:
    return [
        "frontend redirect",
        f"    bind {site.address}:{HTTP_PORT}",
        f"    maxconn {REDIRECTED}",
        *indented(_proxied(site)),
        "    http-request redirect scheme https code 308",
    ]


def _probe(policy: Policy, site: Site) -> list[str]:
    """For the agent in the same pod: it names the client by the PROXY protocol."""
    return [
        "frontend probe",
        f"    bind {site.address or '127.0.0.1'}:{PROBE_PORT} accept-proxy",
        *indented(_client(policy)),
        *indented(_classes()),
        *indented(_key()),
        "    use_backend probe_ui if ui",
        "    default_backend probe_api",
    ]
