"""`InstanceBackup`: what is asked of the engine, what is told, and when an order goes."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest

from builders import NOW, instance
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_backup import InstanceBackupStatus
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import INSTANCE_BACKUP, PERCONA_BACKUP, Ref
from dedicated.api.resource import Instance
from dedicated.parts.database.engine import ClusterState, EngineRun, EngineState
from dedicated.reconcile.actions import Ask, Delete, Tell
from dedicated.reconcile.asked import Order, order_of
from dedicated.reconcile.instance_backups import UNKNOWN_INSTANCE, Orders, orders
from dedicated.reconcile.observed import Child, Observed
from parts.engine_examples import of

MINUTE = timedelta(minutes=1)
READY = ClusterState(ready=True, servers=3, ready_servers=3)
OBJECT = "acme-diff-ib-12345678"


def order(
    kind: Literal["Full", "Differential"] = "Differential", *, name: str = "b", **status: str
) -> Order:
    return Order(name, "12345678-9", "acme", kind, 14, rfc3339(NOW), dict(status))


def run(**changes: object) -> EngineRun:
    found = EngineRun(OBJECT, "acme-database", "differential", "Pending", NOW)
    return replace(found, **changes)  # type: ignore[arg-type]


def done(
    *found: Order,
    of_instance: Instance | None = None,
    cluster: ClusterState | None = READY,
    runs: tuple[EngineRun, ...] = (),
    busy: bool = False,
    children: dict[Ref, Child] | None = None,
    later: timedelta = timedelta(0),
) -> Orders:
    observed = Observed(orders=found, engine=EngineState(cluster=cluster, runs=runs), children=children or {})
    answered = orders(of_instance or of("percona"), observed, busy=busy, now=NOW + later)
    for action in answered.actions:
        if isinstance(action, Tell):
            assert action.kind == INSTANCE_BACKUP.kind
            InstanceBackupStatus.model_validate(action.status)
    return answered


def told(found: Orders) -> Manifest:
    (status,) = [action.status for action in found.actions if isinstance(action, Tell)]
    return status


def asks(found: Orders) -> list[str]:
    made = [action.manifest for action in found.actions if isinstance(action, Ask)]
    return [get_str(manifest, "metadata", "name") for manifest in made]


def test_an_order_is_passed_on_once() -> None:
    found = done(order())
    assert asks(found) == [OBJECT]
    assert (told(found)["state"], told(found)["object"]) == ("Pending", OBJECT)
    assert asks(done(order(), runs=(run(),))) == []


@pytest.mark.parametrize(
    ("cluster", "runs", "busy", "reason"),
    [
        (None, (), False, "DatabaseNotReady"),
        (replace(READY, ready=False), (), False, "DatabaseNotReady"),
        (READY, (run(name="another", state="Running"),), False, "AnotherRuns"),
        (READY, (), True, "AnotherRuns"),
    ],
)
def test_what_it_waits_for(
    cluster: ClusterState | None,
    runs: tuple[EngineRun, ...],
    busy: bool,
    reason: str,
) -> None:
    found = done(order(), cluster=cluster, runs=runs, busy=busy)
    assert asks(found) == []
    assert (told(found)["state"], told(found)["reason"]) == ("Pending", reason)


def test_two_orders_take_turns() -> None:
    later = replace(order("Full", name="c"), uid="abcdefgh-1")
    assert asks(done(later, order())) == [OBJECT]


def test_what_cannot_be_done_is_told_at_once() -> None:
    external = told(done(order(), of_instance=instance()))
    assert (external["state"], external["reason"]) == ("Failed", "ExternalDatabase")
    lacking = told(done(order(), of_instance=of("cloudnative-pg")))
    assert (lacking["state"], lacking["reason"]) == ("Failed", "DifferentialUnsupported")
    assert asks(done(order("Full"), of_instance=of("cloudnative-pg"))) == ["acme-full-ib-12345678"]
    InstanceBackupStatus.model_validate(UNKNOWN_INSTANCE)


def test_what_came_of_it() -> None:
    ended = run(state="Completed", started=NOW, finished=NOW + MINUTE, stored=7, label="20260301D")
    found = told(done(order(), runs=(ended,)))
    assert found == {
        "state": "Completed",
        "object": OBJECT,
        "startedAt": rfc3339(NOW),
        "completedAt": rfc3339(NOW + MINUTE),
        "newestPoint": rfc3339(NOW),
        "durationSeconds": 60,
        "sizeBytes": 7,
        "label": "20260301D",
    }
    failed = told(done(order(), runs=(run(state="Failed", finished=NOW, error="disk full"),)))
    assert (failed["state"], failed["reason"], failed["message"]) == ("Failed", "BackupFailed", "disk full")
    assert "newestPoint" not in failed
    lost = told(done(order(state="Running", object=OBJECT)))
    assert (lost["state"], lost["reason"]) == ("Failed", "BackupLost")


def test_an_end_that_was_told_stays() -> None:
    assert done(order(state="Completed", completedAt=rfc3339(NOW)), runs=(run(state="Failed"),)).actions == ()


def test_an_order_goes_when_its_days_are_over_and_the_engines_object_with_it() -> None:
    ended = order(state="Completed", completedAt=rfc3339(NOW), object=OBJECT)
    assert done(ended).wake_at == NOW + timedelta(days=14)
    child = Child(Ref(PERCONA_BACKUP.kind, OBJECT), "u1", "1", component="database")
    found = done(ended, children={child.ref: child}, later=timedelta(days=14))
    assert [action.uid for action in found.actions if isinstance(action, Delete)] == ["u1", "12345678-9"]
    refused = order(state="Failed", reason="ExternalDatabase")
    assert len(done(refused, of_instance=instance(), later=timedelta(days=14)).actions) == 1


def test_an_order_is_read_with_the_defaults_of_its_definition() -> None:
    spec: Manifest = {"instance": "acme", "kind": "Differential", "keepDays": 3}
    metadata: Manifest = {"name": "b", "uid": "u", "creationTimestamp": rfc3339(NOW)}
    found = order_of({"metadata": metadata, "spec": spec})
    assert found == Order("b", "u", "acme", "Differential", 3, rfc3339(NOW))
