"""An import of an export or a database in a pass: its Job, what it holds up, records, and tries again."""

from dataclasses import replace

import pytest

from api.source_examples import SOURCES
from builders import DSN, MASTERKEY, UID, body, spec
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import JOB, Ref
from dedicated.contract.transfer.import_report import Code, Report, failed, report_json
from dedicated.parts.schema import JobState
from dedicated.reconcile.actions import Apply, Delete, Plan, RecordFact
from dedicated.reconcile.observed import Child
from reconcile.simulation import Cluster
from reconcile.test_imports import applied, codes, looked, told
from reconcile.test_plan_recovery import IMAGE, MINUTE

NAME = "acme-import"


def scene(kind: str = "export", **changes: JsonValue) -> Cluster:
    """An instance on an external, empty database that starts from this; its identity is made."""
    of: Manifest = {**body(), "spec": spec(**{**SOURCES[kind], **changes})}
    cluster = Cluster(
        of, secrets={"database": {"dsn": DSN}, "own": {"masterkey": MASTERKEY}}, agent_image=IMAGE
    )
    cluster.settle()
    return cluster


def report(cluster: Cluster, **changes: object) -> Report:
    now = cluster.server.now
    found = Report(UID, now, "Completed", now - 5 * MINUTE, tables=7, rows=70, keys=3, keys_opened=3)
    return replace(found, **changes)  # type: ignore[arg-type]


def seen(cluster: Cluster, said: Report | None, *, job: JobState | None = None) -> Plan:
    """One pass with the Job so, and this in its record."""
    ref = Ref(JOB.kind, NAME)
    children = {**cluster.observed().children, ref: Child(ref, "j", "1", "import", owner_uid=UID)}
    return looked(
        cluster,
        children=children,
        tasks={NAME: job or JobState()},
        import_report=report_json(said) if said else "",
    )


def process(cluster: Cluster) -> Manifest:
    (container,) = get_list(
        cluster.manifest(JOB.kind, NAME), "spec", "template", "spec", "containers"
    )
    return get_map(container)


@pytest.mark.parametrize("kind", ["export", "database"])
def test_a_job_imports_and_nothing_of_zitadel_is_started(kind: str) -> None:
    cluster = scene(kind)
    assert cluster.names(JOB.kind) == [NAME]
    assert not cluster.names("Deployment")
    arguments = get_list(process(cluster), "args")
    assert f"--uid={UID}" in arguments
    assert "--zitadel=v4.15.2" in arguments
    names = {get_str(item, "name") for item in get_list(process(cluster), "env")}
    assert names == {"TARGET_DSN"} | ({"IMPORT_DSN"} if kind == "database" else set())
    assert ("--manifest-sha256=" + "a" * 64 in arguments) == (kind == "export")
    assert "hunter2secret" not in str(cluster.manifest(JOB.kind, NAME))


def test_progress_and_the_end_that_is_expected_are_told() -> None:
    cluster = scene()
    done = seen(cluster, report(cluster, step="Importing", done=1, total=2, size=47_000_000))
    assert told(done)["phase"] == "Importing"
    assert told(done)["progress"] == {"bytes": 1, "total": 2}
    assert told(done)["expectedEnd"]


def test_what_is_complete_is_recorded_and_then_set_up() -> None:
    cluster = scene()
    done = seen(cluster, report(cluster), job=JobState(complete=True))
    (statement,) = [action.statement for action in done.actions if isinstance(action, RecordFact)]
    assert get_str(statement.fields, "imported", "source") == "Export"
    assert get_str(statement.fields, "imported", "manifestSha256") == "a" * 64
    assert not [one for one in applied(done) if "setup" in one]


def test_the_report_of_another_incarnation_says_nothing() -> None:
    cluster = scene()
    other = report(cluster, incarnation="another")
    done = seen(cluster, other, job=JobState(complete=True))
    assert not [action for action in done.actions if isinstance(action, RecordFact)]


@pytest.mark.parametrize(
    ("code", "party", "final"),
    [
        ("FileDamaged", "Customer", True),
        ("WrongMasterkey", "Customer", True),
        ("TargetNotEmpty", "Customer", True),
        ("SourceUnreachable", "Customer", False),
        ("ContentDiffers", "Customer", False),
    ],
)
def test_what_fails_is_named_and_tried_again_where_that_helps(code: Code, party: str, final: bool) -> None:
    cluster = scene()
    said = failed(report(cluster), code, "as told", at=cluster.server.now)
    # While its Job still tries, what only a person can solve is told already.
    assert told(seen(cluster, said))["phase"] == ("Failed" if final else "Waiting")
    done = seen(cluster, said, job=JobState(failed=True))
    assert code in codes(done)
    assert (told(done)["phase"], told(done)["responsible"]) == ("Failed", party)
    assert not [action for action in done.actions if isinstance(action, Apply | RecordFact | Delete)]
    cluster.pass_time(minutes=6)
    later = seen(cluster, said, job=JobState(failed=True))
    deleted = [action for action in later.actions if isinstance(action, Delete)]
    assert bool(deleted) == (not final)
    # Without its Job it begins anew, whatever was told of it.
    again = looked(cluster, import_report=report_json(said))
    assert code not in codes(again)


def test_it_waits_for_a_database_that_can_be_used() -> None:
    cluster = scene()
    cluster = Cluster(
        {**body(), "spec": spec(**SOURCES["export"])},
        secrets={"own": {"masterkey": MASTERKEY}},
        agent_image=IMAGE,
    )
    cluster.settle()
    assert "DatabaseSecretMissing" in cluster.findings()
    assert not cluster.names(JOB.kind)
    assert get_str(cluster.body, "status", "import", "phase") == "Waiting"
