"""The restores of an instance that is being deleted: none is switched to any more, and no copy outlives it.

From the DELETE on nothing goes on with them. Once the final backup and the keys are safe, those that are open
are told so, and their copies go as they would have: recorded, then with their volumes. The database before a
switch goes with the instance's own. Handed over, a copy stays as everything does, and its order says so.
"""

from collections.abc import Iterator

from dedicated.api.json import Manifest
from dedicated.api.objects import INSTANCE_RESTORE
from dedicated.api.resource import Instance
from dedicated.contract.facts import DatabaseRemoved, Restored
from dedicated.contract.records import database_removed
from dedicated.contract.recovery.restore import ENDED, switched_by
from dedicated.parts.database.engine import cluster_name
from dedicated.parts.database.engines import BY_CLUSTER, adapter_of
from dedicated.reconcile.actions import Action, Delete, RecordFact, Tell
from dedicated.reconcile.asked import RestoreOrder
from dedicated.reconcile.deletion_status import Step
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.restores import cluster_for

DELETED = "InstanceDeleted"


def ended(instance: Instance, observed: Observed) -> Step:
    """The step that ends them."""
    name, tells = "Restores", tuple(_tells(instance, observed))
    copies = tuple(_copies(instance, observed))
    if not (tells or copies):
        told = [order.name for order in observed.restores if order.status.get("reason") == DELETED]
        text = f"ended: {', '.join(sorted(told))}" if told else "none was open"
        return Step(name, done=True, applies=bool(told), text=text)
    known = {fact.uid for fact in observed.facts if isinstance(fact, DatabaseRemoved)}
    records = tuple(_record(instance, observed, copy) for copy in copies if copy.uid not in known)
    volumes = adapter_of(instance).with_volumes
    removals: tuple[Action, ...] = tuple(
        Delete(copy.ref, copy.uid, finalizer=volumes) for copy in copies if not copy.deleting
    )
    names = ", ".join(str(copy.ref) for copy in copies)
    text = f"waits for the end of {names}" if copies else "what was asked for is told that it ends"
    return Step(name, text=text, actions=(*tells, *(records or removals)))


def handed_over(instance: Instance, observed: Observed) -> tuple[Action, ...]:
    """What is told of those whose copies stay."""
    return tuple(_tells(instance, observed, stays=True))


def removed(instance: Instance, observed: Observed) -> tuple[Action, ...]:
    """What is told of those that were switched to, once the database before is gone too."""
    return tuple(
        Tell(
            order.name,
            {**order.status, "phase": "Removed", "reason": "Removed",
             "message": f"{fact.source} was removed with the instance"},
            kind=INSTANCE_RESTORE.kind,
        )
        for order in observed.restores
        if order.told not in ENDED and (fact := _switched(instance, observed, order)) is not None
    )  # fmt: skip


def _tells(instance: Instance, observed: Observed, *, stays: bool = False) -> Iterator[Tell]:
    for order in observed.restores:
        if order.told in ENDED or _switched(instance, observed, order) is not None:
            continue
        copy = cluster_for(instance, order.uid)
        text = "the instance was deleted"
        if stays and copy in observed.engine.others:
            text = f"the instance was handed over: {copy} stays, and nobody removes it but you"
        status: Manifest = {**order.status, "phase": "Failed", "reason": DELETED, "message": text}
        yield Tell(order.name, status, kind=INSTANCE_RESTORE.kind)


def _copies(instance: Instance, observed: Observed) -> Iterator[Child]:
    """The clusters that restores made, or need no more, and that never were the instance's database."""
    served = {fact.source for fact in observed.facts if isinstance(fact, Restored)} | {cluster_name(instance)}
    over = {
        fact.uid for fact in observed.facts if isinstance(fact, DatabaseRemoved) and fact.restore is not None
    }
    for ref, child in sorted(observed.children.items()):
        state = observed.engine.others.get(ref.name) if ref.kind in BY_CLUSTER else None
        if state is None or (child.uid not in over and (state.origin is None or ref.name in served)):
            continue
        yield child


def _record(instance: Instance, observed: Observed, copy: Child) -> RecordFact:
    origin = observed.engine.others[copy.ref.name].origin
    assert origin is not None
    statement = database_removed(
        instance.name, cluster=copy.ref.name, uid=copy.uid, restore=origin.restore
    )
    return RecordFact(statement)


def _switched(instance: Instance, observed: Observed, order: RestoreOrder) -> Restored | None:
    return switched_by(observed.facts, order.name, cluster_for(instance, order.uid))
