"""The drills by a dump in a pass: which is asked for, and what is recorded of one.

Such a drill is an `InstanceExport` with purpose Drill (`exports`): made, imported, compared and gone with its
pod. It is asked for by a name made of its slot, so that asking twice asks once, and by people as `dedicated
drill --logical`. Either is recorded, once for each.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_int, get_str
from dedicated.api.names import API_VERSION, LABEL_INSTANCE
from dedicated.api.objects import INSTANCE_EXPORT
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.drills import Drills, drilled, known_drills
from dedicated.contract.recovery.dumps import due_dump, dump_name, dumped_fact, scratch_of
from dedicated.reconcile.actions import Action, RecordFact
from dedicated.reconcile.asked import ExportOrder
from dedicated.reconcile.exports import ENDED
from dedicated.reconcile.restores import Scene


def recorded_dumps(scene: Scene) -> Iterator[Action]:
    """What was shown by dumps that are over, and that is not recorded."""
    known = {fact.name for fact in scene.observed.facts if isinstance(fact, Drilled)}
    for order in scene.observed.exports:
        if order.spec.purpose == "Drill" and get_str(order.status, "phase") in ENDED:
            statement = drilled(scene.instance.name, _shown(scene, order), uid=order.uid)
            if statement.name not in known:
                yield RecordFact(statement)


def dump_slots(scene: Scene, drills: Drills) -> tuple[datetime | None, datetime | None]:
    """The slot whose dump is to be asked for now, and when to look again; none while one is under way, or
    where nobody could make it."""
    orders = [one for one in scene.observed.exports if one.spec.purpose == "Drill"]
    cluster = scene.instance.spec.database.cluster
    if cluster is None or not scene.observed.agent_image:
        return None, None
    facts = scene.observed.facts
    dumps = known_drills(facts, logical=True)
    slot, upcoming = due_dump(drills.identity, known_drills(facts), dumps, now=scene.now)
    if any(get_str(order.status, "phase") not in ENDED for order in orders):
        return None, upcoming
    return slot, upcoming


def dump_order(scene: Scene, slot: datetime) -> Manifest:
    """The InstanceExport of a slot. How large the database is, the newest backup tells."""
    instance, report = scene.instance, scene.judgement.recovery.report
    backup = report.found.backup if report is not None and report.found is not None else None
    size = backup.database if backup is not None else 0
    return {
        "apiVersion": API_VERSION,
        "kind": INSTANCE_EXPORT.kind,
        "metadata": {
            "name": dump_name(instance.name, slot),
            "namespace": instance.namespace,
            "labels": {LABEL_INSTANCE: instance.name},
        },
        "spec": {
            "instance": instance.name,
            "purpose": "Drill",
            "scratch": {"size": scratch_of(size)},
        },
    }


def _shown(scene: Scene, order: ExportOrder) -> Drilled:
    status, now = order.status, scene.now
    passed = get_str(status, "phase") == "Completed"
    size, rows = get_int(status, "databaseBytes"), get_int(status, "rows")
    found = get_str(status, "message")
    if passed:
        found = f"imported into an empty server, {rows} rows and every table's checksum equal"
    asked = parse_time(order.created) or now
    started = parse_time(get_str(status, "startedAt")) or asked
    return dumped_fact(
        order.name,
        passed=passed,
        found=found or get_str(status, "reason"),
        started=started,
        ended=parse_time(get_str(status, "completedAt")) or now,
        size=size,
        took=timedelta(seconds=get_int(status, "dumpSeconds") + get_int(status, "verifySeconds")),
    )
