"""Backups that the operator asks its engine for: owed, to repair an archive, and ahead of a maintenance.

The engine's own schedule makes the rest. One is asked for at a time, and never while one runs. The object's
name is made of why it is asked for and of the newest run known, so that asking twice asks once, whatever
crashed in between. What the recovery agent reports decides what has to be repaired; the engine's objects tell
what runs. A failed backup is asked for again at longer and longer distances.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.json import digest
from dedicated.api.objects import Ref
from dedicated.api.resource import FIRST, Database, Instance
from dedicated.contract.recovery.report import Report
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.runs import GRACE, Runs, owed, retry_at
from dedicated.contract.recovery.schedule import due_times
from dedicated.contract.recovery.verdict import is_fresh
from dedicated.contract.runs import Standing
from dedicated.parts.database.engine import COMPONENT, EngineRun, with_keys
from dedicated.parts.database.engines import adapter_of
from dedicated.reconcile.actions import Ask, Delete
from dedicated.reconcile.databases import DatabaseView
from dedicated.reconcile.observed import Observed

AHEAD = timedelta(minutes=10)
"""Before a slot, the differential is asked for: it has to be complete when the gates are looked at."""
RENEWED = timedelta(minutes=5)
"""While the gates wait, the next is asked for this long before the last is too old for them."""
KEPT_FAILED = timedelta(days=7)
"""So long an object of ours that failed is left to be looked at."""
ONE_DAY = timedelta(days=1)
A_SECOND = timedelta(seconds=1)
"""Engines tell whole seconds."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A backup to be asked for now, and why: one word."""

    kind: BackupKind
    because: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Objects to make and to take away, and when to look again."""

    asks: tuple[Ask, ...] = ()
    prunes: tuple[Delete, ...] = ()
    wake_at: datetime | None = None


def backups(
    instance: Instance,
    observed: Observed,
    view: DatabaseView,
    *,
    report: Report | None,
    current: Standing | None,
    zone: str,
    now: datetime,
) -> Asking:
    """What is asked for now. `current` is the maintenance whose turn it is; `zone` the contract's."""
    cluster, runs = observed.engine.cluster, observed.engine.runs
    if view.wanted is None or view.full is None or view.differential is None or instance.arriving:
        return Asking()
    pruned = _outdated(instance, observed, now=now)
    if cluster is None or not cluster.ready:
        return Asking(prunes=pruned)
    known = known_runs(instance, observed, report, now=now)
    missed = owed(known, view.full, view.differential, zone=zone, now=now)
    wish = (
        (Wish(missed.kind, missed.because) if missed else None)
        or _repair(known, report, now=now)
        or _ahead(known, current, now=now)
    )
    wake_at = _next_look(known, view, current, zone=zone, now=now)
    if wish is None or known.running:
        return Asking(prunes=pruned, wake_at=wake_at)
    kind = wish.kind if adapter_of(instance).capabilities.differential else "full"
    manifest = adapter_of(instance).trigger(instance, kind, mark_of(wish, runs, instance.database))
    return Asking((Ask(with_keys(adapter_of(instance), manifest, needed(observed))),), pruned, wake_at)


def needed(observed: Observed) -> str:
    """Fingerprint of the masterkey that the data needs."""
    return observed.identity.masterkey if observed.identity else ""


def known_runs(instance: Instance, observed: Observed, report: Report | None, *, now: datetime) -> Runs:
    """The engine's objects, and what the repository lists of this incarnation beside them."""
    ours = report is not None and report.incarnation == instance.incarnation
    stored = report.backups if report is not None and ours else ()
    told = (item.run for item in observed.engine.runs)
    every = {(run.kind, run.started, run.label): run for run in (*stored, *told)}
    cluster = observed.engine.cluster
    return Runs(now, (cluster.created if cluster else None) or now, tuple(every.values()))


def mark_of(wish: Wish, runs: tuple[EngineRun, ...], database: Database = FIRST) -> str:
    """The same until there is another run; of a restored database, another one from the beginning."""
    newest = max(runs, key=lambda run: (run.asked, run.name), default=None)
    return digest([wish.kind, wish.because, newest.name if newest else database.cluster])[:8]


def _repair(known: Runs, report: Report | None, *, now: datetime) -> Wish | None:
    """What the agent's facts ask for: no backup at all, another timeline, a gap."""
    if report is None or report.found is None or not _may_retry(known, now=now):
        return None
    newest = known.newest()
    found, latest = report.found, report.memory.latest
    if newest is not None and newest.finished is not None and newest.finished + A_SECOND > found.listed_at:
        return None  # the listing may not know of it yet, however new the report is
    if found.backup is None:
        return Wish("full", "NoBackup")
    if latest is not None and latest.timeline > found.backup.first.timeline:
        return Wish("differential", "TimelineChanged")
    return Wish("differential", "Gap") if found.gaps else None


def _ahead(known: Runs, current: Standing | None, *, now: datetime) -> Wish | None:
    """A fresh differential for the maintenance that is next, or that waits for its gates."""
    if current is None or current.slot is None or not _may_retry(known, now=now):
        return None
    begun, start = current.phase == "Gates", current.slot.start
    near = current.phase == "Scheduled" and start - now <= AHEAD
    fresh = is_fresh(known.newest(), at=now + RENEWED if begun else max(start, now))
    return Wish("differential", "Maintenance") if (begun or near) and not fresh else None


def _may_retry(known: Runs, *, now: datetime) -> bool:
    again = retry_at(known)
    return again is None or now >= again


def _next_look(
    known: Runs, view: DatabaseView, current: Standing | None, *, zone: str, now: datetime
) -> datetime | None:
    """When something may be owed that is not now: past a due time's grace, a retry, a slot's approach."""
    assert view.full is not None
    assert view.differential is not None
    dates = []
    for schedule in (view.full, view.differential):
        # The first that is not past its grace already, and no more of them: this is asked at every pass.
        ahead = due_times(schedule, zone, after=now - GRACE, until=now + 2 * ONE_DAY)
        dates.append(next(due + GRACE for due in ahead if due + GRACE > now))
    if (again := retry_at(known)) is not None:
        dates.append(again)
    if current is not None and current.slot is not None:
        dates += [current.slot.start - AHEAD, current.slot.start]
    return min((date for date in dates if date > now), default=None)


def _outdated(instance: Instance, observed: Observed, *, now: datetime) -> tuple[Delete, ...]:
    """Objects that we have made and that nothing needs any more; the backup itself is the repository's."""
    backup, kind = instance.spec.backup, adapter_of(instance).backup_kind
    if backup is None or kind is None:
        return ()
    found = []
    for run in observed.engine.runs:
        child = observed.children.get(Ref(kind.kind, run.name))
        kept = KEPT_FAILED if run.state == "Failed" else timedelta(days=backup.retention.days) + ONE_DAY
        if child is not None and child.component == COMPONENT and run.finished and now >= run.finished + kept:
            found.append(Delete(child.ref, child.uid))
    return tuple(found)
