"""Policies and sites of all kinds, by a seed."""

from datetime import UTC, datetime
from ipaddress import ip_network
from random import Random

from dedicated.api.edge import ClientAddress, Hsts
from dedicated.contract.rate_limits import API, UI, Entry, Policy
from dedicated.parts.limiter.site import Backend, Directories, Site

UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


def policy(chance: Random) -> Policy:
    """A policy with up to 30 entries."""
    ranges = sorted({network(chance) for _ in range(chance.randint(0, 30))})
    return Policy(
        entries=tuple(entry(chance, one) for one in ranges),
        ipv6_prefix=chance.choice([48, 56, 60, 64]),
        mode=chance.choice(["Enforce", "Shadow"]),
    )


def network(chance: Random) -> str:
    """A range of either family."""
    if chance.random() < 0.6:
        return str(ip_network((chance.getrandbits(32), chance.randint(8, 32)), strict=False))
    return str(
        ip_network(((0x2001_0DB8 << 96) | chance.getrandbits(96), chance.randint(32, 128)), strict=False)
    )


def entry(chance: Random, range_: str) -> Entry:
    """What a record gave a range."""
    factor, exempt = chance.randint(2, 100), chance.random() < 0.2
    ui, api = (UI, API) if exempt else (UI.times(factor), API.times(factor))
    return Entry(range_, exempt=exempt, ui=ui, api=api, record="made", until=UNTIL)


def client_address(chance: Random) -> ClientAddress:
    """Whence the address comes."""
    source = chance.choice(["Connection", "XForwardedFor", "ProxyProtocol"])
    trusted = [] if source == "Connection" else sorted({network(chance) for _ in range(chance.randint(1, 5))})
    hops = chance.randint(1, 8) if source == "XForwardedFor" else 1
    return ClientAddress.model_validate({"from": source, "trusted": trusted, "hops": hops})


def site(chance: Random, directories: Directories) -> Site:
    """A site whose names are like an instance's."""
    name = chance.choice(["acme", "a", "a-very-long-name-of-an-instance-that-nobody-types"])
    replicas = chance.randint(1, 3)
    return Site(
        name=name,
        domain=chance.choice(["login.example.com", "x.test"]),
        server=Backend(f"{name}-server-pods.ns.svc.cluster.local", 8080, chance.randint(1, 32)),
        login=Backend(chance.choice([f"{name}-login-pods.ns.svc.cluster.local", "127.0.0.1"]), 3000),
        replicas=replicas,
        client_address=client_address(chance),
        hsts=Hsts(max_age=chance.choice([1, 31_536_000]), include_sub_domains=chance.random() < 0.5),
        tls=chance.random() < 0.5,
        peers_tls=chance.random() < 0.7,
        addresses=chance.choice([10_000, 131_072, 4_000_000]),
        threads=chance.randint(1, 2),
        directories=directories,
        peer_addresses=tuple(f"127.0.1.{number + 1}" for number in range(replicas)),
    )
