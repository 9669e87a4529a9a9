"""Where the instance's data is, as one pass sees it (D-1): nodes, buckets, what they replicate to.

A node holds data when one of the instance's pods runs on it. Before the installation so does each node that
may become one: ready, and in the zones that may be used; so a zone outside is found before the first pod is
there. Later a node without our pods is none of our business. A volume counts with the node of its pod: the
zonal disks of all clouds are in their node's region. Not seen: a file server elsewhere behind a volume, and
snapshots that a storage class sends away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dedicated.api.backup import Backup
from dedicated.api.conditions import DATA_LOCATION_COMPLIANT, Condition
from dedicated.api.findings import Finding
from dedicated.api.instance import Infrastructure
from dedicated.api.key_bundle import KeyBundle
from dedicated.api.store import Store
from dedicated.contract import residency
from dedicated.contract.places import Atlas, place_of_bucket
from dedicated.contract.recovery.store import holdings
from dedicated.contract.residency import Holding, UnknownRegionError
from dedicated.contract.responsibilities import responsible
from dedicated.reconcile.observed import Observed


@dataclass(frozen=True, slots=True)
class Located:
    """The condition, and what is to be said. `allowed` are countries; None where no location is known."""

    condition: Condition
    findings: tuple[Finding, ...] = ()
    allowed: frozenset[str] | None = None


def locate(
    infrastructure: Infrastructure,
    observed: Observed,
    *,
    installed: bool,
    backup: Backup | None = None,
    stores: Sequence[Store] = (),
    bundle: KeyBundle | None = None,
    now: datetime,
) -> Located:
    """Judge one snapshot. `stores` are the recovery agent's readings, old ones included."""
    if infrastructure.data_location is None:
        return Located(residency.compliant(None, allowed=frozenset()))
    try:
        allowed = residency.countries_of(infrastructure.data_location, observed.atlas)
    except UnknownRegionError as error:
        return _unknown(str(error), infrastructure)
    held = [*_nodes(infrastructure, observed, installed=installed)]
    if backup is not None:
        held += holdings(backup, stores, now=now)
    if bundle is not None:
        where = bundle.repository
        held.append(Holding("KeyBundle", where.bucket, place_of_bucket(where.endpoint, where.region)))
    verdict = residency.judge(held, allowed=allowed, atlas=observed.atlas)
    return Located(
        residency.compliant(verdict, allowed=allowed),
        residency.findings(verdict, infrastructure=infrastructure, allowed=allowed),
        allowed,
    )


def declared(
    infrastructure: Infrastructure,
    backup: Backup | None,
    *,
    bundle: KeyBundle | None = None,
    atlas: Atlas,
) -> tuple[Finding, ...]:
    """What can be said of a spec alone, before there is anything."""
    nothing = Observed(nodes=(), atlas=atlas)
    return locate(
        infrastructure,
        nothing,
        installed=False,
        backup=backup,
        bundle=bundle,
        now=datetime.max.replace(tzinfo=UTC),
    ).findings


def _nodes(infrastructure: Infrastructure, observed: Observed, *, installed: bool) -> Iterator[Holding]:
    if observed.nodes is None:
        yield Holding("Node", "any", None)
        return
    used = {pod.node for pod in observed.pods if not pod.finished}
    zones = infrastructure.zones.names
    for node in observed.nodes:
        may_be_used = not installed and node.schedulable and (zones is None or node.zone in zones)
        if node.name in used or may_be_used:
            yield Holding("Node", node.name, node.place)


def _unknown(text: str, infrastructure: Infrastructure) -> Located:
    finding = Finding(
        code="RegionUnknown",
        responsible=responsible("Spec", infrastructure),
        message=f"spec.infrastructure.dataLocation: {text} (D-1)",
        action="correct it, or let the provider add the region to the operator's map of places",
        blocks="Creation",
    )
    return Located(Condition(DATA_LOCATION_COMPLIANT, "Unknown", finding.code, text), (finding,))
