"""No modification but with prior instruction (O-4): what is told of one, and for how long."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import get_list
from dedicated.api.status import StatusModification
from dedicated.contract.modifications import (
    FIELD_LENGTH,
    FIELDS_LIMIT,
    LIMIT,
    SHOWN_FOR,
    Modification,
    from_annotation,
    judge,
    newest,
)

INSTANTS = st.datetimes(
    datetime(2001, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC), allow_imaginary=False
)
ANY = st.builds(
    Modification,
    object=st.text(max_size=320),
    manager=st.text(max_size=300),
    operation=st.text(max_size=60),
    at=INSTANTS.map(rfc3339),
    fields=st.lists(st.text(max_size=2000), max_size=20).map(tuple),
)


def modification(at: datetime, name: str = "Service/x") -> Modification:
    """A change of one field."""
    return Modification(name, "kubectl-edit", "Update", rfc3339(at), ("spec.type",))


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_what_an_object_remembers_is_what_was_told(fact: Modification) -> None:
    kept = from_annotation(fact.annotation(), of=fact.object)
    assert kept is not None
    assert kept.manifest() == fact.manifest()
    assert from_annotation(kept.annotation(), of=fact.object) == kept


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_a_status_holds_every_modification(fact: Modification) -> None:
    shown = fact.manifest()
    if len(fact.object) <= 320:
        StatusModification.model_validate(shown)
    assert len(get_list(shown, "fields")) <= FIELDS_LIMIT
    assert len(fact.annotation()) < 40 * FIELD_LENGTH + 4000


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_in_the_annotation_is_read_without_a_traceback(text: str) -> None:
    found = from_annotation(text, of="Service/x")
    assert found is None or parse_time(found.at) is not None


def test_it_is_shown_for_a_day_and_wakes_at_its_end() -> None:
    fact = modification(NOW)
    early, wake = judge((fact,), now=NOW + SHOWN_FOR - timedelta(seconds=1))
    assert (early.status, early.reason) == ("False", "ModificationRepaired")
    assert wake == NOW + SHOWN_FOR
    late, never = judge((fact,), now=wake)
    assert (late.status, late.reason) == ("True", "Repaired")
    assert never is None
    assert wake - NOW == timedelta(hours=24)


@settings(max_examples=60, deadline=None)
@given(INSTANTS, st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe"]))
def test_a_day_is_24_hours_wherever_the_clock_changes(at: datetime, zone: str) -> None:
    at = at.replace(microsecond=0)
    local = at.astimezone(ZoneInfo(zone))
    assert judge((modification(local),), now=local)[1] == at + SHOWN_FOR
    before = (at + SHOWN_FOR - timedelta(seconds=1)).astimezone(ZoneInfo(zone))
    assert judge((modification(local),), now=before)[0].status == "False"
    after = (at + SHOWN_FOR).astimezone(ZoneInfo(zone))
    assert judge((modification(local),), now=after)[0].status == "True"


def test_nothing_to_tell() -> None:
    condition, wake = judge((), now=NOW)
    assert (condition.status, condition.reason, wake) == ("True", "NoModification", None)


def test_who_what_and_when_are_told() -> None:
    condition, _ = judge((modification(NOW),), now=NOW)
    expected = "Service/x: spec.type by kubectl-edit (Update) at 2026-03-01T12:00:00Z; repaired"
    assert condition.message == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=40))
def test_the_newest_are_kept_first(facts: list[Modification]) -> None:
    kept = newest(facts)
    assert len(kept) == min(len(facts), LIMIT)
    assert [fact.at for fact in kept] == sorted((fact.at for fact in facts), reverse=True)[:LIMIT]


@pytest.mark.parametrize("at", ["2026-03-01T12:00:00", "", "soon", "2026-13-01T00:00:00Z"])
def test_a_time_without_zone_is_no_time(at: str) -> None:
    assert parse_time(at) is None
