"""`InstanceExport`: what is made, in which order, what is told, and when it goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.export_examples import FULL, PHYSICAL
from builders import NOW, instance, wanted
from contract.export_examples import REPORT
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_export import InstanceExportSpec, InstanceExportStatus
from dedicated.api.instance_restore import Purpose
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE_EXPORT, JOB, Ref
from dedicated.contract.transfer.export import failed, report_json
from dedicated.parts.database.engine import ClusterState, EngineState
from dedicated.parts.export import export_name, refs
from dedicated.parts.keys import Identity, MasterkeyReading
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Ask, Delete, Tell
from dedicated.reconcile.asked import ExportOrder, RestoreOrder
from dedicated.reconcile.exports import RETRY, Exports, Ground, exports, rates_of
from dedicated.reconcile.location import Located
from dedicated.reconcile.observed import Child, Observed, PodState
from parts.engine_examples import of

ACME = of("percona")
INSIDE = Located(condition=None, allowed=frozenset({"DE"}))  # type: ignore[arg-type]
GROUND = Ground(replace(wanted(), instance=ACME), INSIDE, frozenset(), "v4.7.1")
OBSERVED = Observed(
    agent_image="operator:1",
    identity=Identity("salt", "print"),
    masterkey=MasterkeyReading(found=True, fingerprint="print"),
    engine=EngineState(cluster=ClusterState(ready=True, servers=3, ready_servers=3)),
)
JOB_REF = Ref(JOB.kind, "acme-export")


def restoring(phase: str, *, purpose: Purpose = "Recovery") -> RestoreOrder:
    return RestoreOrder("back", "r", "acme", purpose, rfc3339(NOW), status={"phase": phase})


def order(name: str = "out", uid: str = "order", spec: Manifest | None = None, **status: str) -> ExportOrder:
    asked = InstanceExportSpec.model_validate(spec or FULL)
    return ExportOrder(name, uid, "acme", rfc3339(NOW), asked, dict(status))


def made(*, owner: str = "order", but: Ref | None = None) -> dict[Ref, Child]:
    """All that is made for an export."""
    return {ref: Child(ref, f"uid-{ref}", "1", owner_uid=owner) for ref in refs(ACME) if ref != but}


def done(
    observed: Observed, *found: ExportOrder, ground: Ground = GROUND, later: timedelta = timedelta(0)
) -> Exports:
    answered = exports(ACME, replace(observed, exports=found), ground, now=NOW + later)
    for action in answered.actions:
        if isinstance(action, Tell):
            assert action.kind == INSTANCE_EXPORT.kind
            InstanceExportStatus.model_validate(action.status)
    return answered


def told(found: Exports) -> Manifest:
    (status,) = [action.status for action in found.actions if isinstance(action, Tell)]
    return status


def asks(found: Exports) -> list[str]:
    every = [*found.actions, *(action for stage in found.after for action in stage)]
    return [get_str(action.manifest, "kind") for action in every if isinstance(action, Ask)]


def under_way(report: str, job: JobState | None = None) -> Observed:
    tasks = {export_name("acme"): job or JobState()}
    return replace(OBSERVED, children=made(), tasks=tasks, export_report=report)


def test_the_job_and_the_binding_are_made_after_all_else() -> None:
    found = done(OBSERVED, order())
    kinds = ["ConfigMap", "ServiceAccount", "Role", "NetworkPolicy", "NetworkPolicy", "RoleBinding", "Job"]
    assert asks(found) == kinds
    assert [len(stage) for stage in found.after] == [1, 1]
    assert (told(found)["phase"], told(found)["reason"]) == ("Pending", "Asked")


def test_what_was_asked_for_a_moment_ago_is_not_asked_for_again_and_later_it_is() -> None:
    asked = order(phase="Pending", reason="Asked", message="its Job was made", startedAt=rfc3339(NOW))
    assert asks(done(OBSERVED, asked, later=RETRY / 2)) == []
    partly = replace(OBSERVED, children=made(but=JOB_REF))
    assert "Job" in asks(done(partly, asked, later=RETRY))


@pytest.mark.parametrize(
    ("observed", "ground", "reason"),
    [
        (replace(OBSERVED, agent_image=""), GROUND, "AgentMissing"),
        (OBSERVED, replace(GROUND, serving=""), "NotInstalled"),
        (OBSERVED, replace(GROUND, wanted=None), "NotInstalled"),
        (replace(OBSERVED, masterkey=MasterkeyReading(found=False)), GROUND, "MasterkeyMissing"),
        (replace(OBSERVED, restores=(restoring("Verifying"),)), GROUND, "DatabaseNotReady"),
        (replace(OBSERVED, engine=EngineState()), GROUND, "DatabaseNotReady"),
        (replace(OBSERVED, children=made(owner="another")), GROUND, "AnotherRuns"),
    ],
)
def test_what_it_waits_for(observed: Observed, ground: Ground, reason: str) -> None:
    found = done(observed, order(), ground=ground)
    assert asks(found) == []
    assert (told(found)["phase"], told(found)["reason"]) == ("Pending", reason)
    assert found.wake_at == NOW + RETRY


@pytest.mark.parametrize("restore", [restoring("Retained"), restoring("Restoring", purpose="Drill")])
def test_it_waits_for_no_restore_that_leaves_the_database_as_it_is(restore: RestoreOrder) -> None:
    found = exports(ACME, replace(OBSERVED, restores=(restore,), exports=(order(),)), GROUND, now=NOW)
    assert get_str(told(found), "reason") == "Asked"


def test_outside_the_data_location_it_is_refused_without_an_agreement() -> None:
    swiss = replace(GROUND, located=replace(INSIDE, allowed=frozenset({"CH"})))
    found = done(OBSERVED, order(), ground=swiss)
    assert asks(found) == []
    assert (told(found)["phase"], told(found)["reason"]) == ("Failed", "OutsideRegion")
    assert "Job" in asks(done(OBSERVED, order(), ground=replace(swiss, agreed=frozenset({"D-1"}))))


def test_progress_and_the_expected_end_are_told() -> None:
    status = told(done(under_way(report_json(REPORT)), order()))
    assert status["phase"] == "Storing"
    assert status["progress"] == {"bytes": 5, "total": 10}
    assert (status["rows"], status["dumpSeconds"], status["databaseBytes"]) == (1003, 20, 2_000_000_000)
    assert "expectedEnd" in status


def test_the_estimate_is_learned_from_the_last_export() -> None:
    last = order("last", "last", phase="Completed", completedAt=rfc3339(NOW))
    figures: Manifest = {"databaseBytes": 2_000_000_000, "dumpSeconds": 2000}
    slow = replace(last, status={**last.status, **figures, "verifySeconds": 2000, "storeSeconds": 2000})
    plain = told(done(under_way(report_json(REPORT)), order()))
    learned = told(done(under_way(report_json(REPORT)), order(), slow))
    assert str(learned["expectedEnd"]) > str(plain["expectedEnd"])


def test_a_failure_is_tried_again_until_its_job_gives_up() -> None:
    report = report_json(failed(REPORT, "the store refuses: AccessDenied", at=NOW))
    retried = told(done(under_way(report), order()))
    assert (retried["phase"], retried["reason"]) == ("Pending", "Starting")
    over = told(done(under_way(report, JobState(failed=True)), order()))
    assert (over["phase"], over["reason"]) == ("Failed", "ExportFailed")
    assert over["message"] == "the store refuses: AccessDenied"
    assert over["completedAt"] == rfc3339(NOW)


def test_what_ended_is_swept_away_and_only_then_the_next_begins() -> None:
    complete = replace(
        REPORT, step="Completed", manifest="customer/acme/out/manifest.json", manifest_sha256="0" * 64
    )
    status = told(done(under_way(report_json(complete), JobState(complete=True)), order()))
    assert (status["phase"], status["manifest"]) == ("Completed", "customer/acme/out/manifest.json")
    ended = replace(order(), status=status)
    following = order("second", "second")
    found = done(under_way(report_json(complete)), ended, following)
    assert [action.ref for action in found.actions if isinstance(action, Delete)] == [*refs(ACME)]
    assert told(found)["reason"] == "AnotherRuns"
    assert "Job" in asks(done(OBSERVED, ended, following))


def test_one_at_a_time_the_oldest_first() -> None:
    found = done(OBSERVED, order("b", "b"), order("a", "a"))
    assert asks(found).count("Job") == 1
    reasons = {action.name: action.status["reason"] for action in found.actions if isinstance(action, Tell)}
    assert reasons == {"a": "Asked", "b": "AnotherRuns"}


def test_a_complete_job_without_its_last_word_changes_nothing() -> None:
    before = order(phase="Storing")
    found = done(under_way(report_json(REPORT), JobState(complete=True)), before)
    assert [action for action in found.actions if isinstance(action, Tell)] == []


def physical(**status: str) -> ExportOrder:
    return order(spec=PHYSICAL, **status)


def test_a_physical_export_needs_no_database_that_answers() -> None:
    away = replace(OBSERVED, engine=EngineState())
    found = done(away, physical())
    kinds = ["ConfigMap", "ServiceAccount", "Role", "NetworkPolicy", "RoleBinding", "Job"]
    assert asks(found) == kinds
    waiting = done(replace(away, restores=(restoring("Switching"),)), physical())
    assert told(waiting)["reason"] == "DatabaseNotReady"


@pytest.mark.parametrize("engine", ["cloudnative-pg", "external"])
def test_a_physical_export_is_refused_where_nobody_could_restore_it(engine: str) -> None:
    found = instance() if engine == "external" else of(engine)
    answered = exports(found, replace(OBSERVED, exports=(physical(),)), GROUND, now=NOW)
    assert asks(answered) == []
    status = told(answered)
    assert (status["phase"], status["reason"]) == ("Failed", "PhysicalNotOffered")
    assert "take format Logical" in str(status["message"])


def test_a_physical_export_is_held_to_the_data_location_too() -> None:
    swiss = replace(GROUND, located=replace(INSIDE, allowed=frozenset({"CH"})))
    assert told(done(OBSERVED, physical(), ground=swiss))["reason"] == "OutsideRegion"


def test_addresses_are_told_with_their_end_and_that_it_has_come() -> None:
    expires = NOW + timedelta(hours=24)
    complete = replace(
        REPORT, step="Completed", database_bytes=0, objects=7, object_bytes=70, expires=expires,
        manifest="m.json", manifest_sha256="0" * 64,
    )  # fmt: skip
    status = told(done(under_way(report_json(complete), JobState(complete=True)), physical()))
    assert (status["objects"], status["objectBytes"], status["expires"]) == (7, 70, rfc3339(expires))
    ended = replace(physical(), status=status)
    before = done(OBSERVED, ended)
    assert (before.actions, before.wake_at) == ((), expires)
    after = done(OBSERVED, ended, later=timedelta(hours=24))
    said = told(after)
    assert (said["phase"], said["reason"]) == ("Completed", "AddressesExpired")
    assert "cannot be known here" in str(said["message"])
    assert done(OBSERVED, replace(ended, status=said), later=timedelta(hours=25)).actions == ()


def test_nothing_is_learned_of_a_logical_export_from_a_physical_one() -> None:
    figures: Manifest = {"databaseBytes": 2_000_000_000, "dumpSeconds": 2000, "verifySeconds": 2000}
    logical: Manifest = {"phase": "Completed", "completedAt": rfc3339(NOW), **figures}
    later: Manifest = {"phase": "Completed", "completedAt": rfc3339(NOW + timedelta(hours=1))}
    assert rates_of([logical, later]) == rates_of([logical]) != rates_of([later])


def test_an_order_goes_after_its_days() -> None:
    ended = order(phase="Completed", completedAt=rfc3339(NOW))
    assert done(OBSERVED, ended).wake_at == NOW + timedelta(days=7)
    (gone,) = done(OBSERVED, ended, later=timedelta(days=7)).actions
    assert gone == Delete(Ref(INSTANCE_EXPORT.kind, "out"), "order")


def test_the_record_of_nobody_is_swept() -> None:
    orphan = replace(OBSERVED, children=made(owner="gone"))
    swept = [action.ref for action in done(orphan).actions if isinstance(action, Delete)]
    assert Ref(CONFIG_MAP.kind, "acme-export") in swept


def test_a_job_of_another_operator_that_gets_nowhere_is_made_anew() -> None:
    report = report_json(REPORT)
    stuck = PodState("export-0", "export", "z", False, False, False, "image operator:0 cannot be pulled")
    at_work = done(under_way(report, JobState(image="operator:0")), order(phase="Dumping"))
    assert not [one for one in at_work.actions if isinstance(one, Delete)]
    observed = replace(under_way(report, JobState(image="operator:0")), pods=(stuck,))
    gone = [one.ref for one in done(observed, order(phase="Dumping")).actions if isinstance(one, Delete)]
    assert gone == [JOB_REF]
    ours = replace(under_way(report, JobState(image="operator:1")), pods=(stuck,))
    assert not [one for one in done(ours, order(phase="Dumping")).actions if isinstance(one, Delete)]
    # Without it all is asked for again: what stands already stays.
    without = replace(observed, tasks={}, children=made(but=JOB_REF))
    assert "Job" in asks(done(without, order(phase="Dumping")))
