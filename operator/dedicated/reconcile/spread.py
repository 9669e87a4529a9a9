"""Where the instance's pods are ready, and whether the loss of any one zone would be survived (S-2)."""

from dedicated.api.conditions import FAILOVER_READY, HIGHLY_AVAILABLE, Condition, Status
from dedicated.api.json import JsonValue
from dedicated.api.resource import Instance
from dedicated.contract import availability
from dedicated.contract.availability import READY_ZONES, ZoneUse
from dedicated.contract.prerequisites import zones_of
from dedicated.parts import login, server
from dedicated.parts.database.engine import COMPONENT as DATABASE
from dedicated.parts.limiter.names import COMPONENT as LIMITER
from dedicated.parts.limiter.names import limiter_name
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.recovery import Recovery


def spread_over_zones(instance: Instance, observed: Observed) -> tuple[str, ...]:
    """The components that stand in several zones; the limiter once there is one."""
    limited = limiter_name(instance.name) in observed.stateful_sets
    return (server.COMPONENT, login.COMPONENT, *((LIMITER,) if limited else ()))


def zone_uses(observed: Observed, *components: str) -> tuple[ZoneUse, ...]:
    """Ready pods of each component by zone. Whether a database's servers follow their primary is told by the
    recovery agent: a pod that is ready proves nothing of it."""
    zone_of = {node.name: node.zone for node in observed.nodes or ()}
    counted: dict[str, dict[str, int]] = {component: {} for component in components}
    for pod in observed.pods:
        zone = zone_of.get(pod.node, "")
        if pod.component in counted and pod.ready and not pod.deleting and zone:
            counts = counted[pod.component]
            counts[zone] = counts.get(zone, 0) + 1
    return tuple(ZoneUse(component, counts) for component, counts in counted.items())


def zones_status(
    uses: tuple[ZoneUse, ...], observed: Observed, *, allowed: list[str] | None
) -> list[JsonValue]:
    """Ready pods by zone, of all zones that are the instance's or have pods of it."""
    names = set(zones_of(observed.nodes or (), allowed=allowed)) .union(*(use.ready for use in uses))
    return [
        {"name": name, **{use.workload: use.ready.get(name, 0) for use in uses}} for name in sorted(names)[:9]
    ]


def highly_available(
    observed: Observed, recovery: Recovery, uses: tuple[ZoneUse, ...], *, installed: bool
) -> Condition:
    """Whether the loss of any one zone would be survived now."""
    if observed.nodes is None:
        return Condition(HIGHLY_AVAILABLE, "Unknown", "ZonesUnknown", "the operator may not list nodes")
    if not installed:
        return Condition(HIGHLY_AVAILABLE, "Unknown", "NotInstalled", "the server is not installed yet")
    survives, figures = availability.survives_any_zone(uses)
    database, told = _database_survives(observed, recovery)
    text = f"{figures}; {told}"
    if not survives:
        text = f"{text}; {READY_ZONES} zones are needed"
        return Condition(HIGHLY_AVAILABLE, "False", "ZoneLossNotSurvived", text)
    match database:
        case "True":
            return Condition(HIGHLY_AVAILABLE, "True", "SurvivesAnyZone", text)
        case "False":
            return Condition(HIGHLY_AVAILABLE, "False", "DatabaseZoneLossNotSurvived", text)
        case _:
            return Condition(HIGHLY_AVAILABLE, "Unknown", "DatabaseUnknown", text)


def _database_survives(observed: Observed, recovery: Recovery) -> tuple[Status, str]:
    """Whether the database would survive the loss of a zone, and why; an external one is not judged."""
    if not recovery.managed:
        return "True", "the external database's zones are its owner's duty"
    spread, servers = availability.survives_any_zone(zone_uses(observed, DATABASE))
    found = recovery.condition(FAILOVER_READY)
    return found.status if spread else "False", f"{servers}; {found.message}"
