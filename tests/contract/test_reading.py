"""Records become facts: every one, at its time, and the same from a month that was rolled up."""

import copy
import tracemalloc
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from api.record_examples import EXAMPLES, record
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, canonical, get_map
from dedicated.api.record import FACTS, Fact, Gate
from dedicated.contract import ending, facts, raising
from dedicated.contract.calendar import Slot
from dedicated.contract.reading import Reading, facts_in, modifications_in, read
from dedicated.contract.transfer.imported import Imported

RESTORED = datetime(2026, 1, 31, 12, tzinfo=UTC)
UNTIL = datetime(2026, 2, 3, 12, tzinfo=UTC)
MADE = datetime(2026, 3, 1, tzinfo=UTC)
BY = "system:serviceaccount:dedicated-system:dedicated-operator"
REQUEST = "acme-2026-01"
ISSUE = "regular-2026-01"
UID = "0d5a8a2e-1f9c-4c6e-9d0b-6f3f1f2f6b11"
MOST_BYTES = 600
"""Of one record in memory, for 20,000 of them."""
WANTED: Mapping[Fact, facts.Fact] = {
    "ServiceStarted": facts.ServiceStarted("r", RESTORED, BY),
    "Notified": facts.Notified(
        "r",
        RESTORED,
        BY,
        REQUEST,
        "Security",
        timedelta(hours=2),
        reference="T-1",
        changes=("v4.16.0",),
        supersedes="acme-2025-12",
    ),
    "Delivered": facts.Delivered("r", RESTORED, BY, REQUEST),
    "Permitted": facts.Answer(
        "r", RESTORED, BY, REQUEST, "Permitted", Slot(RESTORED, UNTIL), any_time=True
    ),
    "Refused": facts.Answer("r", RESTORED, BY, REQUEST, "Refused"),
    "Withdrawn": facts.Answer("r", RESTORED, BY, REQUEST, "Withdrawn"),
    "Blocked": facts.Answer("r", RESTORED, BY, REQUEST, "Blocked"),
    "Started": facts.Run(
        "r",
        RESTORED,
        BY,
        REQUEST,
        "Started",
        version="v4.16.0",
        gates=(Gate(gate="Permission", result="Passed", reason="by window"),),
    ),
    "Completed": facts.Run("r", RESTORED, BY, REQUEST, "Completed"),
    "Failed": facts.Run("r", RESTORED, BY, REQUEST, "Failed", reason="as agreed"),
    "Retracted": facts.Retracted("r", RESTORED, BY, REQUEST),
    "Escalated": facts.Act("r", RESTORED, BY, ISSUE, "Escalated", "T-1"),
    "TerminationNotice": facts.Act("r", RESTORED, BY, ISSUE, "TerminationNotice", "T-1"),
    "TerminationWithdrawn": facts.Act("r", RESTORED, BY, ISSUE, "TerminationWithdrawn", "T-1"),
    "Waiver": facts.Act("r", RESTORED, BY, ISSUE, "Waiver", "T-1"),
    "Agreement": facts.Agreed("r", RESTORED, BY, "S-2", "2", "T-1", RESTORED, UNTIL),
    "Instruction": facts.Instructed(
        "r",
        RESTORED,
        BY,
        facts.Grantee("ServiceAccount", "deployer", "acme"),
        ("Service/acme-server",),
        RESTORED,
        UNTIL,
        "as agreed",
    ),
    "NotMeasured": facts.Stretch("r", RESTORED, BY, "NotMeasured", RESTORED, UNTIL, "T-1"),
    "FailedOver": facts.Stretch("r", RESTORED, BY, "FailedOver", RESTORED, UNTIL, "T-1"),
    "Restored": facts.Restored(
        "r", RESTORED, BY, "lost", "acme-db-1a2b3c", "acme-database", RESTORED, True, RESTORED, UNTIL,
        timedelta(hours=72), timedelta(minutes=1), brought=True, part="acme-db-4d5e6f",
        earliest=RESTORED, newest=UNTIL,
    ),
    "Drilled": facts.Drilled(
        "r", RESTORED, BY, "acme-drill-202601040300", True, "Proven", "7 events", RESTORED, UNTIL, RESTORED,
        timedelta(0), 7, RESTORED, 3, 3, 1000, timedelta(minutes=1), timedelta(seconds=30),
    ),
    "Imported": Imported(
        "r", RESTORED, BY, UID, "Backup", "s3://acme-elsewhere/backups at s3.eu-west-1.amazonaws.com",
        "7 events", RESTORED, UNTIL, "aws:eu-west-1", "acme-database", RESTORED, "a" * 64, 1000,
        timedelta(seconds=30), brought=True,
    ),
    "DatabaseRemoved": facts.DatabaseRemoved("r", RESTORED, BY, "acme-database", "a-1", "lost"),
    "ForceMajeure": facts.Stretch("r", RESTORED, BY, "ForceMajeure", RESTORED, UNTIL, "T-1"),
    "KeysOpened": facts.KeysOpened("r", RESTORED, BY, "T-1"),
    "Override": raising.Override(
        "r", RESTORED, BY, "203.0.113.0/24", 20, RESTORED, UNTIL, "T-1", "as agreed"
    ),
    "LoadTest": raising.LoadTest("r", RESTORED, BY, ("203.0.113.0/24",), RESTORED, UNTIL, "T-1"),
    "OverrideWithdrawn": raising.OverrideWithdrawn("r", RESTORED, BY, "acme-override-1"),
    "DeletionConfirmed": ending.DeletionConfirmed("r", RESTORED, BY, UID),
    "DeletionWithdrawn": ending.DeletionWithdrawn("r", RESTORED, BY, UID),
    "FinalBackup": ending.FinalBackup(
        "r", RESTORED, BY, UID, "PerconaPGBackup/full-1a2b3c4d", "20260301-120000F"
    ),
}
"""What every example says, but for a modification and for a month."""


def stored(spec: JsonValue, *, name: str = "r", made: datetime = MADE) -> Manifest:
    """A record as the API server gives it."""
    body = record(spec, name=name)
    return {**body, "metadata": {**get_map(body, "metadata"), "creationTimestamp": rfc3339(made)}}


def reading(spec: JsonValue, *, name: str = "r", made: datetime = MADE) -> Reading:
    """A record that is known, as read."""
    found = read(stored(spec, name=name, made=made))
    assert found is not None
    return found


def test_every_fact_is_read() -> None:
    assert WANTED.keys() | {"ModificationRepaired", "MonthClosed"} == set(FACTS)
    for fact, wanted in WANTED.items():
        found = reading(EXAMPLES[fact])
        assert found == Reading("r", "acme", fact, RESTORED, facts=(wanted,)), fact


@pytest.mark.parametrize("fact", sorted(WANTED))
def test_the_time_is_the_server_s_and_the_written_one_where_it_was_brought_back(fact: Fact) -> None:
    fresh = {name: value for name, value in EXAMPLES[fact].items() if name != "at"}
    assert [reading(fresh).at, reading(EXAMPLES[fact]).at] == [MADE, RESTORED]
    assert [one.at for one in (*reading(fresh).facts, *reading(EXAMPLES[fact]).facts)] == [MADE, RESTORED]


def test_a_modification_keeps_the_time_of_its_record() -> None:
    (told,) = reading(EXAMPLES["ModificationRepaired"]).modifications
    assert told.modification.repaired_at == rfc3339(RESTORED)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "text",
        {},
        {"fact": "Permitted", "instance": "acme", "by": "x"},
        {"fact": "FailedOver", "instance": "acme", "by": "x"},
        {"fact": "ModificationRepaired", "instance": "acme", "by": "x"},
        {"fact": "ServiceStarted", "instance": "acme", "by": "x", "at": "yesterday"},
    ],
)
def test_what_is_not_known_is_not_read(spec: JsonValue) -> None:
    assert read({**stored(EXAMPLES["Refused"]), "spec": spec}) is None


def test_what_has_no_time_is_not_read() -> None:
    assert read(record(EXAMPLES["Refused"])) is None


def month(*specs: JsonValue, text: str = "") -> Manifest:
    """A month with these records in it, named by their place."""
    rolled: list[JsonValue] = [
        {"name": f"r-{number}", "at": rfc3339(RESTORED), "spec": text or canonical(spec).decode()}
        for number, spec in enumerate(specs)
    ]
    return {**EXAMPLES["MonthClosed"], "closed": {"month": "2026-01", "records": rolled}}


def test_a_month_reads_as_the_records_in_it_did() -> None:
    specs = [copy.deepcopy(EXAMPLES[fact]) for fact in FACTS if fact != "MonthClosed"]
    plain = [reading(spec, name=f"r-{number}") for number, spec in enumerate(specs)]
    rolled = reading(month(*specs), name="acme-2026-01")
    assert rolled.fact == "MonthClosed"
    assert facts_in([rolled]) == facts_in(plain)
    assert modifications_in([rolled]) == modifications_in(plain)
    assert len(rolled.facts) == len(WANTED)
    assert facts_in([rolled, *plain]) == facts_in(plain)
    assert modifications_in([*plain, rolled]) == modifications_in(plain)


@pytest.mark.parametrize("text", ["no json", "[]", '{"fact": "FailedOver"}'])
def test_what_is_not_known_in_a_month_is_passed_over(text: str) -> None:
    assert reading(month(EXAMPLES["Refused"], text=text)).facts == ()


def test_a_record_in_memory_is_small() -> None:
    manifests = [
        stored(copy.deepcopy(EXAMPLES[fact]), name=f"acme-{number}-{fact.lower()}")
        for number in range(100)
        for fact in WANTED
    ]
    tracemalloc.start()
    kept = [read(manifest) for manifest in manifests]
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(kept) < MOST_BYTES
