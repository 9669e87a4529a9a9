"""The drills of an instance in a pass: which is asked for, what is recorded of one, which are taken away.

A drill is an `InstanceRestore` like any other (`restores`), asked for by a name made of its slot, so that
asking twice asks once. Once a month one is a dump (`dumps`), never while the other is due. None begins while
a maintenance is near or another restore is under way: it is held as soon as it may. What it has shown is
recorded before its copy goes, once for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import API_VERSION, LABEL_INSTANCE
from dedicated.api.objects import INSTANCE_RESTORE, Ref
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.drills import (
    drill_name,
    drilled,
    due_slot,
    ended_without,
    fact_of,
    is_of_slot,
    known_drills,
    point_of,
)
from dedicated.contract.recovery.points import LISTING_FRESH
from dedicated.contract.recovery.restore import ENDED, OVER
from dedicated.contract.runs import Standing
from dedicated.reconcile.actions import Action, Ask, Delete, RecordFact
from dedicated.reconcile.dumps import dump_order, dump_slots, recorded_dumps
from dedicated.reconcile.proving import drills_of, full_backup
from dedicated.reconcile.restore_steps import VERIFYING
from dedicated.reconcile.restores import Course, Scene, estimated, expectation

KEPT = 3
"""So many orders of drills that passed are left to be looked at, and of drills that failed; records stay."""
YIELDED = "YieldedToRecovery"
LOOK_AGAIN = timedelta(minutes=5)
"""While something is in the way that does not wake by itself."""


@dataclass(frozen=True, slots=True)
class Drilling:
    """What is done, in stages, and when to look again."""

    stages: tuple[tuple[Action, ...], ...] = ()
    wake_at: datetime | None = None


def drilling(scene: Scene, found: tuple[Course, ...], current: Standing | None) -> Drilling:
    """What a pass does about drills. `current` is the maintenance whose turn it is."""
    if scene.instance.spec.backup is None:
        return Drilling()
    records = (*_records(scene, found), *recorded_dumps(scene))
    outdated = tuple(_outdated(scene))
    stages = tuple(stage for stage in (records, outdated) if stage)
    if records:
        return Drilling(stages)
    slot = _slot(scene, found)
    dump, upcoming = dump_slots(scene, drills_of(scene.instance, scene.judgement.database, scene.zone))
    if slot is None and dump is None:
        return Drilling(stages, upcoming)
    if _is_in_the_way(scene, found, current):
        return Drilling(stages, scene.now + LOOK_AGAIN)
    asked = _order(scene, slot) if slot is not None else dump_order(scene, dump) if dump is not None else None
    return Drilling((*stages, (Ask(asked),)) if asked else stages, upcoming)


def _records(scene: Scene, found: tuple[Course, ...]) -> Iterator[Action]:
    """What was shown by drills that are over, and that is not recorded."""
    known = {fact.name for fact in scene.observed.facts if isinstance(fact, Drilled)}
    for course in found:
        fact = _shown(scene, course)
        if fact is None or fact.reason == YIELDED:
            continue
        statement = drilled(scene.instance.name, fact, uid=course.order.uid)
        if statement.name not in known:
            yield RecordFact(statement)


def _shown(scene: Scene, course: Course) -> Drilled | None:
    """What a drill has come to; None while it has not, or where it is none."""
    order, verdict = course.order, scene.observed.verdicts.get(course.order.uid)
    if order.purpose != "Drill" or (course.judged is None and order.told != "Failed"):
        return None
    reason, text = get_str(order.status, "reason"), get_str(order.status, "message")
    begun = course.state.created if course.state else None
    asked = parse_time(order.created) or scene.now
    started = begun or parse_time(get_str(order.status, "startedAt")) or asked
    ended = max(started, course.verified or scene.now)
    judged = course.judged or ended_without(reason, text)
    expected = estimated(scene)
    return fact_of(order.name, judged, verdict, started=started, ended=ended, expected=expected)


def _slot(scene: Scene, found: tuple[Course, ...]) -> datetime | None:
    """The slot that is to be held now. A drill that had to yield counts as one that failed."""
    drills = drills_of(scene.instance, scene.judgement.database, scene.zone)
    held = known_drills(scene.observed.facts)
    shown = [fact for course in found if (fact := _shown(scene, course)) and fact.reason == YIELDED]
    report = scene.judgement.recovery.report
    slot, _ = due_slot(drills, (*held, *shown), full=full_backup(report), now=scene.now)
    return slot


def _is_in_the_way(scene: Scene, found: tuple[Course, ...], current: Standing | None) -> bool:
    """Whether a drill would have to wait: for another restore, or for a maintenance that is on or near."""
    if any(course.phase not in OVER or course.phase == "Removing" for course in found):
        return True
    if current is None or current.slot is None:
        return False
    until = scene.now + VERIFYING + (expectation(scene) or timedelta())
    return current.phase in ("Gates", "Running") or scene.now <= current.slot.start < until


def _order(scene: Scene, slot: datetime) -> Manifest | None:
    """The InstanceRestore of a slot; None where it is not known that something can be restored, or nobody
    could look at it."""
    view, report = scene.judgement.database, scene.judgement.recovery.report
    found = report.found if report else None
    if found is None or found.backup is None or scene.now - found.listed_at > LISTING_FRESH:
        return None
    if view.wanted is None or not scene.observed.agent_image:
        return None
    instance = scene.instance
    spec: Manifest = {"instance": instance.name, "purpose": "Drill"}
    point = point_of(drills_of(instance, view, scene.zone), found, slot)
    if point is not None:
        spec["target"] = rfc3339(point)
    return {
        "apiVersion": API_VERSION,
        "kind": INSTANCE_RESTORE.kind,
        "metadata": {
            "name": drill_name(instance.name, slot),
            "namespace": instance.namespace,
            "labels": {LABEL_INSTANCE: instance.name},
        },
        "spec": spec,
    }


def _outdated(scene: Scene) -> Iterator[Action]:
    """Orders of the operator's own that are over and recorded, but for the newest. What somebody asked for is
    theirs to take away."""
    recorded = {fact.restore for fact in scene.observed.facts if isinstance(fact, Drilled)}
    own = [one for one in scene.observed.restores if is_of_slot(scene.instance.name, one.name)]
    ended = sorted(own, key=lambda one: (one.created, one.name), reverse=True)
    for phase in ENDED:
        for order in [one for one in ended if one.told == phase][KEPT:]:
            if order.name in recorded or get_str(order.status, "reason") == YIELDED:
                yield Delete(Ref(INSTANCE_RESTORE.kind, order.name), order.uid)
