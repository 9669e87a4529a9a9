"""Outages, losses and what was told when: against recorded samples, and what must hold of any."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from clients.rows import Row
from scenarios import figures
from scenarios.measures import (
    acknowledged,
    bands,
    changed,
    first_told,
    longest,
    lost,
    outages,
    steady,
    value_at,
)
from scenarios.record import POINT, Mark, Measurement, State


def row(at: float, *, ok: bool, seconds: float = 0.0, token: str = "") -> Row:
    """A write."""
    return Row(at=at, kind="write", outcome="ok" if ok else "failed", seconds=seconds, token=token)


def measured(*rows: Row, **options: object) -> Measurement:
    """From 0 to 100."""
    return Measurement(begun=0, ended=100, rows=rows, **options)  # type: ignore[arg-type]


def ready(at: float, value: str, name: str = "Ready") -> State:
    """A condition of the instance."""
    return State(at, "instance", name, value)


def test_an_outage_lasts_from_the_last_good_answer_to_the_next() -> None:
    rows = [row(1, ok=True), row(2, ok=False), row(3, ok=False), row(7, ok=True)]
    assert [(one.begin, one.end) for one in outages(rows, "write")] == [(1, 7)]


def test_an_answer_that_came_late_ends_an_outage_when_it_came() -> None:
    rows = [row(1, ok=True), row(2, ok=False), row(2, ok=False), row(3, ok=True, seconds=5), row(9, ok=True)]
    assert longest(measured(*rows)) == 7


def test_one_failure_between_good_answers_is_no_outage() -> None:
    assert longest(measured(row(1, ok=True), row(2, ok=False), row(3, ok=True))) == 0


def test_a_pause_without_a_failure_is_no_outage() -> None:
    assert longest(measured(row(1, ok=True), row(50, ok=True))) == 0


def test_one_kind_that_fails_is_not_hidden_by_another() -> None:
    others = [Row(at=float(at), kind="token", outcome="ok", seconds=0) for at in range(20)]
    rows = [row(1, ok=True), row(5, ok=False), row(6, ok=False), row(9, ok=True), *others]
    assert longest(measured(*rows)) == 8
    assert longest(measured(*rows), "token") == 0


ANSWERS = st.dictionaries(st.integers(0, 1000), st.booleans(), min_size=1, max_size=60).map(
    lambda found: list(found.items())
)


@given(ANSWERS)
def test_outages_are_what_a_walk_along_the_answers_finds(answers: list[tuple[int, bool]]) -> None:
    """Of failures, all but those alone lie in an outage; no good answer does; no outage is inside another."""
    rows = [row(at, ok=ok) for at, ok in answers]
    found = outages(rows, "write")
    walked = sorted(answers)
    alone = {
        at
        for (_, before), (at, ok), (_, after) in zip(
            [(0, True), *walked], walked, [*walked[1:], (0, True)], strict=False
        )
        if not ok and before and after
    }
    for at, ok in answers:
        assert any(one.begin <= at <= one.end for one in found) or ok or at in alone
        assert not any(one.begin < at < one.end for one in found if ok)
    assert all(one.end <= two.begin for one, two in pairwise(found))
    good = sorted(at for at, ok in answers if ok)
    for one in found:
        assert one.begin in good or one.begin == min(at for at, _ in answers)
        assert one.end in good or one.end == max(at for at, _ in answers)


@given(st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)), st.sets(st.integers(0, 50)))
def test_lost_is_what_was_acknowledged_and_is_not_there(
    good: set[int], bad: set[int], kept: set[int]
) -> None:
    rows = [row(1, ok=True, token=f"t{one}") for one in good]
    rows += [row(1, ok=False, token=f"t{one}") for one in bad]
    seen = measured(*rows, stored=frozenset(f"t{one}" for one in kept))
    assert lost(seen) == len(good - kept)
    assert acknowledged(seen) == {f"t{one}" for one in good}


def test_without_the_database_nobody_counts_losses() -> None:
    assert lost(measured(row(1, ok=True, token="t"))) is None


def test_bands_follow_each_other_and_are_cut() -> None:
    states = [ready(-5, "True"), ready(10, "False"), ready(20, "True")]
    found = bands(states, "instance", "Ready", begun=0, ended=30)
    assert [(one.begun, one.ended, one.value) for one in found] == [
        (0, 10, "True"),
        (10, 20, "False"),
        (20, 30, "True"),
    ]


def test_what_was_told_before_the_fault_does_not_count() -> None:
    states = [ready(5, "False"), ready(8, "True"), ready(12, "False")]
    assert first_told(states, lambda one: one.value == "False", since=10) == 2


def test_a_condition_is_steady_from_its_last_change() -> None:
    states = [ready(0, "True"), ready(12, "False"), ready(15, "True"), ready(16, "False"), ready(21, "True")]
    assert steady(states, subject="instance", name="Ready", value="True", since=14) == 7
    assert steady(states, subject="instance", name="Ready", value="True", since=30) == 0
    assert steady(states[:-1], subject="instance", name="Ready", value="True", since=14) is None


def test_only_changes_are_kept_and_what_vanished_is_absent() -> None:
    first = (ready(1, "True"), ready(1, "present", "finding/X"))
    assert changed((), first) == first
    assert changed(first, (ready(2, "True"), ready(2, "present", "finding/X"))) == ()
    assert changed(first, (ready(3, "False"),)) == (ready(3, "False"), ready(3, "absent", "finding/X"))


def test_a_finding_that_never_stood_is_absent() -> None:
    assert value_at([], "instance", "finding/X", 5) == "absent"


FAULTS = (Mark(10, "fault", "broken"), Mark(40, "heal", "undone"))


def test_a_status_that_tells_and_heals_in_time_is_honest() -> None:
    states = (ready(1, "True"), ready(22, "False"), ready(55, "True"))
    told, back = figures.honest(measured(marks=FAULTS, states=states), "Ready")
    assert (told.value, told.met, back.value, back.met) == (12, True, 15, True)


def test_a_status_that_stays_good_over_a_fault_is_not_honest() -> None:
    told, _ = figures.honest(measured(marks=FAULTS, states=(ready(1, "True"),)), "Ready")
    assert (told.value, told.met) == (None, False)


def test_a_status_that_never_heals_is_not_honest() -> None:
    states = (ready(1, "True"), ready(12, "False"))
    _, back = figures.honest(measured(marks=FAULTS, states=states), "Ready")
    assert (back.value, back.met) == (None, False)


def server(at: float, value: str, name: str = "one") -> State:
    """Whether a server of the database is ready."""
    return State(at, f"database/{name}", "Ready", value)


def test_what_the_engine_takes_to_heal_is_told_apart_from_what_the_status_takes() -> None:
    told = (ready(1, "True"), ready(22, "False"), ready(55, "True"))
    servers = (server(1, "True"), server(20, "False"), server(51, "True"), server(1, "True", "other"))
    figures_of = figures.servers_healed(measured(marks=FAULTS, states=(*told, *servers)), "Ready")
    assert [(one.value, one.met) for one in figures_of] == [(11, None), (4, None)]


def test_a_server_that_is_never_ready_again_was_not_healed() -> None:
    measurement = measured(marks=FAULTS, states=(ready(1, "True"), server(1, "True"), server(20, "False")))
    assert [one.value for one in figures.servers_healed(measurement, "Ready")] == [None, None]


def test_without_servers_nothing_is_told_of_them() -> None:
    measurement = measured(marks=FAULTS, states=(ready(1, "True"),))
    assert [one.value for one in figures.servers_healed(measurement, "Ready")] == [None, None]


def test_a_finding_that_comes_and_goes_is_honest() -> None:
    states = (ready(13, "present", "finding/X"), ready(45, "absent", "finding/X"))
    told, back = figures.honest(measured(marks=FAULTS, states=states), "finding/X")
    assert (told.value, back.value) == (3, 5)


def test_no_failure_is_not_kept_where_nobody_asked() -> None:
    assert [one.met for one in figures.no_failure(measured())] == [None, False]


def test_what_a_limiter_lets_through_is_held_against_its_limit() -> None:
    rows = [row(at / 100, ok=True) for at in range(3061)]

    def verdicts(count: int) -> list[bool | None]:
        return [one.met for one in figures.admitted(measured(*rows[:count]), window=60, limit=3000)]

    assert verdicts(3000) == verdicts(3060) == [None, True, None, True]
    assert verdicts(2999) == [None, False, None, True]
    assert verdicts(3061) == [None, True, None, False]
    assert verdicts(0) == [None, False, None, False], "nobody asked"


def lost_whole(*rows: Row, point: str, kept: frozenset[str]) -> Measurement:
    """A cluster that was lost at 1970-01-01T00:01:40Z, with a point that was published before."""
    states = (ready(50, point, POINT),) if point else ()
    return measured(*rows, states=states, stored=kept, marks=(Mark(100, "fault", "lost"),))


def test_what_is_lost_for_good_reaches_back_no_further_than_was_published() -> None:
    rows = [row(at, ok=True, token=f"t{at}") for at in (10, 60, 90)]
    kept, half = frozenset({"t10", "t60"}), "1970-01-01T00:00:50Z"
    *_, published, true = figures.exposure(lost_whole(*rows, point=half, kept=kept))
    assert (published.value, true.value, true.met) == (50, 10, True)
    *_, true = figures.exposure(lost_whole(*rows, point="1970-01-01T00:01:35Z", kept=kept))
    assert (true.value, true.met) == (10, False)


def test_without_a_published_point_a_loss_was_not_told() -> None:
    (true,) = figures.exposure(lost_whole(row(90, ok=True, token="t"), point="", kept=frozenset()))
    assert true.met is False


def test_a_run_that_begins_before_its_slot_is_missed() -> None:
    marks, early = (Mark(10, "change", "permitted"),), ready(20, "True", "Reconciling")
    found = [
        figures.not_before(measured(marks=marks, states=states), "run", step="permitted", seconds=20)
        for states in ((early,), (ready(31, "True", "Reconciling"),), ())
    ]
    assert [one.met for (one,) in found] == [False, True, False]
