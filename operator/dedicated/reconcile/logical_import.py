"""An import of an export or of a running database in a pass: one Job, what it tells, when it is made anew.

The instance's own database is made first, empty. What only a person can solve stops all until the Job is
deleted: then it begins anew. All else is tried again, by the Job itself and then by another one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.catalogue import ResolvedRelease
from dedicated.api.findings import Finding
from dedicated.api.instance import Party
from dedicated.api.json import Manifest
from dedicated.api.objects import Ref
from dedicated.api.resource import Instance
from dedicated.api.source import DatabaseSource, ExportSource, Source
from dedicated.api.status_import import ImportPhase
from dedicated.contract.responsibilities import responsible
from dedicated.contract.transfer.import_report import FINAL, Code, Rates, Report, Step, read_report
from dedicated.contract.transfer.imported import Imported
from dedicated.contract.transfer.importing import origin_of, place_of
from dedicated.parts import importing
from dedicated.parts.database.engine import PORT, cluster_name
from dedicated.parts.importing import ImportWanted
from dedicated.reconcile.arrival import Arrival
from dedicated.reconcile.databases import DatabaseView
from dedicated.reconcile.import_words import import_status
from dedicated.reconcile.observed import Observed

RETRY = timedelta(minutes=5)
"""After which a Job that gave up is made anew."""
CUSTOMERS: frozenset[Code] = frozenset({"WrongMasterkey", "FileNotOpened"})
"""What is brought along by whoever moves in."""
REMEDIES: dict[Code, str] = {
    "WrongMasterkey": "a masterkey never changes: create another instance, with the one that this data was "
    "written with, and delete this one",
    "FileNotOpened": "put the age identity of the export's recipient into the Secret",
    "FileDamaged": "bring the export whole into the bucket, or name its own SHA-256 in a new instance",
    "VersionTooOld": "create the instance with a newer PostgreSQL or release",
    "TargetNotEmpty": "name an empty database; one that has this data already is of state Existing",
    "NotZitadel": "name a database or an export of ZITADEL",
    "SourceUnreachable": "let the pods reach it, with the credentials of the Secret",
    "TargetUnreachable": "let the pods reach the instance's own database, as its owner",
}


@dataclass(frozen=True, slots=True)
class _Sight:
    instance: Instance
    observed: Observed
    source: Source
    now: datetime

    @property
    def part(self) -> ExportSource | DatabaseSource:
        found = self.source.export or self.source.database
        assert found is not None
        return found


def logical(
    instance: Instance,
    observed: Observed,
    source: Source,
    engine: DatabaseView,
    release: ResolvedRelease | None,
    *,
    now: datetime,
) -> Arrival:
    """How far it is."""
    sight = _Sight(instance, observed, source, now)
    job = observed.tasks.get(importing.import_name(instance.name))
    if job is None:
        hindrance = _hindrance(sight, engine, release)
        if hindrance:
            return Arrival(waiting=hindrance, status=import_status(source, "Waiting", hindrance))
    report = read_report(observed.import_report, incarnation=instance.meta.uid) if job else None
    made = _manifests(sight, release)
    stuck = report is not None and report.step == "Failed" and report.code in FINAL
    if stuck or (job is not None and job.failed):
        return _failed(sight, report, made)
    if report is not None and report.step == "Completed":
        return _done(sight, report, made)
    return _running(sight, report, made)


def _hindrance(sight: _Sight, engine: DatabaseView, release: ResolvedRelease | None) -> str:
    """Why it cannot begin; empty where it can."""
    observed, instance = sight.observed, sight.instance
    if not observed.agent_image:
        return "no Job can be made: the operator was started without --agent-image"
    if release is None or observed.identity is None:
        return "the release wanted, or the identity of the masterkey, is not known yet"
    if observed.masterkey.fingerprint != observed.identity.masterkey:
        return "the masterkey is not the one of the identity"
    if engine.waiting:
        return engine.waiting
    if instance.spec.backup is None and not observed.database.usable:
        return "the Secret of the instance's own database cannot be used yet"
    return ""


def _manifests(sight: _Sight, release: ResolvedRelease | None) -> tuple[Manifest, ...]:
    observed = sight.observed
    if release is None or not observed.agent_image:
        return ()
    wanted = ImportWanted(
        instance=sight.instance,
        source=sight.part,
        image=observed.agent_image,
        zitadel=release.version,
        form=observed.database.form,
        port=observed.database.port if observed.database.usable else PORT,
    )
    return importing.manifests(wanted)


def _running(sight: _Sight, report: Report | None, made: tuple[Manifest, ...]) -> Arrival:
    """Begun, or begun anew after an attempt that failed."""
    where = origin_of(sight.source)
    if report is None:
        text = f"its Job begins to read {where}"
        return Arrival(waiting=text, manifests=made, status=import_status(sight.source, "Waiting", text))
    end = None
    if report.size:
        rates = Rates().estimate(report.size, dumped=sight.source.database is not None)
        end = max(report.started + rates, sight.now)
    words: dict[Step, tuple[ImportPhase, str]] = {
        "Reading": ("Reading", f"{where} is read"),
        "Importing": ("Importing", "the dump is put into the database"),
        "Verifying": ("Verifying", "rows, checksums and keys are compared"),
    }
    phase, text = words.get(report.step, ("Waiting", f"tried again after a failure: {report.cause}"))
    status = import_status(sight.source, phase, text, at=report.started, end=end)
    if report.total:
        status["progress"] = {"bytes": report.done, "total": report.total}
    return Arrival(waiting=f"{where} is imported: {text}", manifests=made, status=status)


def _done(sight: _Sight, report: Report, made: tuple[Manifest, ...]) -> Arrival:
    """The last word is there: it is recorded."""
    export = sight.source.export
    fact = Imported(
        name="",
        at=sight.now,
        by="",
        incarnation=sight.instance.meta.uid,
        source=sight.source.kind,
        origin=origin_of(sight.source),
        found=report.figures,
        started=report.started,
        ended=max(report.written, report.started),
        place=place_of(sight.source),
        cluster=cluster_name(sight.instance) if sight.instance.spec.backup else "",
        point=report.snapshot,
        manifest_sha256=export.manifest_sha256 if export else "",
        size=report.size,
    )
    text = f"{fact.origin} is imported: {fact.found}"
    status = import_status(sight.source, "Verifying", text, at=report.started)
    return Arrival(waiting=text, manifests=made, fact=fact, status=status)


def _failed(sight: _Sight, report: Report | None, made: tuple[Manifest, ...]) -> Arrival:
    """Its Job gave up."""
    instance = sight.instance
    code: Code = (report.code if report else None) or "ImportFailed"
    job = importing.job_ref(instance)
    cause = (report.cause if report else "") or "its Job gave up"
    final = code in FINAL
    party: Party = "Customer" if code in CUSTOMERS else responsible("Database", instance.spec.infrastructure)
    log = f"kubectl logs -n {instance.namespace} job/{job.name} --all-containers"
    remedy = REMEDIES.get(code, f"read its log: {log}")
    again_by = f"; then delete Job {job.name}: it begins anew" if final else "; it is tried again"
    finding = Finding(
        code=code,
        responsible=party,
        message=f"{origin_of(sight.source)} is not imported: {cause}",
        action=remedy if code == "WrongMasterkey" else remedy + again_by,
        blocks="Stalled" if final else "",
    )
    due = report.written + RETRY if report else sight.now
    again = frozenset({job}) if not final and sight.now >= due else frozenset[Ref]()
    status = import_status(sight.source, "Failed", finding.message, party=party)
    return Arrival(finding.message, (finding,), made, again, status=status, wake_at=None if again else due)
