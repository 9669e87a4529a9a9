"""Addresses that only the cluster knows, written into the files where these leave a place for them.

Peers do not ask for names again, so they are told the addresses of the replicas' Services, which stay. Ranges
that no client comes from are the pod's own neighbourhood: requests from there show that the way in hides the
clients.
"""

import asyncio
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from dedicated.parts.limiter.names import MOST_REPLICAS, replica_name
from dedicated.parts.limiter.site import CLUSTER_DOMAIN, NEAR, peer_address

RESOLVER = Path("/etc/resolv.conf")
USUAL_DOMAIN = "cluster.local"
NEIGHBOURS = {4: 16, 6: 64}
"""Prefix of the pod's own network that is taken for the cluster's."""
SECONDS = 10.0


class PlaceError(Exception):
    """An address could not be found; the text says whose."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a pod is: the addresses of the replicas' Services, by number; the domain; ranges of no client."""

    peers: Mapping[int, str]
    domain: str
    near: tuple[str, ...]


def filled(files: Mapping[str, str], places: Places) -> dict[str, str]:
    """The files with their places filled in."""
    words = {peer_address(number): _bracketed(text) for number, text in places.peers.items()}
    words |= {CLUSTER_DOMAIN: places.domain, NEAR: "\n".join(places.near)}
    pattern = re.compile("|".join(re.escape(word) for word in words))
    return {name: pattern.sub(lambda found: words[found[0]], text) for name, text in files.items()}


async def find(
    files: Mapping[str, str], *, instance: str, namespace: str, resolver: Path = RESOLVER
) -> Places:
    """The places that the files ask for. Raises PlaceError."""
    text = "".join(files.values())
    asked = [number for number in range(MOST_REPLICAS) if peer_address(number) in text]
    names = {number: f"{replica_name(instance, number)}.{namespace}.svc" for number in asked}
    peers = {number: await _address(name) for number, name in names.items()}
    domain = _domain(resolver) if CLUSTER_DOMAIN in text else USUAL_DOMAIN
    return Places(peers, domain, await _near() if NEAR in text else ())


async def _address(name: str) -> str:
    try:
        async with asyncio.timeout(SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (TimeoutError, OSError):
        raise PlaceError(f"the name {name} does not resolve") from None
    return str(found[0][4][0])


def _domain(resolver: Path) -> str:
    """The cluster's domain: pods search in `svc.` of it."""
    try:
        found = re.search(r"^search\b.*?\ssvc\.(\S+)", resolver.read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        return USUAL_DOMAIN
    return found[1] if found else USUAL_DOMAIN


async def _near() -> tuple[str, ...]:
    """The networks around the pod's own addresses."""
    try:
        async with asyncio.timeout(SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(socket.gethostname(), None)
    except (TimeoutError, OSError):
        return ()
    own = {ip_address(str(one[4][0]).partition("%")[0]) for one in found}
    networks = {ip_network((str(one), NEIGHBOURS[one.version]), strict=False) for one in own}
    return tuple(sorted(str(one) for one in networks))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
