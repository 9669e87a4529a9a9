"""What the operator has to write into the ledger now. It comes last in a pass: a refusal holds up nothing."""

from datetime import datetime

from dedicated.api.conditions import READY, condition_in
from dedicated.api.json import Manifest, get_str
from dedicated.api.resource import Instance
from dedicated.contract import rollup
from dedicated.contract.facts import ServiceStarted
from dedicated.contract.records import service_started
from dedicated.reconcile.actions import Action, RecordFact, RollUp
from dedicated.reconcile.observed import Observed


def records_wanted(
    instance: Instance, observed: Observed, status: Manifest, *, zone: str, now: datetime
) -> tuple[tuple[tuple[Action, ...], ...], datetime | None]:
    """The stages, and when there will be another one. `zone` is the contract zone."""
    ready = get_str(condition_in(status, READY), "status") == "True"
    if ready and not any(isinstance(fact, ServiceStarted) for fact in observed.facts):
        return ((RecordFact(service_started(instance.name)),),), None
    due = rollup.due(observed.readings, zone=zone, identity=str(instance.meta.key), now=now)
    return (((RollUp(due.months, zone),),) if due.months else ()), due.next_at
