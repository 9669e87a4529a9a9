"""Which backups the operator asks its engine for: what is owed, what repairs, what a maintenance needs."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from builders import DATABASE_FOUND, NOW, UID
from contract.recovery_facts import backup as stored
from contract.recovery_facts import sample
from dedicated.api.json import get_list, get_str
from dedicated.api.objects import PERCONA_BACKUP, Ref
from dedicated.api.resource import FIRST, Database
from dedicated.contract.facts import Request
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.report import Report
from dedicated.contract.recovery.repository import BackupKind
from dedicated.contract.recovery.sampling import Memory
from dedicated.contract.recovery.verdict import is_fresh
from dedicated.contract.recovery.wal import Stretch
from dedicated.contract.runs import RunSlot, Standing
from dedicated.parts.database.engine import ClusterState, EngineRun, EngineState, RunState
from dedicated.reconcile.backups import Asking, Wish, backups, mark_of
from dedicated.reconcile.databases import view
from dedicated.reconcile.observed import Child, Observed
from parts.engine_examples import of

ZONE = "Europe/Zurich"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CREATED = NOW - timedelta(days=3)
CLUSTER = ClusterState(ready=True, servers=3, ready_servers=3, created=CREATED)


def run(kind: BackupKind, ago: timedelta, state: RunState = "Completed", name: str = "r") -> EngineRun:
    at = NOW - ago
    ended = at + MINUTE if state in ("Completed", "Failed") else None
    return EngineRun(name, "acme-database", kind, state, at, at, ended)


def asked(
    *runs: EngineRun,
    engine: str = "percona",
    report: Report | None = None,
    current: Standing | None = None,
    cluster: ClusterState = CLUSTER,
    observed: Observed | None = None,
    now: datetime = NOW,
) -> Asking:
    found = observed or Observed(database=DATABASE_FOUND)
    found = replace(found, engine=EngineState(cluster=cluster, runs=runs))
    instance = of(engine)
    seen = view(instance, found, agreed=(), zone=ZONE, now=now)
    return backups(instance, found, seen, report=report, current=current, zone=ZONE, now=now)


def options(found: Asking) -> list[str]:
    return [str(get_list(ask.manifest, "spec", "options")[0]) for ask in found.asks]


GOOD = (run("full", 11 * HOUR, name="a"), run("differential", 59 * MINUTE, name="b"))


def reported(**changes: object) -> Report:
    found = Recoverability(None, None, stored(3), None, 1, NOW, **changes)  # type: ignore[arg-type]
    return Report(NOW, UID, found, Memory((sample(0, 9),)))


def standing(phase: str, start: datetime) -> Standing:
    request = Request.__new__(Request)
    slot = RunSlot(start, start + 2 * HOUR, "Window")
    return Standing(request, phase, slot)  # type: ignore[arg-type]


def test_nothing_is_asked_for_where_all_came() -> None:
    assert options(asked(*GOOD)) == []


def test_the_first_full_backup_is_owed_as_soon_as_the_database_is_ready() -> None:
    assert options(asked()) == ["--type=full"]
    assert asked(cluster=replace(CLUSTER, ready=False)).asks == ()


def test_what_the_engines_schedule_did_not_bring_is_asked_for() -> None:
    assert options(asked(run("full", 11 * HOUR), run("differential", 3 * HOUR))) == ["--type=diff"]
    assert options(asked(run("full", 40 * HOUR), run("differential", 59 * MINUTE))) == ["--type=full"]


@pytest.mark.parametrize("state", ["Pending", "Running"])
def test_one_at_a_time(state: RunState) -> None:
    assert asked(run("full", MINUTE, state)).asks == ()
    running = (*GOOD, run("differential", MINUTE, state, name="c"))
    assert asked(*running, report=reported(gaps=(Stretch(4, 5),))).asks == ()


def test_asking_twice_asks_for_the_same_object_and_another_run_changes_it() -> None:
    one, again = asked(), asked()
    assert one.asks == again.asks
    wish = Wish("full", "NeverRun")
    assert mark_of(wish, ()) != mark_of(wish, (run("full", MINUTE),))
    assert mark_of(wish, ()) != mark_of(replace(wish, because="Missed"), ())


def test_a_failed_one_is_asked_for_again_later() -> None:
    failed = (*GOOD, run("differential", 10 * MINUTE, "Failed", name="c"))
    found = asked(*failed)
    assert found.asks == ()
    retry = NOW - 10 * MINUTE + MINUTE + timedelta(minutes=15)
    assert found.wake_at is not None
    assert found.wake_at <= retry
    assert options(asked(*failed, now=retry)) == ["--type=diff"]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (reported(), []),
        (reported(gaps=(Stretch(4, 5),)), ["--type=diff"]),
        (replace(reported(), memory=Memory((sample(0, 9, line=2),))), ["--type=diff"]),
        (replace(reported(), found=replace(reported().found, backup=None)), ["--type=full"]),  # type: ignore[type-var]
        (replace(reported(), found=None), []),
    ],
)
def test_what_the_agent_reports_is_repaired(report: Report, expected: list[str]) -> None:
    assert options(asked(*GOOD, report=report)) == expected


@pytest.mark.parametrize("wrong", ["gap", "timeline", "none"])
def test_a_listing_older_than_the_repair_asks_for_no_second_one(wrong: str) -> None:
    at = NOW - 59 * MINUTE
    found = Recoverability(None, None, None if wrong == "none" else stored(3), None, 1, at)
    found = replace(found, gaps=(Stretch(4, 5),) if wrong == "gap" else ())
    sampled = Memory((sample(0, 9, line=2 if wrong == "timeline" else 1),))
    report = Report(NOW, UID, found, sampled)
    assert options(asked(*GOOD, report=report)) == []
    assert options(asked(*GOOD, report=replace(report, found=replace(found, listed_at=NOW)))) != []
    ended = max(item.finished for item in GOOD if item.finished is not None)
    same_second = replace(found, listed_at=ended + timedelta(milliseconds=900))
    assert options(asked(*GOOD, report=replace(report, found=same_second))) == []


def test_what_the_repository_lists_counts_for_its_incarnation_alone() -> None:
    listed = tuple(item.run for item in GOOD)
    assert options(asked(report=replace(reported(), backups=listed))) == []
    other = replace(reported(), backups=listed, incarnation="another")
    assert options(asked(report=other)) == ["--type=full"]


@pytest.mark.parametrize(
    ("phase", "start", "expected"),
    [
        ("Scheduled", NOW + 20 * MINUTE, []),
        ("Scheduled", NOW + 9 * MINUTE, ["--type=diff"]),
        ("Gates", NOW - MINUTE, ["--type=diff"]),
        ("Running", NOW - MINUTE, []),
    ],
)
def test_a_maintenance_begins_with_a_fresh_differential(
    phase: str, start: datetime, expected: list[str]
) -> None:
    assert options(asked(*GOOD, current=standing(phase, start))) == expected
    fresh = (*GOOD, run("differential", 2 * MINUTE, name="c"))
    assert options(asked(*fresh, current=standing(phase, start))) == []


@pytest.mark.parametrize(
    ("phase", "start", "ago", "asks"),
    [
        # Young enough when the slot begins, though not by much.
        ("Scheduled", NOW + 5 * MINUTE, 9 * MINUTE, False),
        ("Scheduled", NOW + 5 * MINUTE, 10 * MINUTE, True),
        ("Scheduled", NOW + 10 * MINUTE, 4 * MINUTE, False),
        ("Scheduled", NOW + 10 * MINUTE, 5 * MINUTE, True),
        # Renewed before the gates call it too old.
        ("Gates", NOW - HOUR, 9 * MINUTE, False),
        ("Gates", NOW - HOUR, 10 * MINUTE, True),
    ],
)
def test_the_gates_rule_tells_when_it_is_asked_for(
    phase: str, start: datetime, ago: timedelta, *, asks: bool
) -> None:
    runs = (*GOOD, run("differential", ago, name="c"))
    found = asked(*runs, current=standing(phase, start))
    assert bool(found.asks) == asks
    newest = runs[-1].run
    opens = is_fresh(newest, at=max(start, NOW))
    assert opens or found.asks, "what the gates refuse is asked for anew"


def test_it_is_looked_at_in_time_for_the_slot() -> None:
    found = asked(*GOOD, current=standing("Scheduled", NOW + 11 * MINUTE))
    assert found.wake_at == NOW + MINUTE


def test_an_engine_without_differentials_makes_a_full_one() -> None:
    found = asked(*GOOD, engine="cloudnative-pg", report=reported(gaps=(Stretch(4, 5),)))
    assert [get_str(ask.manifest, "metadata", "name")[:10] for ask in found.asks] == ["acme-full-"]


def test_what_failed_is_left_for_a_week_and_only_ours_is_taken_away() -> None:
    old = run("differential", timedelta(days=8), "Failed", name="old")
    ours = Child(Ref(PERCONA_BACKUP.kind, "old"), "u1", "1", component="database")
    observed = Observed(database=DATABASE_FOUND, children={ours.ref: ours})
    assert [item.uid for item in asked(*GOOD, old, observed=observed).prunes] == ["u1"]
    theirs = Observed(database=DATABASE_FOUND, children={ours.ref: replace(ours, component="")})
    assert asked(*GOOD, old, observed=theirs).prunes == ()
    young = run("differential", timedelta(days=6), "Failed", name="old")
    assert asked(*GOOD, young, observed=observed).prunes == ()


def test_the_first_backup_of_a_restored_database_is_another_one() -> None:
    wish = Wish("full", "NoBackup")
    restored = Database("acme-db-1a2b3c", "acme-database", NOW)
    assert mark_of(wish, ()) == mark_of(wish, (), FIRST) != mark_of(wish, (), restored)
