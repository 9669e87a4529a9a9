"""No modification but with prior instruction (O-4): what is told of one, and for how long."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import NOW
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import get_list
from dedicated.api.record import FIELDS_LIMIT
from dedicated.api.status import StatusModification
from dedicated.contract.modifications import LIMIT, SHOWN_FOR, Modification, judge, newest

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
    repaired_at=INSTANTS.map(rfc3339),
)


def modification(repaired_at: datetime, name: str = "Service/x") -> Modification:
    """A change of one field, made two hours before it was repaired."""
    at = rfc3339(repaired_at - timedelta(hours=2))
    return Modification(name, "kubectl-edit", "Update", at, ("spec.type",), rfc3339(repaired_at))


@settings(max_examples=100, deadline=None)
@given(ANY)
def test_a_status_holds_every_modification(fact: Modification) -> None:
    shown = fact.status()
    StatusModification.model_validate(shown)
    assert len(get_list(shown, "fields")) <= FIELDS_LIMIT


def test_it_is_shown_for_a_day_after_its_repair_and_wakes_at_its_end() -> None:
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
    expected = "Service/x: spec.type by kubectl-edit (Update) at 2026-03-01T10:00:00Z; repaired"
    assert condition.message == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=40))
def test_the_newest_records_are_kept_first(facts: list[Modification]) -> None:
    kept = newest(facts)
    assert len(kept) == min(len(facts), LIMIT)
    expected = sorted((fact.repaired_at for fact in facts), reverse=True)[:LIMIT]
    assert [fact.repaired_at for fact in kept] == expected


@pytest.mark.parametrize("at", ["2026-03-01T12:00:00", "", "soon", "2026-13-01T00:00:00Z"])
def test_a_time_without_zone_is_no_time(at: str) -> None:
    assert parse_time(at) is None
