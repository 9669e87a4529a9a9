"""Data location (D-1): is all that holds the instance's data inside its region, and if not, what is not?

What holds data is named: nodes, volumes, buckets, the targets that a bucket replicates to, copies. Before
data is placed, only what is known to be inside passes (`may_hold`). Of what stands already, what is outside
is an offender; what cannot be placed, or could not be asked, makes the judgement `Unknown`, never good.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dedicated.api.conditions import DATA_LOCATION_COMPLIANT, Condition
from dedicated.api.findings import Finding
from dedicated.api.instance import DataLocation, Infrastructure
from dedicated.contract.places import EVERYWHERE, Atlas
from dedicated.contract.responsibilities import Duty, responsible

Kind = Literal["Node", "Volume", "Bucket", "ReplicationTarget", "Copy", "KeyBundle"]
DUTIES: dict[Kind, Duty] = {
    "Node": "Compute",
    "Volume": "Compute",
    "Bucket": "Backup",
    "ReplicationTarget": "Backup",
    "Copy": "Backup",
    "KeyBundle": "Backup",
}
STORING = "Storing"
"""What waits for a place of backups to be as it must be: that the engine is told to store anything there."""
BLOCKS: dict[Kind, str] = {
    "Node": "Creation",
    "Volume": "Creation",
    "Bucket": STORING,
    "ReplicationTarget": STORING,
    "Copy": STORING,
    "KeyBundle": "",
}
SHOWN = 5
"""Offenders named in a condition's message; each has a finding of its own."""


class UnknownRegionError(ValueError):
    """A region of the contract that is not on the map."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that holds the instance's data.

    `place` as the map writes it, empty where it has no label; None: it could not be asked (access denied,
    not reachable), which is not the same as having none.
    """

    kind: Kind
    name: str
    place: str | None

    def __str__(self) -> str:
        where = "not readable" if self.place is None else self.place or "unlabelled"
        return f"{self.kind} {self.name} ({where})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Holdings outside the region, and those of which it is not known."""

    outside: tuple[Holding, ...]
    unplaced: tuple[Holding, ...]


def countries_of(location: DataLocation, atlas: Atlas) -> frozenset[str]:
    """The countries in which data may be. Raises UnknownRegionError for a region that is not on the map."""
    if location.countries is not None:
        return frozenset(location.countries)
    region = location.region or ""
    if region not in atlas.regions:
        known = ", ".join(sorted(atlas.regions))
        raise UnknownRegionError(f"region {region!r} is not known; known are {known}, or list countries")
    return atlas.regions[region]


def may_hold(place: str, *, allowed: frozenset[str], atlas: Atlas) -> bool:
    """Whether data may be placed there: only where every country of the place is known and allowed."""
    found = atlas.countries(place)
    return EVERYWHERE in allowed or (bool(found) and found <= allowed)


def judge(holdings: Iterable[Holding], *, allowed: frozenset[str], atlas: Atlas) -> Verdict:
    """What is not where it should be, by kind and name."""
    if EVERYWHERE in allowed:
        return Verdict((), ())
    outside: list[Holding] = []
    unplaced: list[Holding] = []
    for one in sorted(set(holdings), key=lambda one: (one.kind, one.name, one.place or "")):
        if one.place is not None and may_hold(one.place, allowed=allowed, atlas=atlas):
            continue
        known = one.place is not None and atlas.countries(one.place)
        (outside if known else unplaced).append(one)
    return Verdict(tuple(outside), tuple(unplaced))


def compliant(verdict: Verdict | None, *, allowed: frozenset[str]) -> Condition:
    """`DataLocationCompliant`. The verdict is None where the spec names no location."""
    kind, where = DATA_LOCATION_COMPLIANT, _region(allowed)
    if verdict is None:
        text = "spec.infrastructure.dataLocation names no region (D-1)"
        return Condition(kind, "Unknown", "NoRegion", text)
    if verdict.outside:
        text = f"outside {where}: {_listed(verdict.outside)}"
        return Condition(kind, "False", "OutsideRegion", text)
    if verdict.unplaced:
        text = f"not known to be inside {where}: {_listed(verdict.unplaced)}"
        return Condition(kind, "Unknown", "PlaceUnknown", text)
    return Condition(kind, "True", "InsideRegion", f"all inside {where}")


def findings(
    verdict: Verdict, *, infrastructure: Infrastructure, allowed: frozenset[str]
) -> tuple[Finding, ...]:
    """A finding for each offender and for each that cannot be placed, with who must act."""
    told = (
        ("OutsideRegion", "is outside", verdict.outside),
        ("PlaceUnknown", "is not known to be inside", verdict.unplaced),
    )
    return tuple(
        Finding(
            code=code,
            responsible=responsible(DUTIES[one.kind], infrastructure),
            message=f"{one} {words} {_region(allowed)} (D-1)",
            action=_remedy(one, known=code == "OutsideRegion"),
            blocks=BLOCKS[one.kind],
        )
        for code, words, holdings in told
        for one in holdings
    )


def _remedy(one: Holding, *, known: bool) -> str:
    if known:
        moved = {
            "Node": "keep the instance off this node",
            "ReplicationTarget": "end the replication",
        }
        return f"{moved.get(one.kind, 'move it')}, and delete the data that is there"
    if one.place is None:
        return "let the operator read where it is"
    if not one.place:
        return "label it with its region"
    return f"add {one.place} and its country to the operator's map of places"


def _region(allowed: frozenset[str]) -> str:
    return "every country" if EVERYWHERE in allowed else ", ".join(sorted(allowed))


def _listed(holdings: tuple[Holding, ...]) -> str:
    more = len(holdings) - SHOWN
    return ", ".join(map(str, holdings[:SHOWN])) + (f" and {more} more" if more > 0 else "")
