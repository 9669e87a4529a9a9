"""What a restored copy proves: each fault has its own reason, and what is not known proves nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from contract.recovery_facts import sample, second
from dedicated.contract.recovery.proof import (
    VERDICT,
    Check,
    Goal,
    Name,
    Reason,
    Result,
    Terms,
    Verdict,
    due,
    judge,
    reached,
    read_verdict,
    to_json,
)
from dedicated.contract.recovery.wal import SEGMENT

SAMPLES = tuple(sample(at, 1 + at / 100) for at in range(0, 300, 30))
TERMS = Terms(asked=second(300), zone="UTC", earliest=second(-100), fingerprint="f1")


def checks(**results: Result) -> tuple[Check, ...]:
    names: tuple[Name, ...] = ("Recovery", "Point", "Pages", "Structure", "Events", "Keys")
    return tuple(Check(name, results.get(name.lower(), "Passed"), f"{name} as it is") for name in names)


GOOD = Verdict(
    written=second(400),
    restore="u1",
    goal=Goal(second(200)),
    recovered=True,
    restored_to=second(200),
    shortfall=timedelta(0),
    position=3 * SEGMENT,
    exact=True,
    events=7,
    newest_event=second(190),
    keys=3,
    keys_opened=3,
    fingerprint="f1",
    checks=checks(),
)


def test_what_is_written_reads_the_same_and_only_for_its_own_restore() -> None:
    data = {VERDICT: to_json(GOOD)}
    assert read_verdict(data, restore="u1") == GOOD
    assert read_verdict(data, restore="u2") is None
    assert read_verdict({}, restore="u1") is None
    assert read_verdict({VERDICT: '{"written": 1}'}, restore="u1") is None


def test_all_well_is_proven_with_its_figures() -> None:
    found = judge(GOOD, TERMS)
    assert (found.passed, found.reason) == (True, "Proven")
    assert "7 events, 3 of 3 encryption keys opened" in found.message


FAULTS: dict[str, tuple[Verdict, Reason]] = {
    "recovery": (replace(GOOD, recovered=False, checks=checks(recovery="Failed")), "RecoveryNotEnded"),
    "too early": (replace(GOOD, recovered=False, goal=Goal(second(-200))), "TooOld"),
    "pages": (replace(GOOD, checks=checks(pages="Failed", point="Failed", keys="Failed")), "Corrupted"),
    "indexes": (replace(GOOD, checks=checks(structure="Failed")), "Corrupted"),
    "short": (replace(GOOD, shortfall=timedelta(seconds=60), checks=checks(point="Failed")), "Shortfall"),
    "later": (replace(GOOD, checks=checks(point="Failed")), "TooNew"),
    "events": (replace(GOOD, checks=checks(events="Failed", keys="Failed")), "EventsMissing"),
    "keys": (replace(GOOD, checks=checks(keys="Failed")), "MasterkeyWrong"),
    "fingerprint": (replace(GOOD, fingerprint="f2"), "MasterkeyWrong"),
    "old": (replace(GOOD, goal=Goal(second(0), newest=True), restored_to=second(-3400)), "TooOld"),
    "unknown point": (replace(GOOD, shortfall=None, checks=checks(point="Unknown")), "NotVerified"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_has_its_own_reason(fault: str) -> None:
    verdict, reason = FAULTS[fault]
    found = judge(verdict, TERMS)
    assert (found.passed, found.reason) == (False, reason)
    assert found.message


def test_an_event_that_an_earlier_drill_saw_has_to_be_there() -> None:
    assert judge(GOOD, replace(TERMS, events_until=second(190))).passed
    assert judge(GOOD, replace(TERMS, events_until=second(191))).reason == "EventsMissing"


def test_a_recovery_goes_on_where_nothing_is_left_to_compare_with() -> None:
    verdict, _ = FAULTS["unknown point"]
    assert judge(verdict, replace(TERMS, strict=False)).passed


def test_indexes_that_the_role_may_not_check_leave_a_copy_proven() -> None:
    assert judge(replace(GOOD, checks=checks(structure="Unknown")), TERMS).passed


def test_keys_that_nothing_shows_to_be_right_need_the_fingerprint() -> None:
    verdict = replace(GOOD, checks=checks(keys="Unknown"))
    assert judge(verdict, TERMS).passed
    assert judge(verdict, replace(TERMS, fingerprint="")).reason == "NotVerified"
    assert judge(replace(verdict, fingerprint=""), TERMS).reason == "NotVerified"


def test_what_nobody_looked_at_is_told_in_the_words_of_who_failed() -> None:
    assert judge(None, TERMS).reason == "NotVerified"
    assert judge(None, TERMS, failure="invalid checksum 'x'").reason == "Corrupted"
    assert judge(None, replace(TERMS, goal=Goal(second(-200)))).reason == "TooOld"


def test_to_the_newest_point_each_sample_until_the_goal_has_to_be_there() -> None:
    goal = Goal(second(240), newest=True)
    whole = reached(SAMPLES, int(3.4 * SEGMENT), goal)
    assert (whole.restored_to, whole.shortfall) == (second(240), timedelta(0))
    short = reached(SAMPLES, int(1.5 * SEGMENT), goal)
    assert (short.restored_to, short.shortfall) == (second(30), timedelta(seconds=210))
    last = reached(SAMPLES, int(3.3 * SEGMENT), goal)
    assert (last.restored_to, last.shortfall) == (second(210), timedelta(seconds=30))


def test_a_sample_at_the_target_says_nothing_against_it_and_one_before_it_does() -> None:
    goal = Goal(second(60))
    before = SAMPLES[2].position - 1
    assert reached(SAMPLES, before, goal).restored_to == second(60)
    short = reached(SAMPLES, SAMPLES[1].position - 1, goal)
    assert (short.restored_to, short.shortfall) == (second(0), timedelta(seconds=60))


def test_nothing_to_compare_with_is_not_known() -> None:
    goal = Goal(second(60), newest=True)
    assert reached((), SEGMENT, goal).shortfall is None
    assert reached(SAMPLES, None, goal).shortfall is None


def test_what_a_primary_that_was_cut_off_went_on_to_write_is_not_missed() -> None:
    lost = sample(100, 9)
    followed = (sample(0, 1), lost, sample(110, 2, line=2), sample(140, 3, line=2))
    found = reached(followed, 3 * SEGMENT, Goal(second(140), newest=True))
    assert (found.restored_to, found.shortfall) == (second(140), timedelta(0))


def test_due_is_what_three_archive_intervals_ago_was_written() -> None:
    assert due(second(300), timedelta(seconds=60)) == second(120)
