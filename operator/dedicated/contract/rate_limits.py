"""The rate limits in force, as data: the published policy, and what records raise (RL-1 to RL-4).

A limit counts what is let through in 60 seconds, a ban what is offered in 180; each has a tolerance of 1 %
in the customer's favour. An entry holds for a range of addresses, and the longest prefix wins. A record only
ever raises: one that would give no more than a wider one has no entry, so that the longest prefix is also
the most generous.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from dedicated.api.json import Manifest
from dedicated.api.rate_limit import Mode, RateLimit
from dedicated.contract.facts import Fact
from dedicated.contract.raised_ranges import Grant, Problem, grants_in, most_generous, wake_at

Kind = Literal["ui", "api"]
"""Class of a request."""
WINDOW = 60
BAN_WINDOW = 180
BAN = 60
"""Seconds: of a limit's window, of a ban's window, and of a ban."""
TOLERANCE_PERCENT = 1
HASH_DIGITS = 16
_ESCAPE = re.compile(rb"%(..)?")
_HEX = re.compile(rb"[0-9a-fA-F]{2}")


@dataclass(frozen=True, slots=True)
class Threshold:
    """`limit` requests are let through in a window; a client that offers more than `ban` is banned."""

    limit: int
    ban: int

    def times(self, factor: int) -> "Threshold":
        """The threshold, raised."""
        return Threshold(self.limit * factor, self.ban * factor)

    def tolerant(self) -> "Threshold":
        """The threshold with the tolerance, rounded down."""
        return Threshold(_tolerant(self.limit), _tolerant(self.ban))


def _tolerant(count: int) -> int:
    return count * (100 + TOLERANCE_PERCENT) // 100


PUBLISHED_UI = Threshold(600, 2700)
PUBLISHED_API = Threshold(3000, 9000)
UI = PUBLISHED_UI.tolerant()
API = PUBLISHED_API.tolerant()


@dataclass(frozen=True, slots=True)
class Entry:
    """What a range of addresses has instead; `record` says so, until before `until`.

    Of an exempt range the thresholds are the published ones: nothing is held against them.
    """

    range: str
    exempt: bool
    ui: Threshold
    api: Threshold
    record: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits; entries in order of their ranges."""

    ui: Threshold = UI
    api: Threshold = API
    entries: tuple[Entry, ...] = ()
    ipv6_prefix: int = 64
    mode: Mode = "Enforce"


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy now, the records that have no effect, and when the policy or these change next."""

    policy: Policy
    problems: tuple[Problem, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What holds for an address: `key` is the range that is counted as one client."""

    threshold: Threshold
    exempt: bool
    entry: Entry | None
    key: str


def policy_in_force(rate_limit: RateLimit | None, facts: Iterable[Fact], *, now: datetime) -> InForce:
    """The policy of a spec and the records, at an instant."""
    settings = rate_limit or RateLimit()
    grants, problems = grants_in(facts, ipv6_prefix=settings.ipv6_prefix)
    entries = tuple(_entry(grant) for grant in most_generous(grants, now=now))
    policy = Policy(entries=entries, ipv6_prefix=settings.ipv6_prefix, mode=settings.mode)
    shown = tuple(problem for problem in problems if problem.until > now)
    return InForce(policy, shown, wake_at(grants, problems, now=now))


def _entry(grant: Grant) -> Entry:
    factor = grant.factor or 1
    return Entry(
        str(grant.network),
        exempt=grant.factor is None,
        ui=UI.times(factor),
        api=API.times(factor),
        record=grant.record,
        until=grant.until,
    )


def canonical(policy: Policy) -> str:
    """The policy as the one text that the limiter's configuration is made from.

    Which record says so, and until when, is not in it: the same limits are the same text.
    """
    told: Manifest = {
        "window": WINDOW,
        "banWindow": BAN_WINDOW,
        "banSeconds": BAN,
        "ui": _told(policy.ui),
        "api": _told(policy.api),
        "ipv6Prefix": policy.ipv6_prefix,
        "mode": policy.mode,
        "entries": [
            {"range": entry.range, "exempt": True}
            if entry.exempt
            else {"range": entry.range, "ui": _told(entry.ui), "api": _told(entry.api)}
            for entry in policy.entries
        ],
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _told(threshold: Threshold) -> Manifest:
    return {"limit": threshold.limit, "ban": threshold.ban}


def policy_hash(policy: Policy) -> str:
    """What tells the policy from any other."""
    return sha256(canonical(policy).encode()).hexdigest()[:HASH_DIGITS]


def applied(policy: Policy, address: str, kind: Kind) -> Applied:
    """What holds for a client's address. Raises `ValueError` where the text is no address."""
    client = _plain(ip_address(address))
    held = [entry for entry in policy.entries if client in ip_network(entry.range)]
    entry = max(held, key=lambda one: ip_network(one.range).prefixlen, default=None)
    source = policy if entry is None else entry
    threshold = source.ui if kind == "ui" else source.api
    return Applied(threshold, entry is not None and entry.exempt, entry, str(_key(policy, client)))


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is written as IPv6 is an IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _key(policy: Policy, client: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    if isinstance(client, IPv4Address):
        return IPv4Network(client)
    return IPv6Network((client, policy.ipv6_prefix), strict=False)


def class_of(path: str) -> Kind | None:
    """The class of a request for a path, with or without a query; None: it is refused with 400.

    As the server reads it: escapes are undone once, and slashes made single. A path that walks up, or has an
    escape that means nothing, has no class.
    """
    raw = path.partition("?")[0].encode()
    if any(_HEX.fullmatch(escape[1] or b"") is None for escape in _ESCAPE.finditer(raw)):
        return None
    plain = re.sub(rb"/+", b"/", _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), raw))
    if b"\0" in plain or {b".", b".."} & set(plain.split(b"/")):
        return None
    return "ui" if plain.startswith(b"/ui/") else "api"
