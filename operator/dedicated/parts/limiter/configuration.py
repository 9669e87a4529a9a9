"""The files of one replica. Pure and deterministic: the same policy and site are the same text.

A change of maps and lists is made in the running process; the hash of the policy is a variable of it. All
else is structure, and needs a reload.
"""

import json
from collections.abc import Mapping
from hashlib import sha256

from dedicated.contract.rate_limits import BAN, BAN_WINDOW, WINDOW, Kind, Policy, policy_hash
from dedicated.parts.limiter import tables
from dedicated.parts.limiter.backends import backends, resolvers
from dedicated.parts.limiter.frontends import frontends
from dedicated.parts.limiter.maps import run_time_files, thresholds
from dedicated.parts.limiter.site import CONNECTIONS, METRICS_PORT, Site, replica_name
from dedicated.parts.limiter.window import ban_map, limit_map

CONFIGURATION = "haproxy.cfg"
HASH_VARIABLE = "proc.policy_hash"
SERVER_STATE = "server-state"
NO_SERVERS = "1\n"
"""A state of servers that names none: HAProxy warns of a file that is not there, or empty."""
_STATE_WORDS = 7
ANYBODY = "203.0.113.1"
"""An address for documentation: nobody's, so that it has what everybody has."""
HEALTHY, READY = "/healthz", "/readyz"
"""The process serves; it has found a server, too. One that finds none is ready all the same in the end: it
says better than nobody that no server is."""
FINDING = 20
"""Seconds."""
UNAVAILABLE = '{"code":14,"message":"no server is ready"}'


def render(policy: Policy, site: Site, replica: int) -> dict[str, str]:
    """Name -> text of every file of a replica."""
    sections = (
        _global(policy, site, replica),
        _defaults(),
        resolvers(),
        tables.peers(site, replica),
        tables.local(),
        frontends(policy, site),
        backends(policy, site, replica),
        _metrics(policy, site, replica),
    )
    text = "\n\n".join("\n".join(lines) for lines in sections) + "\n"
    return {CONFIGURATION: text, **run_time_files(policy, site)}


def content_digest(files: Mapping[str, str]) -> str:
    """Of all files: what a replica reports to have in force."""
    return sha256(json.dumps(dict(sorted(files.items()))).encode()).hexdigest()[:16]


def structure(files: Mapping[str, str]) -> str:
    """Digest of what needs a reload: the configuration but for the hash of the policy."""
    lines = files[CONFIGURATION].splitlines()
    kept = (line for line in lines if f"set-var {HASH_VARIABLE} " not in line)
    return sha256("\n".join(kept).encode()).hexdigest()[:16]


def server_state(told: str) -> str:
    """What a new worker is to know of `show servers state`: only servers that are up.

    HAProxy warns of every other one, and a warning keeps it from starting.
    """
    lines = told.splitlines()
    return "".join(f"{line}\n" for line in lines if _is_up(line.split())) or NO_SERVERS


def _is_up(words: list[str]) -> bool:
    if len(words) < _STATE_WORDS:
        return bool(words)
    return words[0] == "#" or (words[4] != "-" and words[5:7] == ["2", "0"])


def run_time(files: Mapping[str, str]) -> dict[str, str]:
    """Maps and lists: what is changed in the running process."""
    return {name: text for name, text in files.items() if name != CONFIGURATION}


def _global(policy: Policy, site: Site, replica: int) -> list[str]:
    run = site.directories.run
    return [
        "global",
        "    default-path config",
        f"    localpeer {replica_name(site, replica)}",
        f"    stats socket {run}/admin.sock mode 600 level admin expose-fd listeners",
        f"    server-state-file {run}/{SERVER_STATE}",
        "    hard-stop-after 60s",
        f"    maxconn {CONNECTIONS}",
        f"    nbthread {site.threads}",
        "    ssl-load-extra-del-ext",
        "    tune.h2.max-concurrent-streams 250",
        "    set-var proc.started date",
        f"    set-var {HASH_VARIABLE} str({policy_hash(policy)})",
    ]


def _defaults() -> list[str]:
    return [
        "defaults",
        "    mode http",
        "    timeout connect 2s",
        "    timeout client 60s",
        "    timeout server 60s",
        "    timeout http-request 10s",
        "    timeout http-keep-alive 30s",
        "    option http-keep-alive",
        "    option redispatch 1",
        "    load-server-state-from-file global",
        f"    http-error status 503 content-type application/json string '{UNAVAILABLE}' hdr retry-after 5",
    ]


def _metrics(policy: Policy, site: Site, replica: int) -> list[str]:
    """HAProxy's own figures, and the thresholds as the very maps of the rules have them."""
    classes = ",".join(_told(kind, policy) for kind in tables.KINDS)
    told = (
        f'{{"policyHash":"%[var({HASH_VARIABLE})]","replica":{replica},"mode":"{policy.mode}",'
        f'"classes":[{classes}]}}'
    )
    young = f"{{ date,sub(proc.started) lt {FINDING} }}"
    return [
        "frontend metrics",
        f"    bind {site.address}:{METRICS_PORT}",
        f"    monitor-uri {HEALTHY}",
        f"    http-request return status 503 if {{ path {READY} }} {{ nbsrv(api) lt 1 }} {young}",
        f"    http-request return status 200 if {{ path {READY} }}",
        "    http-request use-service prometheus-exporter if { path /metrics }",
        (
            "    http-request return status 200 content-type application/json"
            f" lf-string '{told}' if {{ path /policy }}"
        ),
        "    http-request return status 404",
    ]


def _told(kind: Kind, policy: Policy) -> str:
    floor = thresholds(policy, kind)
    limit = f"%[str({ANYBODY}),map_ip_int({limit_map(kind)},{floor.limit})]"
    ban = f"%[str({ANYBODY}),map_ip_int({ban_map(kind)},{floor.ban})]"
    return (
        f'{{"name":"{kind}","limit":{limit},"window":{WINDOW},"ban":{ban},'
        f'"banWindow":{BAN_WINDOW},"banSeconds":{BAN}}}'
    )
