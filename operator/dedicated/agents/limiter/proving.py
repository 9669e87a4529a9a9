"""The proof that the limits in force are the policy's: read back, counted, and looked up for every range.

Counted are the limits of everybody, from addresses that are nobody's. For a range with limits of its own the
running maps are asked, by an address at each of its ends: to count there would be to use up a client's
budget. What a policy says of an address is reckoned here, apart from the rules that make the maps.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from dedicated.agents.limiter.applying import Applier
from dedicated.agents.limiter.content import Content, Range, Told
from dedicated.contract.limiter_report import Bounds, ClassProof, Proof, Thresholds
from dedicated.parts.limiter.configuration import ANYBODY, HASH_VARIABLE
from dedicated.parts.limiter.maps import API_BAN, API_LIMIT, EXEMPT, UI_BAN, UI_LIMIT
from dedicated.probes import edge
from dedicated.probes.edge import HOSTS, Counted, EdgeError, Expected, Kind
from dedicated.probes.haproxy import Haproxy, HaproxyError

SHOWN = 3
RANGES = 500
"""Ranges looked up in one proof, the first and the last of them among these."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where proofs take their addresses from: a number for each proof, and random digits."""

    replica: int
    number: Callable[[], int]
    digits: Callable[[], int]

    def take(self, kind: Kind, policy: Told) -> str:
        """An address that was not used of late, and has the limits of everybody. Raises EdgeError."""
        for _ in range(HOSTS):
            found = edge.source_for(kind, replica=self.replica, number=self.number(), digits=self.digits())
            if not holding(policy, found).text:
                return found
        raise EdgeError("a range of the policy leaves no reserved address for a proof")


async def prove(
    applier: Applier,
    content: Content,
    files: Mapping[str, str],
    *,
    listener: tuple[str, int],
    source: Source,
    now: Callable[[], datetime],
) -> Proof:
    """Prove what is in force. `files` are those of the content, with their places filled in.

    Never raises: what does not answer is a proof that failed.
    """
    found: dict[Kind, Counted] = {"ui": Counted(), "api": Counted()}
    wrong: list[str] = []
    looked = 0
    try:
        wrong += [text async for text in _read_back(applier, content, files)]
        ranges = _some(content.policy.ranges)
        looked = len(ranges)
        for one in ranges:
            wrong += await _range(applier.process, one, content.policy)
        kinds: tuple[Kind, ...] = ("ui", "api")
        for kind in kinds:
            expected = _expected(content.policy, kind)
            address = source.take(kind, content.policy)
            found[kind] = await edge.count(listener, kind, address, expected=expected)
            wrong += edge.differences(kind, found[kind], expected)
    except (EdgeError, HaproxyError) as error:
        wrong.append(str(error))
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return Proof(
        at=now(),
        content=content.digest,
        passed=not wrong,
        detail="; ".join(wrong[:SHOWN]) + more,
        ui=_proof(found["ui"]),
        api=_proof(found["api"]),
        ranges=looked,
    )


async def thresholds(process: Haproxy) -> Thresholds:
    """What the running maps say of anybody."""
    names = (UI_LIMIT, UI_BAN, API_LIMIT, API_BAN)
    ui, ui_ban, api, api_ban = [await _looked_up(process, name, ANYBODY) for name in names]
    return Thresholds(Bounds(ui, ui_ban), Bounds(api, api_ban))


async def _read_back(applier: Applier, content: Content, files: Mapping[str, str]) -> AsyncIterator[str]:
    told = await applier.process.variable(HASH_VARIABLE)
    if told != content.policy.hash:
        yield f"the process tells policy {told or 'none'}, must be {content.policy.hash}"
    if name := await applier.differs(files):
        yield f"{name} in the process is not the file's"


async def _range(process: Haproxy, one: Range, policy: Told) -> list[str]:
    """What is wrong with a range, by its first and its last address."""
    network = ip_network(one.text)
    found = []
    for address in {str(network[0]), str(network[-1])}:
        right = holding(policy, address)
        exempt = await process.listed(EXEMPT, address)
        bounds = [await _looked_up(process, name, address) for name in (UI_LIMIT, UI_BAN, API_LIMIT, API_BAN)]
        limits = right.thresholds
        wanted = [limits.ui.limit, limits.ui.ban, limits.api.limit, limits.api.ban]
        if exempt != right.exempt or (not exempt and bounds != wanted):
            says = "is exempt" if exempt else "has limits " + "/".join(map(str, bounds))
            must = "be exempt" if right.exempt else "have " + "/".join(map(str, wanted))
            found.append(f"range {one.text} {says}, must {must}")
    return found[:1]


def holding(policy: Told, address: str) -> Range:
    """What holds for an address: the narrowest range with it, else what holds for everybody. A range that is
    exempt holds for all in it."""
    client = ip_address(address)
    inside = [one for one in policy.ranges if client in ip_network(one.text)]
    if exempt := [one for one in inside if one.exempt]:
        return exempt[0]
    everybody = Range("", exempt=False, thresholds=policy.thresholds)
    return max(inside, key=lambda one: ip_network(one.text).prefixlen, default=everybody)


def _some(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """All of them, or of very many a part that is spread over all."""
    step = -(-len(ranges) // RANGES) or 1
    return ranges[::step]


def _expected(policy: Told, kind: Kind) -> Expected:
    bounds = policy.thresholds.ui if kind == "ui" else policy.thresholds.api
    return Expected(bounds.limit, bounds.ban, policy.ban_seconds, policy.hash)


def _proof(counted: Counted) -> ClassProof:
    return ClassProof(counted.admitted, counted.first_refused, counted.banned_at, counted.ban_seconds)


async def _looked_up(process: Haproxy, name: str, address: str) -> int:
    text = await process.looked_up(name, address)
    return int(text) if text.isdigit() else 0
