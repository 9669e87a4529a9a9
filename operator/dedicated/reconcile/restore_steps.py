"""What a pass does about the restores of an instance, and what it tells of them.

A record comes before what follows from it: the switch, and each removal, are carried out by a pass that has
read the record. A removal names the object by its uid, and never touches the instance's database. What an
ended restore was told as stays told. A database whose restore is asked for no more is removed like any other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339, shorten
from dedicated.api.findings import Finding
from dedicated.api.instance_restore import MESSAGE_LENGTH
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE_RESTORE, JOB, NETWORK_POLICY, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract.dates import earliest
from dedicated.contract.facts import Restored
from dedicated.contract.records import database_removed
from dedicated.contract.recovery.restore import (
    ENDED,
    OVER,
    may_remove,
    overdue_at,
    restored,
)
from dedicated.parts import network, verification
from dedicated.parts.database.engine import COMPONENT, on_cluster
from dedicated.parts.database.engines import adapter_of
from dedicated.reconcile.actions import Action, Delete, RecordFact, Settled, Tell
from dedicated.reconcile.changes import Changes, changes
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.restore_findings import findings, stuck_at
from dedicated.reconcile.restore_words import hold, words
from dedicated.reconcile.restores import Course, Scene, estimated, expectation, is_backed

VERIFYING = timedelta(minutes=10)
"""What a verification adds to an estimate."""
UNKNOWN_INSTANCE: Manifest = {
    "phase": "Failed",
    "reason": "UnknownInstance",
    "message": "there is no DedicatedInstance of this name in this namespace",
    "responsible": "Provider",
}
REACHED = ("target", "clamped", "cluster")
"""Told as long as there is a database to tell of, and kept afterwards."""
SHOWN = ("name", "purpose", "phase", "message", "responsible", "target", "expectedEnd", "cluster")


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done, in stages, what the instance's status tells, who must act, and when to look again."""

    stages: tuple[tuple[Action, ...], ...] = ()
    status: Manifest | None = None
    findings: tuple[Finding, ...] = ()
    wake_at: datetime | None = None


def steps(scene: Scene, found: tuple[Course, ...]) -> Steps:
    """Everything beside what stands there (`reconcile.beside`)."""
    told = [(course, _status(scene, course)) for course in found]
    records = [*_switches(scene, found), *_removals(scene, found)]
    tells = [
        Tell(course.order.name, status, kind=INSTANCE_RESTORE.kind)
        for course, status in told
        if status != course.order.status
    ]
    stages = (tuple(records), (*_deletions(scene), *_renewals(scene, found)), tuple(tells))
    return Steps(
        tuple(stage for stage in stages if stage),
        _shown(told),
        tuple(findings(scene, found)),
        earliest(*(_look_again(scene, course) for course in found)),
    )


def standing_beside(
    instance: Instance,
    observed: Observed,
    made: tuple[Manifest, ...],
    again: frozenset[Ref] = frozenset(),
    *,
    settled: Settled,
    now: datetime,
) -> Changes:
    """What is done for what should stand beside the database (`reconcile.beside`); `again` is made anew."""
    kept = tuple(manifest for manifest in made if ref_of(manifest) not in again)
    desired = Desired(kept, untouched=frozenset(), replaced=again, waiting="", complete=False)
    return changes(instance, desired, observed, settled=settled, now=now)


def _switches(scene: Scene, found: tuple[Course, ...]) -> Iterator[Action]:
    """The record by which a verified database becomes the instance's, once its setup is done."""
    for course in found:
        if course.phase == "Switching" and course.fact is None and hold(scene, course) == "":
            yield RecordFact(restored(scene.instance.name, _fact(scene, course)))


def _fact(scene: Scene, course: Course) -> Restored:
    assert course.target is not None
    verified = course.verified or scene.now
    begun = course.state.created if course.state else None
    report = scene.judgement.recovery.report
    found = report.found if report else None
    return Restored(
        name="",
        at=scene.now,
        by="",
        restore=course.order.name,
        cluster=course.cluster,
        source=course.source,
        point=course.target.point,
        exact=course.target.exact,
        started=min(begun or verified, verified),
        verified=verified,
        retain=course.order.retain,
        expected=estimated(scene),
        part=course.part if course.part != course.source else "",
        earliest=(found.earliest or found.newest) if found else None,
        newest=found.newest if found else None,
    )


def _removals(scene: Scene, found: tuple[Course, ...]) -> Iterator[Action]:
    """The records that a database is no longer needed."""
    for cluster, restore in _unneeded(scene, found):
        child = _cluster(scene, cluster)
        if child is not None and cluster != scene.live:
            statement = database_removed(scene.instance.name, cluster=cluster, uid=child.uid, restore=restore)
            yield RecordFact(statement)


def _unneeded(scene: Scene, found: tuple[Course, ...]) -> Iterator[tuple[str, str]]:
    """Clusters and the restores that they were made or replaced by."""
    recorded = {fact.cluster for fact in scene.removals}
    asked = {course.superfluous for course in found} | {course.cluster for course in found}
    for course in found:
        if may_remove(course.known) and course.superfluous not in recorded:
            yield course.superfluous, course.order.name
    facts = [fact for fact in scene.observed.facts if isinstance(fact, Restored)]
    for cluster, state in scene.observed.engine.others.items():
        if cluster in asked or cluster in recorded:
            continue
        replaced = next((fact for fact in facts if fact.source == cluster), None)
        if replaced is not None and scene.now >= replaced.at + replaced.retain and is_backed(scene):
            yield cluster, replaced.restore
        elif replaced is None and state.origin is not None:
            yield cluster, state.origin.restore


def _deletions(scene: Scene) -> Iterator[Action]:
    """What a record has said to be no longer needed: the cluster with its volumes, where it archived to, who
    came to it, and the orders of its backups that are ours."""
    adapter = adapter_of(scene.instance)
    children = scene.observed.children
    for fact in scene.removals:
        child = _cluster(scene, fact.cluster)
        if fact.cluster == scene.live:
            continue
        if child is not None and not child.deleting:
            yield Delete(child.ref, child.uid, finalizer=adapter.with_volumes)
        own = adapter.belongings(on_cluster(scene.instance, fact.cluster))
        refs = [Ref(NETWORK_POLICY.kind, fact.cluster), *own]
        if adapter.backup_kind is not None:
            runs = (run for run in scene.observed.engine.past if run.cluster == fact.cluster)
            refs += [Ref(adapter.backup_kind.kind, run.name) for run in runs]
        for ref in refs:
            one = children.get(ref)
            if one is not None and not one.deleting and one.component in (COMPONENT, network.COMPONENT):
                yield Delete(ref, one.uid)


def _renewals(scene: Scene, found: tuple[Course, ...]) -> Iterator[Action]:
    """Verifications to be made anew by this operator."""
    for course in found:
        name = verification.verdict_name(course.order.name)
        job, child = scene.observed.tasks.get(name), scene.observed.children.get(Ref(JOB.kind, name))
        if course.phase != "Verifying" or job is None or child is None or job.deleting:
            continue
        if scene.observed.is_stranded(job.image, verification.COMPONENT, failures=job.failures):
            yield Delete(child.ref, child.uid)


def _cluster(scene: Scene, name: str) -> Child | None:
    kind = adapter_of(scene.instance).cluster_kind
    return scene.observed.children.get(Ref(kind.kind, name)) if kind else None


def _status(scene: Scene, course: Course) -> Manifest:
    """The status that a restore should have."""
    known = course.order.status
    removed = next((fact for fact in scene.removals if fact.cluster == course.superfluous), None)
    over: Manifest = {"removedAt": rfc3339(removed.at)} if removed else {}
    if course.phase in ENDED and get_str(known, "phase") == course.phase:
        return {**known, **over}
    reason, message, responsible = words(scene, course)
    found: Manifest = {"phase": course.phase, "reason": reason, "message": shorten(message, MESSAGE_LENGTH)}
    found |= {"responsible": responsible} if responsible else {}
    found |= {field: known[field] for field in REACHED if field in known}
    if course.target is not None and (course.state is not None or course.fact is not None):
        asked = course.order.target
        found["target"] = rfc3339(course.target.point)
        found["clamped"] = asked is not None and asked > course.target.point
        found["cluster"] = course.cluster
    found |= {key: value for key, value in _times(scene, course).items() if value}
    return found | over


def _times(scene: Scene, course: Course) -> Manifest:
    known, begun = course.order.status, course.state.created if course.state else None
    started = get_str(known, "startedAt") or (rfc3339(begun) if begun else "")
    verified = get_str(known, "verifiedAt") or (rfc3339(course.verified) if course.verified else "")
    end = get_str(known, "expectedEnd")
    needed = expectation(scene)
    if not end and begun is not None and needed is not None:
        end = rfc3339(begun + needed + VERIFYING)
    found: Manifest = {
        "startedAt": started,
        "expectedEnd": end,
        "verifiedAt": verified,
        "switchedAt": rfc3339(course.fact.at) if course.fact else "",
        "keepUntil": rfc3339(course.keep_until) if course.keep_until else "",
    }
    first, last = parse_time(started), parse_time(verified)
    if first is not None and last is not None:
        found["durationSeconds"] = max(0, int((last - first).total_seconds()))
    return found


def _shown(told: list[tuple[Course, Manifest]]) -> Manifest | None:
    """What the instance's status tells: the restore that is under way, else the newest of which a database is
    still there."""
    open_ones = [
        (course, status)
        for course, status in told
        if course.phase not in ENDED or (course.phase == "Failed" and course.known.made)
    ]
    under_way = [one for one in open_ones if one[0].phase not in OVER]
    chosen = (under_way or open_ones[-1:])[:1]
    for course, status in chosen:
        named: Manifest = {"name": course.order.name, "purpose": course.order.purpose, **status}
        return {key: named[key] for key in SHOWN if key in named}
    return None


def _look_again(scene: Scene, course: Course) -> datetime | None:
    dates = [course.keep_until]
    if course.phase == "Switching":
        dates.append(stuck_at(scene, course))
    begun = course.state.created if course.state else None
    if begun is not None and course.phase in ("Restoring", "Verifying"):
        dates.append(overdue_at(begun, expectation(scene)))
    return min((at for at in dates if at is not None and at > scene.now), default=None)
