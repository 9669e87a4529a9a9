"""What the replicas count in, and share: stick tables, sent to each other by the peers protocol.

Peers send whole entries and the last writer wins, so that a counter belongs to one replica: it alone writes
it, and every replica reads the sum. In the other tables only presence matters.

Of a class, per replica: `adm` counts requests that were let through, for longer than marks live; `off` those
offered outside a ban, and is forgotten just before a ban ends: a clean slate. How many clients there are is
what `off` holds. Shared: `ban`, `mark` and `markban` (see `window`).
"""

from collections.abc import Iterator

from dedicated.contract.rate_limits import BAN, BAN_WINDOW, WINDOW, Kind
from dedicated.parts.limiter.site import PEER_PORT, Site, peer_address, replica_name

PEERS = "rl"
KINDS: tuple[Kind, ...] = ("ui", "api")
REFUSED = "refused"
"""Table of this replica alone: `ui_limited`, `ui_banned`, `api_limited`, `api_banned`; in Shadow too."""
TOP_PATHS = "toppaths"
"""Table of this replica alone: two segments of the paths of refused requests."""
ADMITTED_KEPT = "3577s"
"""Longer than a client stays away from one replica only, and no round time at which clients come back, since
replicas do not forget at the same instant. A full table forgets those first that were quiet longest."""
OFFERED_KEPT = f"{BAN * 1000 - 500}ms"
BANNED_SHARE = 4
"""One of so many tracked addresses may be banned at once."""
FEWEST_MARKS = 131_072
"""A busy client leaves many marks: room for those of about 10,000 requests a second."""
ENTRY_BYTES = 208
BASE_BYTES = 160 << 20
"""Of the process with all its connections."""


def admitted(kind: Kind, replica: int) -> str:
    """The table of the requests of a class that a replica let through."""
    return f"{PEERS}/adm_{kind}_r{replica}"


def offered(kind: Kind, replica: int) -> str:
    """The table of the requests of a class that a replica was offered outside a ban."""
    return f"{PEERS}/off_{kind}_r{replica}"


def banned(kind: Kind) -> str:
    """The table of bans."""
    return f"{PEERS}/ban_{kind}"


def marks(kind: Kind) -> str:
    """The table of marks of the limit's window."""
    return f"{PEERS}/mark_{kind}"


def ban_marks(kind: Kind) -> str:
    """The table of marks of the ban's window."""
    return f"{PEERS}/markban_{kind}"


def peers(site: Site, replica: int) -> list[str]:
    """The section of what is shared."""
    lines = [f"peers {PEERS}", f"    bind {site.address}:{PEER_PORT}{_tls(site)}"]
    if site.peers_tls:
        lines.append(f"    default-server{_tls(site)}")
    for other in range(site.replicas):
        name = replica_name(site, other)
        lines.append(
            f"    server {name}" + ("" if other == replica else f" {_address(site, other)}:{PEER_PORT}")
        )
    for name, size, expiry in _shared(site):
        lines.append(f"    table {name} type ipv6 size {size} expire {expiry} store gpc0")
    return lines


def _tls(site: Site) -> str:
    if not site.peers_tls:
        return ""
    files = site.directories.peers
    return f" ssl crt {files}/tls.crt ca-file {files}/ca.crt verify required ssl-min-ver TLSv1.2"


def _address(site: Site, replica: int) -> str:
    return site.peer_addresses[replica] if site.peer_addresses else peer_address(replica)


def _shared(site: Site) -> Iterator[tuple[str, int, str]]:
    size = site.addresses
    for kind in KINDS:
        for replica in range(site.replicas):
            yield f"adm_{kind}_r{replica}", size, ADMITTED_KEPT
            yield f"off_{kind}_r{replica}", size, OFFERED_KEPT
        yield f"ban_{kind}", size // BANNED_SHARE, f"{BAN}s"
        yield f"mark_{kind}", _room(2 * size), f"{WINDOW}s"
        yield f"markban_{kind}", _room(size), f"{BAN_WINDOW}s"


def _room(size: int) -> int:
    return max(FEWEST_MARKS, size)


def local() -> list[str]:
    """Tables that are not shared."""
    return [
        f"backend {REFUSED}",
        "    stick-table type string len 16 size 64 expire 7d store http_req_cnt,http_req_rate(60s)",
        f"backend {TOP_PATHS}",
        "    stick-table type string len 64 size 1k expire 1h store http_req_cnt,http_req_rate(60s)",
    ]


def memory_bytes(addresses: int, replicas: int) -> int:
    """The most memory of a replica: every table full, and as many connections as it takes."""
    counters = 2 * replicas * addresses + addresses // BANNED_SHARE
    entries = counters + _room(2 * addresses) + _room(addresses)
    return BASE_BYTES + len(KINDS) * entries * ENTRY_BYTES
