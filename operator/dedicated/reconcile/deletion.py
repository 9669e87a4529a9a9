"""Deletion of an instance: steps read from what exists and is recorded, so that a restart finds its place.

The finalizer holds the instance until its end, the clock of retention included: so one object tells how far
it is, and nobody makes another one of its name meanwhile. What holds data has no owner reference: an instance
that is lost, or whose finalizer somebody takes off, takes no data along.

Data is removed after a confirmation, a final backup and the retention, each on record, and by uid. `Orphan`
is the way out at any time: everything stays as it is, and an instance made again under the name takes it
over. An external database is its owner's: nothing is waited for, and nothing of it is touched. Keys and
identity stay in any case: without its masterkey neither a database nor a backup can be read
(docs/deletion.md says how to remove them).

A confirmation may be withdrawn as long as anything is left: the deletion is held then, wherever it is.
Restores that are open end with the instance (`deletion_restores`).

With `spec.keyBundle` bundle and ledger are written anew as long as they are older than what they hold: before
what serves goes, with the final backup's record, and before data goes, with that of its removal.

The namespace's label goes before the finalizer; one that cannot be taken off holds nobody up.
Limit: nothing is rebuilt or measured while an instance goes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import rfc3339
from dedicated.api.findings import Finding
from dedicated.api.names import FINALIZER
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, ENGINE_KINDS, JOB, NETWORK_POLICY, STATEFUL_SET
from dedicated.api.resource import Instance, InvalidInstance, Meta
from dedicated.contract.agreements import clauses_in_force
from dedicated.contract.deletion import (
    CLAUSE,
    confirmed,
    deletion_of,
    final_backup,
    removals,
    withdrawn,
)
from dedicated.contract.facts import DatabaseRemoved
from dedicated.contract.records import Statement, database_removed
from dedicated.contract.records import final_backup as final_backup_made
from dedicated.contract.recovery.runs import Runs, retry_at
from dedicated.parts import login, schema, server
from dedicated.parts.database.engine import COMPONENT, EngineRun, with_keys
from dedicated.parts.database.engines import BY_BACKUP, BY_CLUSTER, adapter_of
from dedicated.parts.edge.entry import COMPONENT as EDGE
from dedicated.parts.limiter import names as limiter
from dedicated.reconcile import deletion_restores, escrow
from dedicated.reconcile.actions import (
    Action,
    Ask,
    Delete,
    HandOver,
    MarkNamespace,
    Plan,
    RecordFact,
    SetFinalizers,
)
from dedicated.reconcile.backups import Wish, mark_of, needed
from dedicated.reconcile.deletion_status import Step, deletion_status
from dedicated.reconcile.judgement import judge, judge_invalid, refusals
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.transitions import events

LOOK = timedelta(seconds=10)
"""Volumes are not watched: they are looked at again."""
SERVING = frozenset({server.COMPONENT, login.COMPONENT, schema.COMPONENT, limiter.COMPONENT})
"""Components that write into the database, and what stands before them. The way in goes with them: a load
balancer that leads nowhere costs money, and keeps a certificate."""
WORKLOADS = frozenset({DEPLOYMENT.kind, STATEFUL_SET.kind, JOB.kind})
OF_DATABASE = frozenset(
    {CONFIG_MAP.kind} | {kind.kind for kind in ENGINE_KINDS} - BY_BACKUP.keys()
)
"""Kinds of what is made for a database. Secrets are not the operator's to change or to take away."""
WAY_OUT = "or set spec.deletion.policy to Orphan: the instance then goes at once, and everything else stays"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a step is decided by. `deleted` is when somebody deleted the instance."""

    instance: Instance
    observed: Observed
    catalogue: Catalogue
    deleted: datetime
    now: datetime

    @property
    def uid(self) -> str:
        """The incarnation that goes."""
        return self.instance.meta.uid

    @property
    def clusters(self) -> tuple[Child, ...]:
        """The clusters of the instance that are there."""
        found = self.observed.children.values()
        return tuple(child for child in found if child.ref.kind in BY_CLUSTER)

    @property
    def holds_data(self) -> bool:
        """Whether there is, or was until this deletion, a database of the instance's own."""
        return bool(self.clusters or removals(self.observed.facts, deleted=self.deleted))


def plan_deletion(
    instance: Instance | InvalidInstance, observed: Observed, *, catalogue: Catalogue, now: datetime
) -> Plan:
    """The next step of a deletion."""
    meta = instance.meta
    if FINALIZER not in meta.finalizers:
        return Plan()
    if isinstance(instance, InvalidInstance):
        if observed.engine.cluster is None:
            return _released(meta, observed)
        unread = judge_invalid(instance)[0]
        return _waiting(meta, observed, (Step("Specification", finding=unread),), None, now=now)
    sight = Sight(instance, observed, catalogue, meta.deleted or now, now)
    found = steps(sight)
    if all(step.done for step in found):
        return _released(meta, observed)
    return _waiting(meta, observed, found, _remove_after(sight), now=now)


def steps(sight: Sight) -> tuple[Step, ...]:
    """The steps until the first that is not done."""
    found: list[Step] = []
    for step in _order(sight):
        found.append(step(sight))
        if not found[-1].done:
            break
    return tuple(found)


def claims_wanted(instance: Instance, observed: Observed) -> tuple[str, ...]:
    """Selectors of the volume claims to be read: of clusters on record as taken away, once they are gone."""
    pods, deleted = adapter_of(instance).pods, instance.meta.deleted
    there = any(child.ref.kind in BY_CLUSTER for child in observed.children.values())
    if pods is None or deleted is None or there:
        return ()
    names = sorted({fact.cluster for fact in removals(observed.facts, deleted=deleted)})
    return tuple(f"{pods.cluster}={name},{pods.data}" for name in names)


def _order(sight: Sight) -> Iterator[Callable[[Sight], Step]]:
    if deletion_of(sight.instance.spec).policy == "Orphan":
        yield _handed_over
    elif adapter_of(sight.instance).cluster_kind is not None:
        yield _known
        if sight.holds_data:
            yield from (_confirmed, _backed_up, _keys_escrowed, _restores_ended, _retained, _removed)


def _known(sight: Sight) -> Step:
    """Where the engine's kinds are unknown, nobody knows of a database."""
    kind = adapter_of(sight.instance).cluster_kind
    assert kind is not None
    if kind.kind not in sight.observed.engine.missing or sight.clusters:
        return Step("Engine", done=True, text=f"{kind.kind} is known")
    return Step(
        "Engine",
        finding=Finding(
            code="EngineMissing",
            responsible="Provider",
            message=f"the API server does not know {kind.kind}: whether a database is there cannot be told",
            action=f"install the engine's definitions, {WAY_OUT}",
        ),
    )


def _confirmed(sight: Sight) -> Step:
    fact = confirmed(sight.observed.facts, sight.uid, deleted=sight.deleted)
    if fact is not None:
        return Step("Confirmation", done=True, text=f"{fact.by}, {rfc3339(fact.at)}", by=fact.by)
    key, back = sight.instance.meta.key, withdrawn(sight.observed.facts, sight.uid)
    why = "deleted without a confirmation on record: nothing is removed, the service runs on (T-1)"
    if back is not None:
        why = f"the confirmation was withdrawn by {back.by}, {rfc3339(back.at)}: nothing more goes (T-1)"
    return Step(
        "Confirmation",
        finding=Finding(
            code="DeletionNotConfirmed",
            responsible="Provider",
            message=why,
            action=f"confirm: dedicated delete {key.name} -n {key.namespace} --confirm; {WAY_OUT}",
        ),
    )


def _backed_up(sight: Sight) -> Step:
    fact = final_backup(sight.observed.facts, sight.uid)
    if fact is not None:
        return Step("FinalBackup", done=True, text=f"{fact.object}, recorded {rfc3339(fact.at)}")
    if _skipped(sight):
        return Step("FinalBackup", done=True, text=f"skipped by the agreement on {CLAUSE}")
    runs = [run for run in sight.observed.engine.runs if run.kind == "full" and run.asked >= sight.deleted]
    made = next((run for run in runs if run.state == "Completed"), None)
    if made is not None:
        return Step("FinalBackup", text=f"{made.name} is complete", actions=(_recorded(sight, made),))
    running = next((run for run in sight.observed.engine.runs if run.state in ("Pending", "Running")), None)
    if running is not None:
        return Step("FinalBackup", text=f"{running.name}: {running.state.lower()}")
    cluster = sight.observed.engine.cluster
    if cluster is None or not cluster.ready:
        told = cluster.message if cluster else "it is gone"
        return Step("FinalBackup", finding=_unmade(f"the database is not ready ({told})", ""))
    return _asked(sight, [run for run in runs if run.state == "Failed"])


def _asked(sight: Sight, failed: list[EngineRun]) -> Step:
    """The backup asked for, now or when the last failure is long enough ago."""
    known = Runs(sight.now, sight.deleted, tuple(run.run for run in failed))
    again = retry_at(known)
    finding = None
    if again is not None:
        last = max(failed, key=lambda run: (run.asked, run.name))
        cause = f"{len(failed)} final backups failed, the last one: {last.error or 'no reason given'}"
        finding = _unmade(cause, f"; the next is asked for at {rfc3339(again)}")
    if again is not None and sight.now < again:
        return Step("FinalBackup", finding=finding, wake_at=again)
    instance, adapter = sight.instance, adapter_of(sight.instance)
    mark = mark_of(Wish("full", "Deletion"), sight.observed.engine.runs, instance.database)
    order = with_keys(adapter, adapter.trigger(instance, "full", mark), needed(sight.observed))
    text = "the engine is asked for it"
    return Step("FinalBackup", text=text, finding=finding, actions=(Ask(order),))


def _unmade(cause: str, then: str) -> Finding:
    return Finding(
        code="FinalBackupFailing",
        responsible="Provider",
        message=f"{cause}{then}. The deletion waits for it: nothing is removed, and the service runs on",
        action=f"mend the database's backups, {WAY_OUT}",
    )


def _recorded(sight: Sight, run: EngineRun) -> Action:
    kind = adapter_of(sight.instance).backup_kind
    assert kind is not None
    made = final_backup_made(
        sight.instance.name, sight.uid, kind=kind.kind, run=run.name, label=run.label
    )
    return RecordFact(made)


def _skipped(sight: Sight) -> bool:
    """Whether no final backup is needed: asked for, and agreed on when the instance was deleted."""
    spec = sight.instance.spec
    wanted = deletion_of(spec).final_backup == "Skipped"
    return wanted and CLAUSE in clauses_in_force(spec, sight.observed.facts, now=sight.deleted)


def _keys_escrowed(sight: Sight) -> Step:
    """Without a key bundle keys are in their Secrets alone, and these stay."""
    name, instance, observed = "KeysEscrowed", sight.instance, sight.observed
    if instance.spec.key_bundle is None:
        return Step(name, done=True, applies=False, text="no key bundle: keys stay in their Secrets")
    judged = judge(instance, observed, sight.catalogue, now=sight.now).escrow
    text = judged.condition.message
    if escrow.is_kept(instance, observed, judged, now=sight.now):
        return Step(name, done=True, text=text)
    unwritten = judged.marks is None or observed.escrowed is None
    finding = Finding(
        code="KeysNotEscrowed",
        responsible="Provider",
        message=f"{text}. The deletion waits for the bundle and the ledger of now: no data is removed",
        action=f"mend the cause, or remove spec.keyBundle: keys then stay in their Secrets alone; {WAY_OUT}",
    )
    return Step(
        name,
        text=f"bundle and ledger are written anew: {text}",
        finding=finding if judged.findings or unwritten else None,
        actions=escrow.actions(instance, observed, judged, now=sight.now),
        wake_at=judged.wake_at,
    )


def _restores_ended(sight: Sight) -> Step:
    return deletion_restores.ended(sight.instance, sight.observed)


def _remove_after(sight: Sight) -> datetime | None:
    """When the database is removed at the earliest; None where that is not known yet, or nothing is."""
    if deletion_of(sight.instance.spec).policy == "Orphan" or not sight.holds_data:
        return None
    fact = final_backup(sight.observed.facts, sight.uid)
    since = fact.at if fact is not None else sight.deleted if _skipped(sight) else None
    return None if since is None else since + timedelta(days=deletion_of(sight.instance.spec).retention_days)


def _retained(sight: Sight) -> Step:
    """What serves goes at once, and what writes; the log it wrote is archived in the days that follow."""
    due = _remove_after(sight)
    assert due is not None  # a step before this one is done
    serving = tuple(
        Delete(child.ref, child.uid)
        for child in sight.observed.children.values()
        if _leads_or_serves(child) and not child.deleting
    )
    return Step(
        "Retention",
        done=sight.now >= due and not serving,
        text=f"database and keys are kept until {rfc3339(due)}",
        actions=serving,
        wake_at=due if sight.now < due else None,
    )


def _leads_or_serves(child: Child) -> bool:
    return child.component == EDGE or (child.ref.kind in WORKLOADS and child.component in SERVING)


def _removed(sight: Sight) -> Step:
    """The record first; then the clusters, their volumes, and last what only served them."""
    told = {fact.uid for fact in sight.observed.facts if isinstance(fact, DatabaseRemoved)}
    untold = tuple(RecordFact(_removal(sight, child)) for child in sight.clusters if child.uid not in told)
    if untold:
        return Step("Removal", text="the removal is recorded", actions=untold)
    if sight.clusters:
        names = ", ".join(str(child.ref) for child in sight.clusters)
        return Step("Removal", text=f"waits for the end of {names}", actions=_deletes(sight.clusters))
    if sight.observed.volumes is None or sight.observed.volumes:
        text = "waits for the end of the volumes"
        actions = _deletes(sight.observed.volumes or ())
        return Step("Removal", text=text, actions=actions, wake_at=sight.now + LOOK)
    rest = tuple(child for child in sight.observed.children.values() if _serves_database(child))
    text = "database and volumes are removed" if not rest else "takes away what served the database"
    over = deletion_restores.removed(sight.instance, sight.observed)
    return Step("Removal", done=not (rest or over), text=text, actions=(*_deletes(rest), *over))


def _removal(sight: Sight, cluster: Child) -> Statement:
    return database_removed(sight.instance.name, cluster=cluster.ref.name, uid=cluster.uid)


def _serves_database(child: Child) -> bool:
    """Whether it was made for the database, the cluster itself included. Backups are receipts of what the
    repository has, and stay."""
    if child.ref.kind == NETWORK_POLICY.kind:
        return child.owner_uid == ""  # the others go with the instance
    return child.component == COMPONENT and child.ref.kind in OF_DATABASE


def _handed_over(sight: Sight) -> Step:
    """What would go with the instance, and what belongs to its database; the rest has no owner to lose."""
    ours = tuple(
        HandOver(child)
        for child in sight.observed.children.values()
        if not child.deleting and (child.owner_uid == sight.uid or _serves_database(child))
    )
    told = deletion_restores.handed_over(sight.instance, sight.observed)
    text = "label and owner reference are taken off"
    return Step("HandOver", done=not (ours or told), text=text, actions=(*told, *(() if told else ours)))


def _deletes(children: tuple[Child, ...]) -> tuple[Action, ...]:
    return tuple(Delete(child.ref, child.uid) for child in children if not child.deleting)


def _released(meta: Meta, observed: Observed) -> Plan:
    release = MarkNamespace(was=meta.key.name)
    refused = str(release) in {failure.what for failure in observed.failures}
    if observed.mark == meta.key.name and not refused:
        return Plan(stages=((release,),))
    remaining = tuple(item for item in meta.finalizers if item != FINALIZER)
    return Plan(stages=((SetFinalizers(remaining),),))


def _waiting(
    meta: Meta, observed: Observed, found: tuple[Step, ...], remove_after: datetime | None, *, now: datetime
) -> Plan:
    """What the first step that is not done asks for, and what is told meanwhile."""
    last = found[-1]
    told = (*([last.finding] if last.finding else ()), *refusals(observed))
    status = deletion_status(meta, found, told, remove_after=remove_after, now=now)
    return Plan(
        stages=(last.actions,) if last.actions else (),
        status=status,
        events=events(meta, status, ()),
        wake_at=last.wake_at,
    )
