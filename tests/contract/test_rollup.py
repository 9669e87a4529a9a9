"""Roll-up of closed months: nothing is lost or doubled, wherever it ends, and nothing computed changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.record_examples import EXAMPLES, record
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.record import FACTS, ROLLED_LIMIT, Fact, RecordSpec
from dedicated.contract import rollup
from dedicated.contract.dates import DAY, Month
from dedicated.contract.facts import history
from dedicated.contract.reading import Reading, facts_in, modifications_in, read
from dedicated.contract.records import Statement, manifest_of
from dedicated.contract.rollup import GRACE, KEPT, LONGEST, SPREAD, due, tasks

ZURICH = "Europe/Zurich"
JANUARY = Month(2026, 1)
END = JANUARY.end(ZURICH)
SECOND = timedelta(seconds=1)
PLAIN = tuple(fact for fact in FACTS if fact not in KEPT)


def stored(
    fact: Fact, at: datetime, *, name: str = "r", instance: str = "acme", restored: bool = False
) -> Manifest:
    """A record as the API server has it."""
    spec = {key: value for key, value in EXAMPLES[fact].items() if key != "at"} | {"instance": instance}
    made = at
    if restored:
        spec["at"], made = rfc3339(at), at + 300 * DAY
    body = record(spec, name=name)
    metadata: Manifest = {
        **get_map(body, "metadata"),
        "uid": f"uid-{name}",
        "creationTimestamp": rfc3339(made),
    }
    return {**body, "metadata": metadata}


def known(*manifests: Manifest) -> list[Reading]:
    return [reading for manifest in manifests if (reading := read(manifest)) is not None]


def due_at(*manifests: Manifest, now: datetime, identity: str = "ns/acme") -> rollup.Due:
    return due(known(*manifests), zone=ZURICH, identity=identity, now=now)


# --- when ------------------------------------------------------------------------------------------


def turn_of(*manifests: Manifest) -> datetime:
    """When January is rolled up."""
    first = due_at(*manifests, now=END).next_at
    assert first is not None
    return first


def test_a_month_is_rolled_up_some_days_after_its_end_each_instance_at_its_own_time() -> None:
    body = stored("NotMeasured", END - SECOND)
    at = turn_of(body)
    assert END + GRACE <= at < END + GRACE + SPREAD
    assert due_at(body, now=at - SECOND).months == ()
    assert due_at(body, now=at).months == (JANUARY,)
    others = {due_at(body, now=END, identity=f"ns/{number}").next_at for number in range(50)}
    assert len(others) == 50


def test_the_month_is_the_zone_s() -> None:
    body = stored("NotMeasured", END)
    assert turn_of(body) > Month(2026, 2).end(ZURICH)
    there = due(known(body), zone="America/New_York", identity="ns/acme", now=END).next_at
    assert there is not None
    assert there < Month(2026, 1).end("America/New_York") + GRACE + SPREAD


@pytest.mark.parametrize("fact", sorted(KEPT))
def test_what_has_no_month_stays(fact: Fact) -> None:
    body = stored(fact, END - SECOND)
    assert due_at(body, now=END + 1000 * DAY) == rollup.Due()
    assert tasks([body], instance="acme", months=[JANUARY], zone=ZURICH) == rollup.Tasks()


def test_a_month_with_an_open_maintenance_stays_half_a_year() -> None:
    asked = stored("Notified", END - DAY)
    turn = turn_of(stored("NotMeasured", END - DAY))
    assert due_at(asked, now=turn) == rollup.Due(next_at=turn + LONGEST - GRACE)
    assert due_at(asked, now=turn + LONGEST - GRACE).months == (JANUARY,)
    for closing in ("Completed", "Retracted"):
        later = stored("Completed" if closing == "Completed" else "Retracted", END + 3 * DAY, name="c")
        assert due_at(asked, later, now=turn).months == (JANUARY,)


def test_a_month_with_an_instruction_in_force_stays() -> None:
    body = stored("Instruction", END - DAY)
    spec = get_map(body, "spec")
    given_until = turn_of(stored("NotMeasured", END - DAY)) + 2 * DAY
    instruction: Manifest = {
        **get_map(spec, "instruction"),
        "validFrom": rfc3339(given_until - 3 * DAY),
        "validUntil": rfc3339(given_until),
    }
    spec["instruction"] = instruction
    assert due_at(body, now=given_until - SECOND).months == ()
    assert due_at(body, now=given_until).months == (JANUARY,)


@pytest.mark.parametrize(
    ("fact", "field", "ends"), [("Override", "override", "validUntil"), ("LoadTest", "loadTest", "until")]
)
def test_a_month_with_higher_limits_that_are_not_over_stays(fact: Fact, field: str, ends: str) -> None:
    body = stored(fact, END - DAY)
    until = turn_of(stored("NotMeasured", END - DAY)) + 2 * DAY
    spec = get_map(body, "spec")
    begins = {"validUntil": "validFrom", "until": "from"}[ends]
    spec[field] = {**get_map(spec, field), begins: rfc3339(until - 3 * DAY), ends: rfc3339(until)}
    assert due_at(body, now=until - SECOND).months == ()
    assert due_at(body, now=until).months == (JANUARY,)


def test_nothing_to_do_costs_no_date() -> None:
    assert due_at(now=END) == rollup.Due()


# --- what ------------------------------------------------------------------------------------------


@dataclass
class Store:
    """The records of a namespace. `left` requests are answered, then the operator is gone."""

    objects: dict[str, Manifest]
    left: int = 10_000
    seen: list[tuple[object, object]] = field(default_factory=list)

    def told(self) -> tuple[object, object]:
        """All that is computed from: facts, and modifications."""
        readings = known(*self.objects.values())
        found = sorted(modifications_in(readings), key=lambda one: one.name)
        return history(facts_in(readings)).facts, tuple(found)

    def roll_up(self, months: Sequence[Month], *, now: datetime) -> bool:
        """Carry out the tasks as the operator does; whether it came to the end."""
        return self._each(months, now, "create") and self._each(months, now, "delete")

    def _each(self, months: Sequence[Month], now: datetime, what: str) -> bool:
        wanted = tasks(self.objects.values(), instance="acme", months=months, zone=ZURICH)
        creations = [partial(self._create, statement, now) for statement in wanted.create]
        deletions = [partial(self._delete, name, uid) for name, uid in wanted.delete]
        steps: Sequence[Callable[[], None]] = creations if what == "create" else deletions
        for step in steps:
            if self.left == 0:
                return False
            self.left -= 1
            step()
            self.seen.append(self.told())
        return True

    def _create(self, statement: Statement, now: datetime) -> None:
        assert statement.name not in self.objects
        body = manifest_of(statement, namespace="ns", by="operator")
        RecordSpec.model_validate(body["spec"])
        metadata: Manifest = {**get_map(body, "metadata"), "creationTimestamp": rfc3339(now)}
        self.objects[statement.name] = {**body, "metadata": metadata}

    def _delete(self, name: str, uid: str) -> None:
        assert get_str(self.objects[name], "metadata", "uid") == uid
        del self.objects[name]


RECORDS = st.lists(
    st.tuples(st.sampled_from(FACTS[:5] + PLAIN), st.integers(0, 62 * 24), st.booleans()),
    max_size=130,
)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.lists(st.integers(0, 40), max_size=4))
def test_nothing_is_lost_or_doubled_wherever_it_ends(
    records: list[tuple[Fact, int, bool]], ends: list[int]
) -> None:
    start, now = JANUARY.start(ZURICH), datetime(2026, 12, 1, tzinfo=UTC)
    objects = {
        f"r-{number}": stored(fact, start + timedelta(hours=hour), name=f"r-{number}", restored=restored)
        for number, (fact, hour, restored) in enumerate(records)
        if fact != "MonthClosed"
    }
    objects["other"] = stored("Refused", start, name="other", instance="globex")
    store = Store(dict(objects))
    before = store.told()
    months = due(known(*objects.values()), zone=ZURICH, identity="ns/acme", now=now).months
    for left in ends:  # the operator ends there, and another one begins anew
        store.left = left
        store.roll_up(months, now=now)
    store.left = 10_000
    assert store.roll_up(months, now=now)
    assert all(told == before for told in store.seen)
    assert store.told() == before
    plain = [name for name, body in objects.items() if get_str(body, "spec", "fact") in PLAIN]
    assert {name for name in plain if name in store.objects} <= {"other"}
    kept = {name: body for name, body in objects.items() if name not in plain or name == "other"}
    assert kept.items() <= store.objects.items()
    closed = [get_map(body, "spec", "closed") for name, body in store.objects.items() if name not in objects]
    names = [get_str(item, "name") for found in closed for item in get_list(found, "records")]
    assert sorted(names) == sorted(name for name in plain if name != "other")
    assert all(len(get_list(found, "records")) <= ROLLED_LIMIT for found in closed)
    assert tasks(store.objects.values(), instance="acme", months=months, zone=ZURICH) == rollup.Tasks()


def test_a_record_is_deleted_only_where_a_month_holds_it_to_the_letter() -> None:
    body = stored("Refused", END - DAY)
    (statement,) = tasks([body], instance="acme", months=[JANUARY], zone=ZURICH).create
    made = manifest_of(statement, namespace="ns", by="operator")
    made["metadata"] = {**get_map(made, "metadata"), "creationTimestamp": rfc3339(END + GRACE)}
    assert tasks([body, made], instance="acme", months=[JANUARY], zone=ZURICH).delete == (("r", "uid-r"),)
    others = (stored("Refused", END - 2 * DAY), stored("Withdrawn", END - DAY))
    for other in others:
        found = tasks([other, made], instance="acme", months=[JANUARY], zone=ZURICH)
        assert (found.create, found.delete, found.left) == ((), (), ("r",))


def test_what_is_too_long_stays_and_is_told() -> None:
    body = stored("Notified", END - DAY)
    get_map(body, "spec", "notice")["changes"] = ["\x01" * 200] * 20
    assert len(known(body)) == 1
    found = tasks([body], instance="acme", months=[JANUARY], zone=ZURICH)
    assert found == rollup.Tasks(left=("r",))
