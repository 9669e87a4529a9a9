"""An import from a backup in a pass: what it holds up, what is looked at, recorded, and refused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from api.source_examples import BACKUP, KEYS
from builders import MASTERKEY, UID, body, clustered, nodes, spec
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import JOB, PERCONA_CLUSTER, Ref
from dedicated.api.resource import FIRST, Instance
from dedicated.api.status import InstanceStatus
from dedicated.contract.facts import DatabaseRemoved, Fact, Restored
from dedicated.contract.recovery.proof import Check, Goal, Verdict
from dedicated.contract.recovery.report import Report
from dedicated.contract.transfer.imported import Imported
from dedicated.parts.database.engine import ClusterState, EngineState
from dedicated.parts.recovery_agent import Kept
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Apply, Delete, Plan, RecordFact
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.plan import plan
from dedicated.reconcile.restores import with_database
from reconcile.simulation import Cluster
from reconcile.test_plan_recovery import FIELDS, GOOD_STORE, IMAGE, MINUTE, SECRET

VERDICT = "acme-import-verdict"


def scene() -> Cluster:
    """An instance that starts from a backup; its keys are there, and the place of its own backups is good."""
    more: Manifest = {**KEYS, "from": {"backup": BACKUP}}
    of: Manifest = {**body(), "spec": spec(**clustered("percona", **more))}
    cluster = Cluster(
        of,
        nodes=tuple(replace(node, place="gcp:europe-west6") for node in nodes()),
        secrets={SECRET: FIELDS, "own": {"masterkey": MASTERKEY}},
        agent_image=IMAGE,
    )
    now = cluster.server.now
    cluster.recovery = Kept(now, Report(now, UID, stores=(replace(GOOD_STORE, at=now),)))
    return cluster


def restored(cluster: Cluster, **changes: object) -> EngineState:
    """The cluster that the engine has made from the backup."""
    made = ClusterState(
        ready=True, servers=3, ready_servers=3, created=cluster.server.now - 5 * MINUTE, begun_for=UID
    )
    return EngineState(cluster=replace(made, **changes))  # type: ignore[arg-type]


def seen(cluster: Cluster, **results: str) -> dict[str, Verdict]:
    names = ("Recovery", "Point", "Pages", "Events", "Keys")
    checks = tuple(Check(name, results.get(name, "Passed"), f"{name} as told") for name in names)  # type: ignore[arg-type]
    at = cluster.server.now
    return {
        UID: Verdict(at, UID, Goal(at, newest=True), recovered=True, restored_to=at, events=7, checks=checks)
    }


def looked(cluster: Cluster, *facts: Fact, **known: object) -> Plan:
    """One pass."""
    observed = replace(cluster.observed(), **known)  # type: ignore[arg-type]
    observed = replace(observed, facts=(*observed.facts, *facts))
    done = passed(cluster, observed)
    InstanceStatus.model_validate(done.status)
    return done


def passed(cluster: Cluster, observed: Observed) -> Plan:
    return plan(
        with_database(cluster.instance(), observed.facts),
        observed,
        catalogue=cluster.catalogue,
        now=cluster.server.now,
        settled=cluster.settled,
    )


def applied(done: Plan) -> list[str]:
    return [str(action.ref) for action in done.actions if isinstance(action, Apply)]


def told(done: Plan) -> Manifest:
    return get_map(done.status, "import")


def codes(done: Plan) -> set[str]:
    return {get_str(item, "code") for item in (done.status or {})["findings"]}  # type: ignore[union-attr]


def begun() -> Cluster:
    """The same with its identity and keys made."""
    cluster = scene()
    cluster.settle()
    return cluster


def fact(cluster: Cluster, **changes: object) -> Imported:
    now = cluster.server.now
    made = Imported("r", now, "op", UID, "Backup", "s3://a", "7 events", now, now, cluster="acme-database")
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_database_is_made_from_the_backup_and_nothing_of_zitadel_is() -> None:
    cluster = begun()
    assert "PerconaPGCluster/acme-database" in [str(ref) for ref in cluster.server.objects]
    assert not cluster.names(JOB.kind)
    cluster.engine = restored(cluster, ready=False)
    done = looked(cluster)
    assert told(done)["phase"] == "Restoring"
    assert told(done)["place"] == "aws:eu-west-1"
    assert not [one for one in applied(done) if one.startswith(("Job/", "Deployment/"))]


def test_what_is_restored_is_looked_at_before_it_is_recorded_and_set_up_after() -> None:
    cluster = begun()
    cluster.engine = restored(cluster)
    looking = looked(cluster)
    assert f"Job/{VERDICT}" in applied(looking)
    assert told(looking)["phase"] == "Verifying"
    assert not [action for action in looking.actions if isinstance(action, RecordFact)]

    proven = looked(cluster, verdicts=seen(cluster))
    (record,) = [action.statement for action in proven.actions if isinstance(action, RecordFact)]
    assert record.fact == "Imported"
    assert get_str(record.fields, "imported", "cluster") == "acme-database"
    assert not [one for one in applied(proven) if "setup" in one]

    done = looked(cluster, fact(cluster), verdicts=seen(cluster))
    assert [one for one in applied(done) if one.startswith("Job/acme-setup")]
    assert not [one for one in applied(done) if one.startswith("Job/acme-init")]
    assert told(done)["phase"] == "Imported"
    (database,) = [
        action.manifest
        for action in done.actions
        if isinstance(action, Apply) and action.ref.kind == PERCONA_CLUSTER.kind
    ]
    assert "dataSource" not in get_map(database, "spec")


@pytest.mark.parametrize(
    ("check", "code", "party"),
    [("Keys", "WrongMasterkey", "Customer"), ("Pages", "Corrupted", "Provider")],
)
def test_what_is_not_as_it_must_be_is_never_used(check: str, code: str, party: str) -> None:
    cluster = begun()
    cluster.engine = restored(cluster)
    done = looked(cluster, verdicts=seen(cluster, **{check: "Failed"}))
    assert code in codes(done)
    assert (told(done)["phase"], told(done)["responsible"]) == ("Failed", party)
    assert not [action for action in done.actions if isinstance(action, RecordFact)]
    assert applied(done) == []


def test_a_database_of_another_incarnation_is_not_touched() -> None:
    cluster = scene()
    cluster.engine = restored(cluster, begun_for="")
    cluster.settle()
    assert "TargetNotEmpty" in cluster.findings()
    assert not cluster.names(PERCONA_CLUSTER.kind)


def test_a_job_that_could_not_look_is_made_anew() -> None:
    cluster = begun()
    cluster.engine = restored(cluster)
    ref = Ref(JOB.kind, VERDICT)
    children = {**cluster.observed().children, ref: Child(ref, "j", "1", "verification", owner_uid=UID)}
    done = looked(cluster, children=children, tasks={VERDICT: JobState(failed=True)})
    assert Delete(ref, "j") in done.actions
    assert "ImportNotVerified" in codes(done)


def test_one_that_takes_long_is_told_and_goes_on() -> None:
    cluster = begun()
    cluster.engine = restored(cluster, ready=False, message="restore job runs")
    assert looked(cluster).wake_at is not None
    cluster.pass_time(minutes=61)
    done = looked(cluster)
    assert "ImportOverdue" in codes(done)
    assert told(done)["phase"] == "Restoring"


def test_on_record_it_has_no_effect_until_the_database_goes_with_its_instance() -> None:
    cluster = begun()
    former = fact(cluster, incarnation="a-former-one")
    instance = with_database(cluster.instance(), (former,))
    assert instance.imported  # type: ignore[union-attr]
    gone = DatabaseRemoved("g", cluster.server.now + timedelta(days=1), "op", "acme-database", "u", None)
    assert not with_database(cluster.instance(), (former, gone)).imported  # type: ignore[union-attr]
    replaced = replace(gone, restore="lost")
    assert with_database(cluster.instance(), (former, replaced)).imported  # type: ignore[union-attr]
    assert not with_database(cluster.instance(), ()).imported  # type: ignore[union-attr]


def test_what_was_brought_back_after_a_disaster_tells_of_a_cluster_that_is_lost() -> None:
    cluster = begun()
    now = cluster.server.now
    lost = Restored(
        "s", now, "op", "before", "acme-db-1a2b3c", "acme-database", now, False, now, now, timedelta(hours=1)
    )
    former = fact(cluster, incarnation="a-former-one", brought=True)
    found = with_database(cluster.instance(), (replace(lost, brought=True), former))
    assert isinstance(found, Instance)
    assert (found.database, found.imported) == (FIRST, False)
    here = with_database(cluster.instance(), (lost, replace(former, brought=False)))
    assert isinstance(here, Instance)
    assert (here.database.cluster, here.imported) == ("acme-db-1a2b3c", True)


def test_an_older_release_than_the_data_is_refused() -> None:
    cluster = scene()
    cluster.edit_spec(release={"version": "v4.14.0"})
    cluster.settle()
    assert "DowngradeRefused" in cluster.findings()
    assert not cluster.names(PERCONA_CLUSTER.kind)
