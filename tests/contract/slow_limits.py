"""Rate limits in force by the contract's words alone, slowly: each address is asked by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal

from dedicated.contract.facts import Fact
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn

PUBLISHED = {"ui": (606, 2727), "api": (3030, 9090)}
"""Class -> limit and ban, with 1 % of tolerance."""
YEAR = timedelta(days=366)


@dataclass(frozen=True)
class Said:
    """What holds for an address: `times` the published limits; None: exempt."""

    times: int | None

    def threshold(self, kind: Literal["ui", "api"]) -> tuple[int, int]:
        limit, ban = PUBLISHED[kind]
        return limit * (self.times or 1), ban * (self.times or 1)


def said(facts: Iterable[Fact], address: str, *, ipv6_prefix: int, now: datetime) -> Said:
    """The most generous of all records that hold for an address at an instant."""
    told = list(facts)
    client = ip_address(address)
    best = Said(1)
    for fact in told:
        for text, times in raised(fact, now):
            if withdrawn(fact.name, told, now) or not usable(text, ipv6_prefix):
                continue
            if holds_in(client, text):
                best = max(best, Said(times), key=lambda one: (one.times is None, one.times or 0))
    return best


def raised(fact: Fact, now: datetime) -> list[tuple[str, int | None]]:
    """Range and factor of all that a record raises at an instant, whatever others say."""
    if isinstance(fact, Override):
        since = max(fact.at, fact.valid_from or fact.at)
        if since <= now < fact.valid_until and fact.valid_until <= since + YEAR:
            return [(fact.range, fact.factor)]
    if isinstance(fact, LoadTest) and fact.at <= fact.start - timedelta(days=14):
        return [(text, None) for text in fact.ranges if fact.start <= now < fact.end]
    return []


def withdrawn(name: str, facts: Iterable[Fact], now: datetime) -> bool:
    return any(
        isinstance(fact, OverrideWithdrawn) and fact.record == name and fact.at <= now for fact in facts
    )


def usable(text: str, ipv6_prefix: int) -> bool:
    """Whether a range is one: no bits behind the prefix, no IPv4 in IPv6, not everybody, no half client."""
    try:
        network = ip_network(text)
    except ValueError:
        return False
    if network.version == 4:
        return network.prefixlen >= 8
    mapped = int(network.network_address) >> 32 == 0xFFFF
    return not mapped and 16 <= network.prefixlen <= ipv6_prefix


def holds_in(client: IPv4Address | IPv6Address, text: str) -> bool:
    """Whether a range has a client, bit by bit."""
    network = ip_network(text)
    if network.version != client.version:
        return False
    behind = network.max_prefixlen - network.prefixlen
    return int(client) >> behind == int(network.network_address) >> behind
