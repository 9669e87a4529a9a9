"""`InstanceBackup`: what is asked of the engine for each, what is told of it, and when it goes.

The engine's object is named by the order's uid, so that it is made once. What cannot be done is told as
Failed with its reason, at once: an external database, a kind that the engine has not. An end that was told
stays as it is, whatever becomes of the engine's object. `keepDays` after it the order goes, and that too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339, shorten
from dedicated.api.instance_backup import Kind, State
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE_BACKUP, Ref
from dedicated.api.resource import Instance
from dedicated.contract.recovery.repository import BackupKind
from dedicated.parts.database.engine import EngineRun, with_keys
from dedicated.parts.database.engines import adapter_of
from dedicated.reconcile.actions import Action, Ask, Delete, Tell
from dedicated.reconcile.asked import Order
from dedicated.reconcile.backups import needed
from dedicated.reconcile.observed import Observed

KINDS: dict[Kind, BackupKind] = {"Full": "full", "Differential": "differential"}
ENDED: frozenset[State] = frozenset({"Completed", "Failed"})
MESSAGE = 1024
UNKNOWN_INSTANCE: Manifest = {
    "state": "Failed",
    "reason": "UnknownInstance",
    "message": "there is no DedicatedInstance of this name in this namespace",
}


@dataclass(frozen=True, slots=True)
class Orders:
    """What is done about the orders, and when something is due for one."""

    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None


def orders(instance: Instance, observed: Observed, *, busy: bool, now: datetime) -> Orders:
    """Every order of the instance, oldest first: one backup is asked for at a time. `busy`: one is, beside
    them."""
    actions: list[Action] = []
    dates: list[datetime] = []
    busy = busy or any(run.state in ("Pending", "Running") for run in observed.engine.runs)
    for order in sorted(observed.orders, key=lambda item: (item.created, item.name)):
        if get_str(order.status, "state") in ENDED:
            over = _over(order)
            if over is not None and now < over:
                dates.append(over)
            elif over is not None:
                actions += _taken_away(instance, observed, order)
            continue
        wanted, ask = _one(instance, observed, order, busy=busy)
        busy = busy or ask is not None
        actions += [ask] if ask is not None else []
        if wanted != order.status:
            actions.append(Tell(order.name, wanted, kind=INSTANCE_BACKUP.kind))
    return Orders(tuple(actions), min(dates, default=None))


def _one(
    instance: Instance, observed: Observed, order: Order, *, busy: bool
) -> tuple[Manifest, Ask | None]:
    """The status that an order should have, and what is asked of the engine for it."""
    impossible = _impossible(instance, order)
    if impossible is not None:
        return impossible, None
    adapter = adapter_of(instance)
    asked = adapter.trigger(instance, KINDS[order.kind], f"ib-{order.uid[:8]}")
    manifest = with_keys(adapter, asked, needed(observed))
    name = get_str(manifest, "metadata", "name")
    run = next((run for run in observed.engine.runs if run.name == name), None)
    if run is not None:
        return _told(run), None
    if get_str(order.status, "state") == "Running":
        return _failed("BackupLost", f"{get_str(manifest, 'kind')} {name} is gone"), None
    cluster = observed.engine.cluster
    if cluster is None or not cluster.ready:
        return _pending("DatabaseNotReady", "it begins when the database is ready"), None
    if busy:
        return _pending("AnotherRuns", "it begins when the backup that runs has ended"), None
    return {**_pending("Asked", "the engine was asked for it"), "object": name}, Ask(manifest)


def _impossible(instance: Instance, order: Order) -> Manifest | None:
    """The end of an order that no engine of this instance can carry out."""
    adapter = adapter_of(instance)
    if adapter.backup_kind is None:
        text = "the database is external: whoever runs it makes its backups"
        return _failed("ExternalDatabase", text)
    if KINDS[order.kind] == "differential" and not adapter.capabilities.differential:
        return _failed("DifferentialUnsupported", f"engine {adapter.engine} makes full backups only")
    return None


def _told(run: EngineRun) -> Manifest:
    """What the engine tells of the backup."""
    found: Manifest = {"state": run.state, "object": run.name}
    if run.started is not None:
        found["startedAt"] = rfc3339(run.started)
    if run.state == "Failed":
        found |= {"reason": "BackupFailed", "message": shorten(run.error or "no reason given", MESSAGE)}
    if run.state == "Completed" and run.finished is not None:
        found["completedAt"] = rfc3339(run.finished)
        if run.started is not None:
            # What was committed before it began is in it; of what came later nobody knows without the log.
            found["newestPoint"] = rfc3339(run.started)
            found["durationSeconds"] = max(0, int((run.finished - run.started).total_seconds()))
        found |= {"sizeBytes": run.stored} if run.stored else {}
        found |= {"label": run.label} if run.label else {}
    elif run.state == "Failed" and run.finished is not None:
        found["completedAt"] = rfc3339(run.finished)
    return found


def _pending(reason: str, message: str) -> Manifest:
    return {"state": "Pending", "reason": reason, "message": message}


def _failed(reason: str, message: str) -> Manifest:
    return {"state": "Failed", "reason": reason, "message": message}


def _over(order: Order) -> datetime | None:
    """When an order goes: `keepDays` after its end, or after it was made where it never began."""
    ended = parse_time(get_str(order.status, "completedAt")) or parse_time(order.created)
    return None if ended is None else ended + timedelta(days=order.keep_days)


def _taken_away(instance: Instance, observed: Observed, order: Order) -> Iterator[Action]:
    kind = adapter_of(instance).backup_kind
    name = get_str(order.status, "object")
    child = observed.children.get(Ref(kind.kind, name)) if kind is not None else None
    if child is not None:
        yield Delete(child.ref, child.uid)
    yield Delete(Ref(INSTANCE_BACKUP.kind, order.name), order.uid)
