"""`dedicated delete` and `dedicated backup`, as far as they need no cluster: what they would do."""

from datetime import timedelta

import pytest

from builders import UID, body, clustered, spec
from cli.running import NOW
from dedicated.api.conditions import rfc3339
from dedicated.api.instance_backup import InstanceBackupSpec
from dedicated.api.json import Manifest, get_map
from dedicated.cli.backup import expected, order
from dedicated.cli.delete import plan_of
from dedicated.cli.facts import Record
from dedicated.cli.frame import App
from dedicated.cli.source import Source, source_from
from dedicated.cli.words import record_told
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import DatabaseRemoved
from dedicated.contract.reading import read, spec_of
from dedicated.contract.records import Statement, database_removed, final_backup, manifest_of


def source(changes: Manifest | None = None, status: Manifest | None = None) -> Source:
    return source_from({**body(), "spec": spec(**(changes or {})), "status": status or {}}, [])


def plan(of: Source) -> dict[str, str]:
    return dict(plan_of(of, App(lambda: NOW)))


def test_the_plan_of_an_external_database() -> None:
    found = plan(source())
    assert list(found)[2:] == ["pods, Services", "database", "keys, identity", "records"]
    assert found["confirmation"] == "missing; good for 7 days"
    assert found["deletion"] == "by one person"
    assert found["database"] == "is its owner's: untouched"


def test_the_plan_of_a_database_of_its_own() -> None:
    told: Manifest = {"deletion": {"confirmedBy": "carla", "until": "2026-12-05T09:00:00Z"}}
    found = plan(source({**clustered(), "plan": "Advanced", "deletion": {"retentionDays": 10}}, told))
    assert found["confirmation"] == "carla, good until 2026-12-05T09:00:00Z"
    assert found["deletion"] == "by somebody else than who confirmed it"
    assert found["final backup"].startswith("full, asked for after the deletion")
    assert found["database"].startswith("stays 10 days more, until 2026-12-08T09:00Z at the earliest")
    assert found["backups"] == "stay in the repository for 14 days"
    skipped: Manifest = {"agreements": [{"clause": "T-1", "record": "letter"}]}
    found = plan(source({**clustered(), **skipped, "deletion": {"finalBackup": "Skipped"}}))
    assert found["final backup"] == "none, by agreement on T-1"


def test_the_plan_of_handing_over() -> None:
    found = plan(source({**clustered(), "deletion": {"policy": "Orphan"}}))
    assert list(found) == ["confirmation", "deletion", "everything"]


def test_an_order_is_of_its_definitions_form_and_says_how_long_it_may_take() -> None:
    of = source(clustered())
    made = order(of, "Differential", keep_days=3, mark="20261128-090000")
    assert InstanceBackupSpec.model_validate(get_map(made, "spec")).keep_days == 3
    assert get_map(made, "metadata")["name"] == "acme-differential-20261128-090000"
    assert "is not known" in expected(of, "Full")
    last: Manifest = {"started": rfc3339(NOW - timedelta(minutes=95)), "finished": rfc3339(NOW)}
    of = source(clustered(), {"recovery": {"lastFull": last}})
    assert expected(of, "Full") == "the last one took 1h35m"
    assert "is not known" in expected(of, "Differential")


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        (
            Statement("c", "acme", "DeletionConfirmed", {"incarnation": UID}),
            DeletionConfirmed,
            f"DeletionConfirmed of the incarnation {UID}",
        ),
        (
            Statement("w", "acme", "DeletionWithdrawn", {"incarnation": UID}),
            DeletionWithdrawn,
            f"DeletionWithdrawn of the incarnation {UID}",
        ),
        (
            final_backup("acme", UID, kind="Backup", run="full-1", label="20261128T"),
            FinalBackup,
            f"FinalBackup Backup/full-1 of the incarnation {UID}",
        ),
        (
            database_removed("acme", cluster="acme-database", uid="1"),
            DatabaseRemoved,
            "DatabaseRemoved acme-database (uid 1)",
        ),
    ],
)
def test_facts_of_the_end_are_read_and_told(statement: Statement, kind: type, words: str) -> None:
    manifest = manifest_of(statement, namespace="acme", by="operator")
    made: Manifest = {**get_map(manifest, "metadata"), "creationTimestamp": rfc3339(NOW)}
    reading = read({**manifest, "metadata": made})
    assert reading is not None
    (fact,) = reading.facts
    assert isinstance(fact, kind)
    found = spec_of(manifest)
    assert found is not None
    assert record_told(Record(fact.name, fact.at, found, fact), "UTC") == words
