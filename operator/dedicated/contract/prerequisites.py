"""Prerequisites of the infrastructure (O-3, P-5): what must be there, judged from what is seen.

A failed check blocks the first installation and later only reports: it never stops a running instance.
So far: zones with schedulable nodes. Each check answers with figure found, figure needed, and who must act.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure
from dedicated.api.names import ZONE_LABEL
from dedicated.contract.responsibilities import responsible


@dataclass(frozen=True, slots=True)
class Node:
    """A node as far as the contract asks: its zone, and whether pods can go there now."""

    name: str
    zone: str
    schedulable: bool


def check_zones(
    nodes: Sequence[Node] | None, *, infrastructure: Infrastructure, needed: int
) -> tuple[Finding, ...]:
    """Zones with at least one schedulable node, against the zones in force. None: nodes may not be read."""
    party = responsible("Compute", infrastructure)
    if nodes is None:
        return (
            Finding(
                code="ZonesUnknown",
                responsible="Provider",
                message="the operator may not list nodes, so zones cannot be checked",
                action="grant get, list and watch on nodes (chart value rbac.nodes)",
            ),
        )
    allowed = infrastructure.zones.names
    zones = zones_of(nodes, allowed=allowed)
    if len(zones) >= needed:
        return ()
    pinned = f" of those named ({', '.join(allowed)})" if allowed else ""
    return (
        Finding(
            code="TooFewZones",
            responsible=party,
            message=f"{len(zones)} zones{pinned} have a schedulable node ({', '.join(zones) or 'none'}), "
            f"{needed} are needed (P-5, S-2)",
            action=f"add nodes labelled {ZONE_LABEL}, or bring the missing zone back",
            blocks="Creation",
        ),
    )


def zones_of(nodes: Sequence[Node], *, allowed: Sequence[str] | None) -> list[str]:
    """Names of the zones that have a schedulable node, sorted; only those allowed, where any are named."""
    return sorted(
        {
            node.zone
            for node in nodes
            if node.schedulable and node.zone and (allowed is None or node.zone in allowed)
        }
    )
