"""`InstanceExport` (X-1): what is made for each, one at a time, what is told of it, and when it goes.

What cannot be done is told as Failed with its reason, before anything is made: a destination outside the data
location without an agreement on D-1, no image of PostgreSQL, a physical export of a repository that nobody
could restore by hand. That the addresses of one have expired is told when it is so; whether they were fetched
before that cannot be known here. An end that was told stays; then all that was made for the export is taken
away, its pod with the dump first, and only then the next one begins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339, shorten
from dedicated.api.instance_export import MESSAGE_LENGTH, ExportDestination
from dedicated.api.json import Manifest, get_int, get_str
from dedicated.api.objects import INSTANCE_EXPORT, JOB, ROLE_BINDING, Ref
from dedicated.api.resource import Instance
from dedicated.contract.places import place_of_bucket
from dedicated.contract.residency import may_hold
from dedicated.contract.transfer.export import (
    REPORT,
    Rates,
    Report,
    Took,
    expected_end,
    phase_of,
    read_report,
)
from dedicated.parts import config, export
from dedicated.parts.database.engine import PORT
from dedicated.parts.export import ExportWanted
from dedicated.parts.export_repository import is_offered
from dedicated.parts.schema import JobState
from dedicated.parts.wanted import Wanted
from dedicated.reconcile.actions import Action, Ask, Delete, Tell
from dedicated.reconcile.asked import ExportOrder
from dedicated.reconcile.location import Located
from dedicated.reconcile.observed import Observed

LATER = (ROLE_BINDING.kind, JOB.kind)
"""Made once the rest stands, one after the other: where there is a Job, there is all that it needs."""
ENDED = frozenset({"Completed", "Failed"})
REPLACING = frozenset({"Restoring", "Verifying", "Switching"})
"""Phases of a Recovery in which the database in use is about to be another."""
RETRY = timedelta(seconds=30)
"""After which an export that waits is looked at again."""
UNKNOWN_INSTANCE: Manifest = {
    "phase": "Failed",
    "reason": "UnknownInstance",
    "message": "there is no DedicatedInstance of this name in this namespace",
}
GAVE_UP = "its Job gave up: look at the pod of component export, and ask again by another InstanceExport"
NOT_OFFERED = (
    "a physical export is of backups that pgBackRest keeps (engine percona): how others are restored by hand "
    "was not tried; take format Logical"
)
EXPIRED = "AddressesExpired"


@dataclass(frozen=True, slots=True)
class Exports:
    """What is done about the orders, what after that, stage by stage, and when something is due for one."""

    actions: tuple[Action, ...] = ()
    after: tuple[tuple[Action, ...], ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What an export stands on: `wanted` of the instance, None where nothing can be rendered; where data may
    be; clauses that an agreement loosens; the version that serves, empty before the first."""

    wanted: Wanted | None
    located: Located
    agreed: frozenset[str]
    serving: str


def exports(instance: Instance, observed: Observed, ground: Ground, *, now: datetime) -> Exports:
    """Every order of the instance, oldest first."""
    found = sorted(observed.exports, key=lambda item: (item.created, item.name))
    actions: list[Action] = [*_swept(instance, observed, found)]
    after: list[tuple[Action, ...]] = []
    dates: list[datetime] = []
    busy = False
    for order in found:
        if get_str(order.status, "phase") in ENDED:
            over, expires = _over(order), _expires(order)
            if now >= over:
                actions.append(Delete(Ref(INSTANCE_EXPORT.kind, order.name), order.uid))
            elif expires is not None and now >= expires:
                told = _expired(expires)
                actions.append(Tell(order.name, {**order.status, **told}, kind=INSTANCE_EXPORT.kind))
            dates += [date for date in (over, expires) if date is not None and now < date]
            continue
        free = not busy and not _standing(instance, observed, order)
        status, asks = _one(instance, observed, order, ground, free=free, now=now)
        busy = busy or status.get("phase") not in ENDED
        actions += [ask for ask in asks if get_str(ask.manifest, "kind") not in LATER]
        after += [(ask,) for ask in asks if get_str(ask.manifest, "kind") in LATER]
        if status != order.status:
            actions.append(Tell(order.name, status, kind=INSTANCE_EXPORT.kind))
        if status.get("phase") not in ENDED:
            dates.append(now + RETRY)
    return Exports(tuple(actions), tuple(after), min(dates, default=None))


def _one(
    instance: Instance,
    observed: Observed,
    order: ExportOrder,
    ground: Ground,
    *,
    free: bool,
    now: datetime,
) -> tuple[Manifest, tuple[Ask, ...]]:
    """The status that an order should have, and what is made for it."""
    name = export.export_name(instance.name)
    job, child = observed.tasks.get(name), observed.children.get(Ref(JOB.kind, name))
    if job is not None and child is not None and child.owner_uid == order.uid:
        return _under_way(observed, order, job, now=now), ()
    if get_str(order.status, "reason") == "Asked":
        # Asked for in an earlier pass: what was made is on its way here, or is gone.
        since = parse_time(get_str(order.status, "startedAt")) or now
        if now - since < RETRY:
            return order.status, ()
    refusal = _impossible(instance, observed, order, ground)
    if refusal is not None:
        return refusal, ()
    hindrance = _hindrance(instance, observed, order, ground, free=free)
    if hindrance is not None:
        return hindrance, ()
    wanted = ground.wanted
    assert wanted is not None
    making = ExportWanted(
        instance=instance,
        order=order.name,
        uid=order.uid,
        spec=order.spec,
        image=observed.agent_image,
        postgres=export.postgres_image(instance, order.spec),
        zitadel=ground.serving,
        config=config.name_of(wanted),
        form=observed.database.form,
        port=observed.database.port if observed.database.usable else PORT,
    )
    status = _pending("Asked", "its Job was made") | {"startedAt": rfc3339(now)}
    return status, tuple(Ask(manifest) for manifest in export.manifests(making))


def _under_way(observed: Observed, order: ExportOrder, job: JobState, *, now: datetime) -> Manifest:
    """What its process tells, or how its Job ended."""
    report = read_report({REPORT: observed.export_report}, export=order.uid)
    if job.complete and (report is None or report.step != "Completed"):
        return {**order.status}  # the last word is on its way
    phase, why = phase_of(report, failed=GAVE_UP if job.failed else "")
    if phase == "Failed" and not job.failed:  # it is tried again
        phase, why = "Pending", f"tried again after a failure: {why}"
    found: Manifest = {"phase": phase, "startedAt": get_str(order.status, "startedAt") or rfc3339(now)}
    if why:
        reason = {"Failed": "ExportFailed", "Pending": "Starting"}.get(phase, "Retrying")
        found |= {"reason": reason, "message": shorten(why, MESSAGE_LENGTH)}
    if report is not None:
        found |= _told(report)
        end = expected_end(report, rates_of(one.status for one in observed.exports), now=now)
        if phase not in ENDED and end is not None:
            found["expectedEnd"] = get_str(order.status, "expectedEnd") if now >= end else rfc3339(end)
    if phase == "Failed":
        found["completedAt"] = rfc3339(now)
    return {name: value for name, value in found.items() if value != ""}


def _told(report: Report) -> Manifest:
    found: Manifest = {}
    if report.total and report.step in ("Dumping", "Listing", "Verifying", "Storing"):
        found["progress"] = {"bytes": report.done, "total": report.total}
    if report.snapshot is not None:
        found["snapshotAt"] = rfc3339(report.snapshot)
    figures = {
        "databaseBytes": report.database_bytes,
        "dumpBytes": report.dump_bytes,
        "storedBytes": report.stored_bytes,
        "rows": report.rows,
        "objects": report.objects,
        "objectBytes": report.object_bytes,
        "dumpSeconds": round(report.took.dump),
        "verifySeconds": round(report.took.verify),
        "storeSeconds": round(report.took.store),
    }
    found |= {name: value for name, value in figures.items() if value}
    if report.step == "Completed":
        found |= {"completedAt": rfc3339(report.written), "manifest": report.manifest}
        found["manifestSha256"] = report.manifest_sha256
        if report.expires is not None:
            found["expires"] = rfc3339(report.expires)
    return found


def rates_of(statuses: Iterable[Manifest]) -> Rates:
    """As the newest completed export of an instance had them; a physical one has none."""
    completed = (status for status in statuses if get_str(status, "phase") == "Completed")
    ended = [status for status in completed if get_int(status, "databaseBytes")]
    newest = max(ended, key=lambda status: get_str(status, "completedAt"), default=None)
    if newest is None:
        return Rates()
    took = Took(*(get_int(newest, f"{name}Seconds") for name in ("dump", "verify", "store")))
    return Rates().learned(get_int(newest, "databaseBytes"), took)


def _impossible(
    instance: Instance, observed: Observed, order: ExportOrder, ground: Ground
) -> Manifest | None:
    """The end of an order that nothing of this instance can carry out."""
    where = order.spec.destination
    if where is not None and (refused := _outside(where, observed, ground)) is not None:
        return refused
    if order.spec.format == "Physical":
        return None if is_offered(instance) else _failed("PhysicalNotOffered", NOT_OFFERED)
    if not export.postgres_image(instance, order.spec):
        text = "the database is external: name an image with its major version's programs in spec.image"
        return _failed("ImageMissing", text)
    return None


def _outside(where: ExportDestination, observed: Observed, ground: Ground) -> Manifest | None:
    """The end of an order that would store outside of the data location (D-1)."""
    place, allowed = place_of_bucket(where.endpoint, where.region), ground.located.allowed
    inside = allowed is None or may_hold(place, allowed=allowed, atlas=observed.atlas)
    if inside or "D-1" in ground.agreed:
        return None
    text = (
        f"bucket {where.bucket} ({place or 'place not known'}) is not known to be inside the data "
        "location: name one that is, or record an agreement on D-1 and name it in spec.agreements"
    )
    return _failed("OutsideRegion", text)


def _hindrance(
    instance: Instance, observed: Observed, order: ExportOrder, ground: Ground, *, free: bool
) -> Manifest | None:
    """Why it cannot begin yet."""
    if not observed.agent_image:
        return _pending("AgentMissing", "no Job can be made: the operator was started without --agent-image")
    if not ground.serving or ground.wanted is None or observed.identity is None:
        return _pending("NotInstalled", "it begins when the instance serves")
    if observed.masterkey.fingerprint != observed.identity.masterkey:
        return _pending("MasterkeyMissing", "it begins when the masterkey is the one of the identity")
    cluster = observed.engine.cluster
    asked = instance.spec.database.cluster is not None and order.spec.format == "Logical"
    away = asked and (cluster is None or not cluster.ready)
    if away or any(one.purpose == "Recovery" and one.told in REPLACING for one in observed.restores):
        return _pending("DatabaseNotReady", "it begins when the database is ready, and no Recovery runs")
    if not free:
        return _pending("AnotherRuns", "it begins when the export that runs has ended")
    return None


def _standing(instance: Instance, observed: Observed, order: ExportOrder) -> bool:
    """Whether something of another export is still there."""
    found = (observed.children.get(ref) for ref in export.refs(instance))
    return any(child is not None and child.owner_uid != order.uid for child in found)


def _swept(instance: Instance, observed: Observed, orders: list[ExportOrder]) -> Iterator[Action]:
    """What was made for an export that ended, or is gone, and a Job that is to be made anew. Its owner
    reference tells whose it is."""
    name = export.export_name(instance.name)
    job = observed.tasks.get(name, JobState())
    anew = not job.failed and observed.is_stranded(job.image, export.COMPONENT, failures=job.failures)
    alive = {order.uid for order in orders if get_str(order.status, "phase") not in ENDED}
    for ref in export.refs(instance):
        child = observed.children.get(ref)
        over = child is not None and (child.owner_uid not in alive or (anew and ref.kind == JOB.kind))
        if child is not None and not child.deleting and over:
            yield Delete(ref, child.uid)


def _pending(reason: str, message: str) -> Manifest:
    return {"phase": "Pending", "reason": reason, "message": message}


def _failed(reason: str, message: str) -> Manifest:
    return {"phase": "Failed", "reason": reason, "message": message}


def _expires(order: ExportOrder) -> datetime | None:
    """When the end of an order's addresses is to be told; None where it was, or it has none."""
    told = get_str(order.status, "reason") == EXPIRED
    return None if told else parse_time(get_str(order.status, "expires"))


def _expired(expires: datetime) -> Manifest:
    text = (
        f"the addresses are refused since {rfc3339(expires)}; whether they were fetched before cannot be "
        "known here: if not, customer must ask for another export"
    )
    return {"reason": EXPIRED, "message": text}


def _over(order: ExportOrder) -> datetime:
    """When an order goes: `keepDays` after its end, or after it was made where it never began."""
    ended = parse_time(get_str(order.status, "completedAt")) or parse_time(order.created)
    assert ended is not None  # the API server gives each object its time
    return ended + timedelta(days=order.spec.keep_days)
