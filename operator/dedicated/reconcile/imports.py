"""An import in a pass: dispatched by what the instance starts from, and told once it is on record.

Until it is, nothing of ZITADEL is started: neither setup nor server. What fails is told with its reason, and
either tried again or left to a person; a database that is not what was to be imported is never taken for it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from dedicated.api.catalogue import ResolvedRelease
from dedicated.api.findings import Finding
from dedicated.api.instance import Party
from dedicated.api.objects import JOB, Ref
from dedicated.api.resource import Instance
from dedicated.api.source import BackupSource, Source
from dedicated.api.words import instant
from dedicated.contract.dates import when
from dedicated.contract.facts import Fact
from dedicated.contract.recovery import proof
from dedicated.contract.recovery.proof import Goal, Terms, Verdict
from dedicated.contract.recovery.restore import PATIENCE
from dedicated.contract.responsibilities import responsible
from dedicated.contract.transfer.imported import Imported
from dedicated.contract.transfer.importing import origin_of, place_of
from dedicated.parts import verification
from dedicated.parts.database.engine import ClusterState, cluster_name
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.metadata import owner_of
from dedicated.parts.recovery_source import store_ports
from dedicated.parts.stores import port_of
from dedicated.parts.verification import Copy
from dedicated.reconcile.arrival import NOTHING, Arrival
from dedicated.reconcile.databases import DatabaseView
from dedicated.reconcile.import_words import import_status, status_on_record
from dedicated.reconcile.logical_import import logical
from dedicated.reconcile.observed import Observed

COMPONENT = "import"
ANY_AGE = timedelta(days=36525)
"""The newest point of a backup is taken, however old it is."""
AGAIN = "create another instance, from a source that is whole, and delete this one"
RIGHT_KEY = (
    "a masterkey never changes: create another instance, with the one that this data was written with, and "
    "delete this one"
)


def arrival(
    instance: Instance,
    observed: Observed,
    engine: DatabaseView,
    release: ResolvedRelease | None,
    *,
    zone: str,
    now: datetime,
) -> Arrival:
    """How far the import is. `zone` is the contract's."""
    source = instance.spec.from_
    if source is None:
        return NOTHING
    fact = _on_record(instance, observed.facts)
    if instance.imported or fact is not None:
        return Arrival(status=status_on_record(source, fact))
    if source.backup is not None:
        return _from_backup(instance, observed, source, source.backup, engine, zone=zone, now=now)
    return logical(instance, observed, source, engine, release, now=now)


def _on_record(instance: Instance, facts: Iterable[Fact]) -> Imported | None:
    """The record of the import, the newest where a former incarnation had one too."""
    found = [fact for fact in facts if isinstance(fact, Imported)] if instance.imported else []
    return max(found, key=lambda fact: fact.at, default=None)


def _from_backup(
    instance: Instance,
    observed: Observed,
    source: Source,
    backup: BackupSource,
    engine: DatabaseView,
    *,
    zone: str,
    now: datetime,
) -> Arrival:
    """The engine makes the first database from the backup; when it is ready, a Job looks at it."""
    state, origin = observed.engine.cluster, origin_of(source)
    if state is not None and state.begun_for != instance.meta.uid:
        return _not_empty(instance, source)
    made = state.created if state else None
    if state is None or made is None or not state.ready:
        return _restoring(instance, source, state, engine, zone=zone, now=now)
    if not observed.agent_image:
        text = f"{origin} is restored, and nobody can look at it: the operator has no --agent-image"
        status = import_status(source, "Verifying", text, party="Provider", at=made)
        return Arrival(waiting=text, status=status)
    copy = _copy(instance, observed, backup, since=made)
    name = verification.verdict_name(copy.restore)
    job, verdict = observed.tasks.get(name), observed.verdicts.get(instance.meta.uid)
    manifests = (verification.isolation(copy), *verification.verification(copy))
    if verdict is None:
        again = job is not None and job.failed
        text = f"{origin} is restored, and looked at before anything uses it"
        return Arrival(
            waiting=text,
            findings=(_unseen(instance, name),) if again else (),
            manifests=manifests,
            replaced=frozenset({Ref(JOB.kind, name)}) if again else frozenset(),
            status=import_status(source, "Verifying", text, at=made),
        )
    judged = proof.judge(verdict, _terms(observed, copy.goal, zone=zone, now=now))
    if not judged.passed:
        return _refused(instance, source, judged, at=made)
    fact = _fact(instance, source, judged, verdict, began=made, now=now)
    text = f"{origin} is restored and verified: {judged.message}"
    status = import_status(source, "Verifying", text, at=made)
    return Arrival(waiting=text, manifests=manifests, fact=fact, status=status)


def _fact(
    instance: Instance,
    source: Source,
    judged: proof.Judgement,
    verdict: Verdict,
    *,
    began: datetime,
    now: datetime,
) -> Imported:
    return Imported(
        name="",
        at=now,
        by="",
        incarnation=instance.meta.uid,
        source="Backup",
        origin=origin_of(source),
        found=judged.message,
        started=began,
        ended=max(verdict.written, began),
        place=place_of(source),
        cluster=cluster_name(instance),
        point=verdict.restored_to,
        size=verdict.size,
    )


def _copy(instance: Instance, observed: Observed, backup: BackupSource, *, since: datetime) -> Copy:
    """The new database, as the verification of a restored copy knows one. The samples of its source are not
    here: those that its own agent takes say nothing of what was restored."""
    adapter = adapter_of(instance)
    assert adapter.pods is not None
    assert adapter.flows is not None
    assert instance.spec.backup is not None
    goal = Goal(instant(backup.target)) if backup.target else Goal(since, newest=True)
    ports = {*store_ports(instance.spec.backup), port_of(backup.endpoint)}
    return Copy(
        instance=instance,
        restore=f"{instance.name}-{COMPONENT}",
        uid=instance.meta.uid,
        owner=owner_of(instance),
        incarnation=f"source-of-{instance.meta.uid}",
        image=observed.agent_image,
        connection=adapter.connection(instance),
        pods={adapter.pods.cluster: cluster_name(instance)},
        flows=adapter.flows,
        store_ports=tuple(sorted(ports)),
        goal=goal,
    )


def _terms(observed: Observed, goal: Goal, *, zone: str, now: datetime) -> Terms:
    """What it is judged by: as a Recovery of a lost cluster, of which no samples are left."""
    return Terms(
        asked=now,
        zone=zone,
        goal=goal,
        oldest=ANY_AGE,
        fingerprint=observed.identity.masterkey if observed.identity else "",
        strict=False,
    )


def _restoring(
    instance: Instance,
    source: Source,
    state: ClusterState | None,
    engine: DatabaseView,
    *,
    zone: str,
    now: datetime,
) -> Arrival:
    """The engine is at it, or will be."""
    where, made = origin_of(source), state.created if state else None
    if state is None or made is None:
        text = engine.waiting or f"{cluster_name(instance)} is made from {where}"
        return Arrival(waiting=text, status=import_status(source, "Waiting", text))
    late = made + PATIENCE
    text = f"the engine restores {cluster_name(instance)} from {where}: {state.message}"
    if now < late:
        return Arrival(waiting=text, status=import_status(source, "Restoring", text, at=made), wake_at=late)
    party = responsible("Backup", instance.spec.infrastructure)
    finding = Finding(
        code="ImportOverdue",
        responsible=party,
        message=f"{text}; begun {when(made, zone)}",
        action="read the log of the engine's restore: the store may be out of reach, its credentials or "
        "passphrase wrong, or the data large; the engine goes on trying",
    )
    status = import_status(source, "Restoring", text, party=party, at=made)
    return Arrival(waiting=text, findings=(finding,), status=status)


def _not_empty(instance: Instance, source: Source) -> Arrival:
    """A database of that name is there, and was not begun for this incarnation: it is never touched."""
    text = f"{cluster_name(instance)} is there, and was not made for this instance: it is not touched"
    party = responsible("Database", instance.spec.infrastructure)
    finding = Finding(
        code="TargetNotEmpty",
        responsible=party,
        message=text,
        action="create the instance under another name, or remove that database",
        blocks="Stalled",
    )
    return Arrival(text, (finding,), status=import_status(source, "Failed", text, party=party))


def _unseen(instance: Instance, job: str) -> Finding:
    return Finding(
        code="ImportNotVerified",
        responsible="Provider",
        message=f"Job {job} could not look at {cluster_name(instance)}; it is made anew",
        action=f"read its log: kubectl logs -n {instance.namespace} job/{job}",
    )


def _refused(instance: Instance, source: Source, judged: proof.Judgement, *, at: datetime) -> Arrival:
    """What was restored is not what it has to be."""
    wrong = judged.reason == "MasterkeyWrong"
    party: Party = "Customer" if wrong else responsible("Backup", instance.spec.infrastructure)
    code = "WrongMasterkey" if wrong else judged.reason
    finding = Finding(
        code=code,
        responsible=party,
        message=f"{origin_of(source)} was restored, and is not used: {judged.message}",
        action=RIGHT_KEY if wrong else AGAIN,
        blocks="Stalled",
    )
    return Arrival(
        waiting=finding.message,
        findings=(finding,),
        status=import_status(source, "Failed", finding.message, party=party, at=at),
    )
