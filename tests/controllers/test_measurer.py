"""Who remembers the samples, and what is told when."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dedicated.api.objects import Key
from dedicated.api.probing import Outcome, Sample, Source
from dedicated.contract.downtime import Record, Span
from dedicated.controllers.measurer import FIRST, HELD, Measurer

KEY = Key("acme", "acme")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Stage:
    """A measurer, and what is kept by whom it wakes."""

    kept: dict[Key, Record] = field(default_factory=dict)
    woken: list[Key] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    writes: bool = True

    def __post_init__(self) -> None:
        self.measurer = self.fresh()

    def fresh(self) -> Measurer:
        return Measurer(
            stored=lambda key: self.kept.get(key, Record()),
            wake=self.wake,
            count=lambda source, outcome: self.counted.update([(source, outcome)]),
        )

    def wake(self, key: Key) -> None:
        self.woken.append(key)
        if self.writes:
            self.kept[key] = self.measurer.record(key)

    def hear(self, seconds: float, **changed: Outcome) -> None:
        outcomes: dict[Source, Outcome] = dict.fromkeys(FIRST, "Good")
        for source in FIRST:
            outcomes[source] = changed.get(source, "Good")
        self.measurer.heard(KEY, Sample(at(seconds), outcomes, {}))

    def blind(self, seconds: float) -> None:
        self.measurer.heard(KEY, Sample(at(seconds), {}, {}))

    def held(self, seconds: float) -> datetime | None:
        return self.measurer.held(now=at(seconds))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_an_instance_is_measured_from_when_all_services_answer() -> None:
    stage = Stage()
    stage.hear(0, SAML="Failed")
    assert (stage.woken, stage.measurer.record(KEY)) == ([], Record())
    stage.hear(10)
    assert stage.kept[KEY] == Record(since=at(10))
    stage.hear(20)
    assert stage.woken == [KEY], "only news wakes"
    assert stage.counted["SAML", "Failed"] == 1
    assert stage.counted["SAML", "Good"] == 2


def test_an_outage_wakes_when_it_is_worth_a_word_and_when_it_is_over() -> None:
    stage = Stage()
    stage.hear(0)
    for number in range(1, 9):
        stage.hear(10 * number, Keys="Failed")
    assert len(stage.woken) == 2
    assert stage.kept[KEY].core[0].until is None
    stage.hear(90)
    stage.hear(100)
    assert len(stage.woken) == 3
    assert stage.kept[KEY].core[0].until == at(90)


def test_nothing_is_said_to_be_measured_beyond_what_is_not_written() -> None:
    stage = Stage()
    stage.hear(0)
    assert stage.held(0) is None
    for number in range(1, 4):
        stage.hear(10 * number, Keys="Failed")
    assert stage.held(30) == at(10), "not worth a word yet"
    stage.writes = False
    stage.hear(40, Keys="Failed")
    assert stage.held(40) == at(10), "not written"
    stage.kept[KEY] = stage.measurer.record(KEY)
    assert stage.held(50) is None


def test_what_cannot_be_written_holds_for_a_while_only() -> None:
    stage = Stage(writes=False)
    stage.hear(0)
    assert stage.held(HELD.total_seconds()) == at(0)
    late = HELD.total_seconds() + 1
    assert stage.held(late) == at(late)


def test_what_was_taken_away_for_its_age_is_not_missed() -> None:
    stage = Stage()
    stage.hear(0)
    for number in range(1, 12):
        stage.hear(10 * number, Keys="Failed" if number < 9 else "Good")
    stage.kept[KEY] = Record(stage.kept[KEY].since)
    year = 366 * 86400
    stage.hear(year, Keys="Failed")
    stage.writes = False
    stage.hear(year + 10)
    stage.hear(year + 20)
    assert stage.held(year + 20) is None


def test_the_next_operator_goes_on_from_what_is_kept() -> None:
    stage = Stage()
    stage.hear(0)
    for number in range(1, 9):
        stage.hear(10 * number, Keys="Failed")
    kept = stage.kept[KEY]
    stage.measurer, woken = stage.fresh(), len(stage.woken)
    assert stage.measurer.record(KEY) == kept
    stage.hear(300, Keys="Failed")
    assert len(stage.woken) == woken
    stage.hear(310)
    stage.hear(320)
    assert [(one.since, one.until) for one in stage.kept[KEY].core] == [(at(10), at(310))]


def test_who_is_heard_long_after_the_others_was_not_measured() -> None:
    stage = Stage()
    stage.hear(0)
    stage.measurer = stage.fresh()
    stage.measurer.covered(at(100))
    stage.hear(130)
    assert stage.kept[KEY].unmeasured == ()
    stage.measurer = stage.fresh()
    stage.measurer.covered(at(200))
    stage.hear(500)
    assert stage.kept[KEY].unmeasured == (Span(at(200), at(500)),)


def test_who_was_deleted_and_is_back_was_not_measured_in_between() -> None:
    stage = Stage()
    stage.measurer.covered(at(0))
    stage.hear(0)
    stage.hear(500)
    stage.measurer.forget(KEY)
    stage.hear(900)
    assert stage.kept[KEY].unmeasured == (Span(at(500), at(900)),)


def test_who_is_not_asked_any_more_is_not_measured() -> None:
    stage = Stage()
    stage.hear(0)
    stage.measurer.stop(KEY, now=at(10))
    stage.measurer.stop(Key("a", "unknown"), now=at(10))
    stage.hear(100)
    assert stage.kept[KEY].unmeasured == (Span(at(10), at(100)),)


def test_a_name_that_does_not_resolve_leaves_its_time_unmeasured() -> None:
    stage = Stage()
    stage.hear(0)
    for number in range(1, 8):
        stage.blind(10 * number)
    assert stage.kept[KEY].unmeasured == (Span(at(10), None),)
    stage.hear(80)
    assert stage.kept[KEY].unmeasured == (Span(at(10), at(80)),)


def test_a_forgotten_instance_is_what_is_kept_of_it() -> None:
    stage = Stage()
    stage.hear(0)
    stage.measurer.forget(KEY)
    assert stage.held(0) is None
    del stage.kept[KEY]
    assert stage.measurer.record(KEY) == Record()
