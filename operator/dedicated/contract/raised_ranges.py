"""From records to the ranges of addresses that have higher limits, or none (RL-3, RL-4).

What a record says may be in a form that the API server cannot judge, or against the contract: such a record
has no effect, and is told by name with what is wrong and how to mend it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network

from dedicated.api.conditions import rfc3339
from dedicated.api.findings import Finding
from dedicated.api.recorded_limits import LONGEST_OVERRIDE
from dedicated.contract.facts import Fact
from dedicated.contract.raising import NOTICE, LoadTest, Override, OverrideWithdrawn

Network = IPv4Network | IPv6Network
WIDEST = {4: 8, 6: 16}
"""IP version -> the shortest prefix of a range: a wider one is everybody, and no exception."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that has no effect; `until` is until when that matters."""

    record: str
    field: str
    value: str
    reason: str
    fix: str
    until: datetime

    def finding(self) -> Finding:
        """The problem as the provider's to mend: they stated the record."""
        return Finding(
            code="RecordWithoutEffect",
            responsible="Provider",
            message=f"{self.record} has no effect: {self.field} {self.value}: {self.reason}",
            action=self.fix,
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """A network has `factor` times the limits, None: it is exempt; from `since` until before `until`."""

    network: Network
    factor: int | None
    record: str
    since: datetime
    until: datetime


def grants_in(facts: Iterable[Fact], *, ipv6_prefix: int) -> tuple[tuple[Grant, ...], tuple[Problem, ...]]:
    """What records ever raise, and the records that have no effect."""
    told = tuple(facts)
    ended = _withdrawals(told)
    grants: list[Grant] = []
    problems: list[Problem] = []
    for fact in told:
        match fact:
            case Override():
                found = _of_override(fact, ipv6_prefix)
            case LoadTest():
                found = _of_load_test(fact, ipv6_prefix)
            case _:
                continue
        end = ended.get(fact.name)
        for one in found:
            shown = one if end is None else replace(one, until=min(one.until, end))
            if isinstance(shown, Grant):
                grants.append(shown)
            else:
                problems.append(shown)
    return tuple(grants), tuple(problems)


def _withdrawals(facts: Iterable[Fact]) -> dict[str, datetime]:
    """Name of a record -> when it was first taken back."""
    found: dict[str, datetime] = {}
    for fact in facts:
        if isinstance(fact, OverrideWithdrawn):
            found[fact.record] = min(fact.at, found.get(fact.record, fact.at))
    return found


def _of_override(fact: Override, ipv6_prefix: int) -> list[Grant | Problem]:
    if fact.valid_until - fact.since > LONGEST_OVERRIDE:
        return [
            Problem(
                fact.name, "override.validUntil", rfc3339(fact.valid_until),
                reason=f"more than a year after {rfc3339(fact.since)}",
                fix="record another one that ends within a year (RL-3)",
                until=fact.valid_until,
            )
        ]  # fmt: skip
    found = _network(fact.range, ipv6_prefix)
    if isinstance(found, _Wrong):
        return [found.of(fact.name, "override.range", fact.range, fact.valid_until)]
    return [Grant(found, fact.factor, fact.name, fact.since, fact.valid_until)]


def _of_load_test(fact: LoadTest, ipv6_prefix: int) -> list[Grant | Problem]:
    if not fact.announced:
        return [
            Problem(
                fact.name, "loadTest.from", rfc3339(fact.start),
                reason=f"recorded at {rfc3339(fact.at)}, less than {NOTICE.days} days before",
                fix=f"it is void; agree on another time and record it {NOTICE.days} days before (RL-4)",
                until=fact.end,
            )
        ]  # fmt: skip
    found: list[Grant | Problem] = []
    for text in fact.ranges:
        network = _network(text, ipv6_prefix)
        if isinstance(network, _Wrong):
            found.append(network.of(fact.name, "loadTest.ranges", text, fact.end))
        else:
            found.append(Grant(network, None, fact.name, fact.start, fact.end))
    return found


@dataclass(frozen=True, slots=True)
class _Wrong:
    reason: str
    fix: str

    def of(self, record: str, field: str, value: str, until: datetime) -> Problem:
        return Problem(record, field, value, self.reason, self.fix, until)


def _network(text: str, ipv6_prefix: int) -> Network | _Wrong:
    """The range that a text names, or what is wrong with it."""
    fault = range_fault(text, ipv6_prefix=ipv6_prefix)
    return ip_network(text) if fault is None else _Wrong(*fault)


def range_fault(text: str, *, ipv6_prefix: int) -> tuple[str, str] | None:
    """Why a range cannot be raised, and what to do; None where it can."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return "not a range of addresses", "write CIDR notation, such as 203.0.113.0/24"
    if str(ip_interface(text).ip) != str(network.network_address):
        single = network.max_prefixlen
        address = ip_interface(text).ip
        return (
            f"{address} is one address of {network}",
            f"write {network} for all of it, or {address}/{single} for the one",
        )
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        return "IPv4 addresses written as IPv6", "write them as IPv4"
    if network.prefixlen < WIDEST[network.version]:
        widest = WIDEST[network.version]
        return f"wider than /{widest}", f"name ranges of /{widest} or narrower: each is an exception"
    if isinstance(network, IPv6Network) and network.prefixlen > ipv6_prefix:
        whole = network.supernet(new_prefix=ipv6_prefix)
        return f"addresses of one /{ipv6_prefix} are counted as one client", f"write {whole}"
    return None


def most_generous(grants: Iterable[Grant], *, now: datetime) -> tuple[Grant, ...]:
    """The grants in force, of which none gives less than a wider one, in order of their ranges.

    Of the same range the more generous one holds, and of equal ones that which ends last.
    """
    best: dict[Network, Grant] = {}
    for grant in grants:
        if grant.since <= now < grant.until:
            held = best.get(grant.network)
            if held is None or _weight(grant) > _weight(held):
                best[grant.network] = grant
    kept = [grant for grant in best.values() if not _covered(grant, best)]
    return tuple(sorted(kept, key=lambda grant: _place(grant.network)))


def _weight(grant: Grant) -> tuple[bool, int, datetime, str]:
    return (grant.factor is None, grant.factor or 0, grant.until, grant.record)


def _covered(grant: Grant, best: Mapping[Network, Grant]) -> bool:
    """Whether a wider range gives as much."""
    network = grant.network
    for prefix in range(WIDEST[network.version], network.prefixlen):
        wider = best.get(network.supernet(new_prefix=prefix))
        if wider is not None and _weight(wider)[:2] >= _weight(grant)[:2]:
            return True
    return False


def _place(network: Network) -> tuple[int, int, int]:
    return (network.version, int(network.network_address), network.prefixlen)


def wake_at(grants: Iterable[Grant], problems: Iterable[Problem], *, now: datetime) -> datetime | None:
    """When a grant begins or ends next, or a problem is over."""
    spans = [(grant.since, grant.until) for grant in grants if grant.since < grant.until]
    changes = [change for span in spans for change in span] + [problem.until for problem in problems]
    return min((change for change in changes if change > now), default=None)
