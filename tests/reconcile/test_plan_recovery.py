"""The recovery report in a pass: what the status says of it, how often, and what it never flips."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from api.key_examples import KEY_BUNDLE
from builders import NOW, UID, body, clustered, nodes, spec
from contract.recovery_facts import backup, good_store, listing
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import PERCONA_CLUSTER, Ref
from dedicated.api.status import InstanceStatus
from dedicated.contract.facts import Stretch
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import MANAGER, Failover, Replication, Report, Standby, Trouble
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.verdict import JUDGED
from dedicated.contract.recovery.wal import SEGMENT
from dedicated.parts.database.engine import ClusterState, EngineRun, EngineState
from dedicated.parts.recovery_agent import Kept
from dedicated.reconcile.actions import Apply, Plan
from dedicated.reconcile.observed import PodState
from reconcile.simulation import Cluster

MINUTE = timedelta(minutes=1)
IMAGE = "images.example.test/operator:1"
SECRET = "acme-database-pguser-zitadel"
FIELDS = {
    "host": b"db.example.test",
    "port": b"5432",
    "database": b"zitadel",
    "username": b"zitadel",
    "password": b"hunter2secret",
}
GOOD_STORE = good_store(NOW)
BOTH = (Standby("db-1", "streaming", "quorum", 70), Standby("db-2", "streaming", "quorum", 70))


def managed(engine: str = "percona", *, secret: str = SECRET, agent_image: str = "") -> Cluster:
    """An instance with a database that an engine runs, and has whole."""
    kept: Manifest = {"keyBundle": KEY_BUNDLE} if agent_image else {}
    of: Manifest = {**body(), "spec": spec(**clustered(engine, **kept))}
    # One backup runs, so that the operator asks for no other.
    runs = (EngineRun("first", "acme-database", "full", "Running", NOW, NOW),)
    whole = EngineState(cluster=ClusterState(ready=True, servers=3, ready_servers=3), runs=runs)
    return Cluster(
        of,
        nodes=tuple(replace(node, place="gcp:europe-west6") for node in nodes()),
        secrets={secret: FIELDS},
        engine=whole,
        agent_image=agent_image,
    )


def stand() -> Cluster:
    """An instance with a database of its own, at rest; its agent has not reported yet."""
    cluster = managed(agent_image=IMAGE)
    cluster.stand()
    made = cluster.server.now
    cluster.pods += [
        PodState(f"db-{number}", "database", f"z{number + 1}-1", True, False, False, "", ready_since=made)
        for number in range(3)
    ]
    cluster.recovery = Kept(made, None)
    cluster.settle()
    return cluster


def report(now: datetime, *, since: datetime | None = None) -> Report:
    """All is well as of now, a minute after the full backup at `since`."""
    begun = (since or now) - MINUTE
    full = replace(backup(3), started=begun, completed=begun)
    memory = Memory((Sample(now, int(7.5 * SEGMENT), 1),))
    known = replace(listing({1: range(3, 9)}, full), at=now)
    return Report(
        now,
        UID,
        recoverability(known, memory, now=now),
        memory,
        (BackupRun("full", begun, since or now, label="20260301F", stored=7),),
        Replication(now, "db-0", 1, 71, BOTH),
        stores=(replace(GOOD_STORE, at=now),),
    )


def tell(cluster: Cluster, what: Report | None) -> Plan:
    """The agent reports; the passes after it."""
    made = cluster.recovery.made if cluster.recovery else None
    cluster.recovery = Kept(made, what)
    return cluster.settle()


def recovery(cluster: Cluster) -> Manifest:
    """The field of the status, which fits its schema."""
    InstanceStatus.model_validate(cluster.body["status"])
    return get_map(cluster.body, "status", "recovery")


def statuses(cluster: Cluster) -> set[str]:
    return {cluster.condition(kind)[0] for kind in ("DataProtected", *JUDGED)}




def test_an_external_database_is_not_judged_and_keeps_the_instance_ready() -> None:
    cluster = Cluster(body())
    cluster.stand()
    assert statuses(cluster) == {"Unknown"}
    assert "its provider answers" in cluster.message("DataProtected")
    assert cluster.condition("Ready")[0] == "True"
    assert cluster.condition("HighlyAvailable") == ("True", "SurvivesAnyZone")
    assert recovery(cluster) == {}
    assert cluster.findings() == []


def test_nothing_is_claimed_before_the_first_report_and_silence_is_told() -> None:
    cluster = stand()
    assert statuses(cluster) == {"Unknown"}
    assert cluster.condition("Ready")[0] == "True"
    assert cluster.condition("HighlyAvailable") == ("Unknown", "DatabaseUnknown")
    assert cluster.findings() == ["StoreNotChecked"]
    due = cluster.plan().wake_at
    assert due is not None
    assert due <= cluster.server.now + 10 * MINUTE
    cluster.pass_time(minutes=10)
    cluster.settle()
    assert cluster.findings() == ["RecoveryNotMeasured", "StoreNotChecked"]


def test_a_good_report_is_shown_with_instants() -> None:
    cluster = stand()
    now = cluster.server.now
    tell(cluster, report(now))
    assert statuses(cluster) == {"True"}
    assert cluster.condition("HighlyAvailable") == ("True", "SurvivesAnyZone")
    found = recovery(cluster)
    assert found["measuredAt"] == found["newestRecoverablePoint"] == rfc3339(now)
    assert (found["objective"], found["frontier"], found["gaps"]) == ("1h", "0/9000000", [])
    assert get_map(found, "lastFull") == {
        "kind": "full",
        "started": rfc3339(now - MINUTE),
        "finished": rfc3339(now),
        "label": "20260301F",
        "bytes": 7,
    }
    assert get_map(found, "replication", "primary") == {"name": "db-0", "zone": "z1"}
    zones = [get_str(one, "zone") for one in get_list(found, "replication", "synchronous")]
    assert zones == ["z2", "z3"]
    assert cluster.findings() == []


def test_at_rest_the_status_is_written_every_five_minutes() -> None:
    """The newest point advances each minute; 60 reports, 12 writes."""
    cluster = stand()
    start = cluster.server.now
    tell(cluster, report(start))
    written, seen = [], cluster.body["status"]
    for _ in range(60):
        cluster.pass_time(minutes=1)
        now = cluster.server.now
        tell(cluster, report(now, since=start))
        if cluster.body["status"] != seen:
            written.append((now - start) // MINUTE)
            seen = cluster.body["status"]
        published = get_str(recovery(cluster), "measuredAt")
        assert now - datetime.fromisoformat(published) < 5 * MINUTE
    assert written == [*range(5, 65, 5)]


def test_a_change_is_told_at_once_and_all_anew() -> None:
    cluster = stand()
    tell(cluster, report(cluster.server.now))
    cluster.pass_time(minutes=1)
    now = cluster.server.now
    gone = replace(report(now), replication=Replication(now, "db-0", 1, 71, ()))
    cluster.pods = [pod for pod in cluster.pods if pod.component != "database"]
    tell(cluster, gone)
    assert cluster.condition("FailoverReady") == ("False", "NoSyncStandby")
    assert cluster.condition("HighlyAvailable") == ("False", "DatabaseZoneLossNotSurvived")
    assert recovery(cluster)["measuredAt"] == rfc3339(now)
    assert cluster.findings() == ["FailoverNotReady"]
    assert cluster.told.count("FailoverNotReady") == 1
    assert cluster.condition("DataProtected")[0] == "True", "it loses no data"
    assert cluster.condition("Ready")[0] == "True"


def test_a_gap_is_named_and_must_be_repaired_by_the_provider() -> None:
    cluster = stand()
    now = cluster.server.now
    missing = listing({1: [3, 4, 6, 7, 8]}, replace(backup(3), started=now, completed=now))
    memory = report(now).memory
    found = recoverability(replace(missing, at=now), memory, now=now)
    tell(cluster, replace(report(now), found=found))
    assert cluster.condition("WalContinuous") == ("False", "Gap")
    assert cluster.condition("DataProtected") == ("False", "NotProtected")
    assert recovery(cluster)["gaps"] == ["0000000000000005, 1 segments"]
    (told,) = get_list(cluster.body, "status", "findings")
    assert (get_str(told, "code"), get_str(told, "responsible")) == ("LogHasGap", "Provider")
    assert "Provider must act" not in get_str(told, "message")


def test_a_report_that_comes_no_more_turns_unknown_and_then_false_by_itself() -> None:
    cluster = stand()
    tell(cluster, report(cluster.server.now))
    seen: dict[tuple[str, ...], timedelta] = {}
    start = cluster.server.now
    while cluster.server.now < start + timedelta(hours=2):
        decided = cluster.settle()
        state = (cluster.condition("DataProtected")[0], cluster.condition("RecoveryPointObjectiveMet")[1])
        seen.setdefault(state, cluster.server.now - start)
        assert decided.wake_at is not None
        cluster.server.now = decided.wake_at
    assert seen == {
        ("True", "Met"): timedelta(0),
        ("Unknown", "NotMeasured"): timedelta(seconds=121),
        ("False", "ExposureTooHigh"): timedelta(hours=1),
    }
    assert cluster.told.count("DataNotProtected") == 1
    assert "RecoveryNotMeasured" in cluster.findings()


@pytest.mark.parametrize("change", ["incarnation", "future"])
def test_a_report_that_is_not_believed_says_nothing(change: str) -> None:
    cluster = stand()
    now = cluster.server.now
    good = report(now)
    tell(cluster, replace(good, incarnation="x") if change == "incarnation" else report(now + MINUTE))
    assert statuses(cluster) == {"Unknown"}
    assert recovery(cluster) == {}


def test_a_record_that_is_gone_takes_its_claims_with_it() -> None:
    cluster = stand()
    tell(cluster, report(cluster.server.now))
    cluster.recovery = None
    cluster.settle()
    assert statuses(cluster) == {"Unknown"}
    assert recovery(cluster) == {}


def test_a_wiped_status_is_written_again_and_a_restart_writes_nothing() -> None:
    cluster = stand()
    tell(cluster, report(cluster.server.now))
    before = cluster.body["status"]
    assert cluster.after_restart().status == before
    cluster.body["status"] = {}
    cluster.settle()
    assert recovery(cluster) == get_map(before, "recovery")


def test_what_the_agent_cannot_reach_and_a_slow_failover_are_findings() -> None:
    cluster = stand()
    now = cluster.server.now
    slow = Failover(now - 3 * MINUTE, now - MINUTE, 2)
    trouble = Trouble("Repository", now, "connection refused")
    tell(cluster, replace(report(now), failover=slow, troubles=(trouble,)))
    assert set(cluster.findings()) == {"FailoverTooSlow", "RepositoryNotReached"}
    assert get_str(recovery(cluster), "lastFailover", "outage") == "2m"
    recorded = [fact for fact in cluster.facts.values() if isinstance(fact, Stretch)]
    assert [(fact.word, fact.start, fact.end) for fact in recorded] == [
        ("FailedOver", now - 3 * MINUTE, now - MINUTE)
    ]
    assert cluster.after_restart().actions == (), "recorded once"


def test_a_database_that_is_not_reached_is_told_with_the_engines_own_words() -> None:
    cluster = stand()
    now = cluster.server.now
    full = ClusterState(ready=False, servers=3, ready_servers=2, message="Not enough disk space")
    cluster.engine = replace(cluster.engine, cluster=full)
    troubles = tuple(Trouble(what, now, "refused") for what in ("Database", "Store"))
    tell(cluster, replace(report(now), troubles=troubles))
    findings = get_list(cluster.body, "status", "findings")
    told = {get_str(item, "code"): get_str(item, "message") for item in findings}
    assert told["DatabaseNotReached"].endswith(": refused; its engine says: Not enough disk space")
    assert told["StoreNotReached"].endswith(": refused")


def test_looser_objectives_do_not_hold_without_an_agreement() -> None:
    cluster = stand()
    cluster.edit_spec(
        agreements=[{"clause": "B-3", "record": "none"}],
        backup={"objectives": {"disasterRPO": "2h"}},
    )
    cluster.settle()
    assert "AgreementNotValid" in cluster.findings()
    tell(cluster, report(cluster.server.now))
    assert recovery(cluster)["objective"] == "1h"
    assert cluster.condition("Ready")[0] == "True"


def test_a_schedule_that_cannot_be_read_is_judged_by_the_contracts() -> None:
    cluster = stand()
    cluster.edit_spec(backup={"full": {"schedule": "0 25 * * *"}})
    tell(cluster, report(cluster.server.now))
    assert "ScheduleInvalid" in cluster.findings()
    assert cluster.condition("BackupScheduleMet") == ("True", "OnTime")


def test_a_backup_that_the_engine_failed_to_make_is_told_and_one_that_it_made_is_not_believed() -> None:
    cluster = stand()
    now = cluster.server.now
    good = EngineRun("good", "acme-database", "full", "Completed", now, now, now)
    cluster.engine = replace(cluster.engine, runs=(*cluster.engine.runs, good))
    tell(cluster, replace(report(now), backups=()))
    assert cluster.condition("BackupScheduleMet") == ("Unknown", "NeverRun")
    bad = EngineRun("bad", "acme-database", "differential", "Failed", now, now, now, error="no space")
    cluster.engine = replace(cluster.engine, runs=(*cluster.engine.runs, bad))
    tell(cluster, report(now))
    assert cluster.condition("BackupScheduleMet") == ("False", "LastBackupFailed")
    assert get_str(recovery(cluster), "lastFailure", "error") == "no space"


def test_a_store_that_is_read_anew_writes_no_status() -> None:
    cluster = stand()
    start = cluster.server.now
    tell(cluster, report(start))
    before = cluster.body["status"]
    cluster.pass_time(minutes=1)
    tell(cluster, report(cluster.server.now, since=start))
    assert cluster.body["status"] == before


def test_the_agent_is_made_with_its_image_and_holds_up_nothing() -> None:
    cluster = managed()
    cluster.stand()
    assert "acme-recovery" not in cluster.names("Deployment")
    assert "without --agent-image" in cluster.message("WalArchiving")
    cluster.agent_image = IMAGE
    decided = cluster.step()
    assert {str(action.ref) for action in decided.actions if isinstance(action, Apply)} >= {
        "ConfigMap/acme-recovery",
        "Deployment/acme-recovery",
        "Role/acme-recovery",
    }
    cluster.settle()
    assert cluster.condition("Ready")[0] == "True", "its pod does not run yet"
    assert cluster.after_restart().actions == ()


def test_the_agent_looks_at_the_store_before_there_is_a_database() -> None:
    """Nothing is stored before it was found good, so the agent cannot wait for the database's Secret."""
    cluster = managed(agent_image=IMAGE)
    cluster.engine, cluster.secrets = EngineState(), {}
    cluster.settle()
    assert "StoreNotChecked" in cluster.findings()
    assert cluster.names(PERCONA_CLUSTER.kind) == []
    assert "PGHOST" not in variables(cluster)
    cluster.recovery = Kept(cluster.server.now, report(cluster.server.now))
    cluster.settle()
    assert cluster.names(PERCONA_CLUSTER.kind) == ["acme-database"]
    cluster.engine, cluster.secrets[SECRET] = managed().engine, FIELDS
    cluster.settle()
    assert "PGHOST" in variables(cluster), "the agent starts anew, and samples"


def variables(cluster: Cluster) -> list[str]:
    """Names of the agent's environment."""
    pod = get_map(cluster.manifest("Deployment", "acme-recovery"), "spec", "template", "spec")
    return [get_str(item, "name") for item in get_list(get_list(pod, "containers")[0], "env")]


def test_an_external_instance_gets_nothing_from_the_agents_image() -> None:
    cluster = Cluster(body())
    cluster.stand()
    cluster.agent_image = IMAGE
    assert cluster.after_restart().actions == ()


def test_the_agents_word_is_no_modification_and_anybody_elses_is() -> None:
    cluster = stand()
    ref = Ref("ConfigMap", "acme-recovery")
    cluster.edit(ref, lambda found: found.update(data={"report": "{}", "samples": "[]"}), manager=MANAGER)
    assert cluster.plan().actions == ()
    cluster.edit(ref, lambda found: found.update(data={"report": "{}", "samples": "[]", "other": "x"}))
    (action,) = cluster.plan().actions
    assert isinstance(action, Apply)
    assert action.record is not None
    assert action.remove == (("f:data", "f:other"),)
    cluster.settle()
    kept = get_map(cluster.manifest("ConfigMap", "acme-recovery"), "data")
    assert kept == {"report": "{}", "samples": "[]"}


def test_a_record_that_was_deleted_is_made_again() -> None:
    cluster = stand()
    cluster.delete(Ref("ConfigMap", "acme-recovery"))
    cluster.settle()
    assert "acme-recovery" in cluster.names("ConfigMap")
