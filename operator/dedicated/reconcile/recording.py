"""What the operator has to write into the ledger now. It comes last in a pass: a refusal holds up nothing."""

from datetime import datetime, timedelta

from dedicated.api.conditions import READY, condition_in, parse_time
from dedicated.api.duration import parse_duration
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.resource import Instance
from dedicated.contract import rollup
from dedicated.contract.facts import ServiceStarted
from dedicated.contract.records import Statement, failed_over, service_started
from dedicated.reconcile.actions import Action, RecordFact, RollUp
from dedicated.reconcile.observed import Observed

SHORTEST = timedelta(seconds=1)
"""A record's times are whole seconds, and its end is later than its start."""


def records_wanted(
    instance: Instance, observed: Observed, status: Manifest, *, zone: str, now: datetime
) -> tuple[tuple[tuple[Action, ...], ...], datetime | None]:
    """The stages, and when there will be another one. `zone` is the contract zone."""
    ready = get_str(condition_in(status, READY), "status") == "True"
    if ready and not any(isinstance(fact, ServiceStarted) for fact in observed.facts):
        return ((RecordFact(service_started(instance.name)),),), None
    fresh = _failed_over(instance, observed, get_map(status, "recovery", "lastFailover"))
    if fresh is not None:
        return ((RecordFact(fresh),),), None
    due = rollup.due(observed.readings, zone=zone, identity=str(instance.meta.key), now=now)
    return (((RollUp(due.months, zone),),) if due.months else ()), due.next_at


def _failed_over(instance: Instance, observed: Observed, told: Manifest) -> Statement | None:
    """The failover that the status tells of, unless it is recorded."""
    end = parse_time(get_str(told, "at"))
    if end is None:
        return None
    outage = max(parse_duration(get_str(told, "outage")), SHORTEST)
    found = failed_over(instance.name, end - outage, end)
    return None if any(fact.name == found.name for fact in observed.facts) else found
