"""Facts as records: named by what they tell, valid for the API server, and bounded in number."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW
from contract.test_modifications import ANY
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.record import RecordSpec
from dedicated.contract.modifications import Modification
from dedicated.contract.reading import read
from dedicated.contract.records import (
    MOST_IN_WINDOW,
    SAME_HAND,
    WINDOW,
    Record,
    is_worth,
    manifest_of,
    record_for,
    statement_of,
)

FACT = Modification("Service/x", "kubectl-edit", "Update", "2026-03-01T10:00:00Z", ("spec.type",))


def made(fact: Modification, at: datetime, *, moment: str = "m") -> Record:
    """A record that exists since a time."""
    record = record_for("acme", fact, uid="u", moment=moment)
    return replace(record, modification=replace(fact, repaired_at=rfc3339(at)))


def stored(record: Record) -> Manifest:
    """What the API server keeps of a record made now."""
    manifest = manifest_of(statement_of(record), namespace="acme-ns", by="operator")
    metadata: Manifest = {**get_map(manifest, "metadata"), "creationTimestamp": rfc3339(NOW)}
    return {**manifest, "metadata": metadata}


@settings(max_examples=100, deadline=None)
@given(ANY.filter(lambda fact: fact.object and fact.fields))
def test_every_fact_makes_a_valid_record_that_reads_as_told(fact: Modification) -> None:
    record = record_for("acme", fact, uid="u", moment=fact.at)
    manifest = stored(record)
    RecordSpec.model_validate(manifest["spec"])
    found = read(manifest)
    assert found is not None
    (told,) = found.modifications
    assert told.modification.manifest() == fact.manifest()
    assert told.modification.repaired_at == rfc3339(NOW)
    assert (told.name, told.instance) == (record.name, "acme")


def test_a_record_names_its_instance_and_has_no_owner() -> None:
    metadata = get_map(stored(record_for("acme", FACT, uid="u", moment="m")), "metadata")
    assert get_map(metadata, "labels") == {LABEL_INSTANCE: "acme"}
    assert "ownerReferences" not in metadata
    assert len(record_for("a" * 40, FACT, uid="u", moment="m").name) <= 63


def test_another_fact_has_another_name() -> None:
    records = (
        record_for("acme", FACT, uid="u", moment="m"),
        record_for("acme", FACT, uid="v", moment="m"),
        record_for("acme", FACT, uid="u", moment="n"),
        record_for("acme", replace(FACT, manager="x"), uid="u", moment="m"),
        record_for("acme", replace(FACT, operation="Apply"), uid="u", moment="m"),
        record_for("acme", replace(FACT, fields=("spec.type", "spec.b")), uid="u", moment="m"),
    )
    assert len({record.name for record in records}) == len(records)
    assert record_for("acme", replace(FACT, at="later"), uid="u", moment="m").name == records[0].name


def test_the_same_hand_is_one_record_for_ten_minutes() -> None:
    known = [made(FACT, NOW)]
    again = record_for("acme", FACT, uid="u", moment="later")
    assert not is_worth(again, known, now=NOW + SAME_HAND - timedelta(seconds=1))
    assert is_worth(again, known, now=NOW + SAME_HAND)
    other = record_for("acme", replace(FACT, manager="helm"), uid="u", moment="later")
    assert is_worth(other, known, now=NOW)


def test_a_record_is_made_once_at_any_distance() -> None:
    known = [made(FACT, NOW)]
    assert not is_worth(
        record_for("acme", FACT, uid="u", moment="m"), known, now=NOW + timedelta(days=900)
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 600), min_size=20, max_size=120))
def test_an_object_has_at_most_six_records_in_any_hour(gaps: list[int]) -> None:
    now, known = NOW, list[Record]()
    for number, gap in enumerate(gaps):
        now += timedelta(seconds=gap)
        fact = replace(FACT, fields=(f"spec.f{number}",))
        if is_worth(record_for("acme", fact, uid="u", moment=""), known, now=now):
            known.append(made(fact, now, moment=""))
    times = [datetime.fromisoformat(record.modification.repaired_at) for record in known]
    for time in times:
        assert sum(time <= other < time + WINDOW for other in times) <= MOST_IN_WINDOW
    beside = record_for("acme", replace(FACT, object="Service/y"), uid="w", moment="")
    assert is_worth(beside, known, now=now)
