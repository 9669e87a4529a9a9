"""When a restore is tried out, to which point, and what the last drill proves (B-4)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contract.recovery_facts import backup, listing, sample
from contract.test_recovery_proof import GOOD
from dedicated.api.backup import Drill
from dedicated.contract.facts import Drilled, Restored
from dedicated.contract.recovery.drills import (
    Drills,
    DrillScheduleError,
    drill_name,
    drilled,
    due_slot,
    ended_without,
    fact_of,
    known_drills,
    known_event,
    next_change,
    parse_drill_schedule,
    parse_drills,
    point_of,
    restore_proven,
    slots,
)
from dedicated.contract.recovery.points import Recoverability, recoverability
from dedicated.contract.recovery.proof import Judgement
from dedicated.contract.recovery.restore import estimated, expected
from dedicated.contract.recovery.sampling import Memory

ZONE = "Europe/Zurich"
SUNDAY = datetime(2026, 3, 1, 3, tzinfo=UTC)
"""04:00 in Zurich."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def agreed(**changes: str) -> Drills:
    drill = Drill.model_validate(changes)
    return parse_drills(drill, restore_time=4 * HOUR, zone=ZONE, identity="acme/acme u1")


DRILLS = agreed()


def drill(
    started: datetime, *, passed: bool = True, reason: str = "Proven", took: timedelta = HOUR
) -> Drilled:
    ended = started + took
    return Drilled("d", ended, "op", "r", passed, reason, "7 events", started, ended, took=took)


def window(*, hours: float) -> Recoverability:
    first = listing({1: range(3, 9)}, backup(3))
    found = recoverability(first, Memory((sample(60, 7.5),)), now=sample(60, 7).at)
    assert found.newest is not None
    return replace(found, earliest=found.newest - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("text", "days"),
    [("0 4 * * 0", {6}), ("0 4 * * 7", {6}), ("30 23 * * 1,4", {0, 3}), ("0 0 * * *", set(range(7)))],
)
def test_a_schedule_is_a_time_on_days_of_the_week(text: str, days: set[int]) -> None:
    assert parse_drill_schedule(text).weekdays == days


@pytest.mark.parametrize(
    "text", ["", "0 4 * *", "0 4 1 * 0", "* 4 * * 0", "0 24 * * 0", "0 4 * * 8", "0 4 * * SUN"]
)
def test_what_is_no_schedule_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(DrillScheduleError, match="write one such as '0 4 "):
        parse_drill_schedule(text)


def test_slots_are_those_of_the_clock_on_the_wall() -> None:
    found = [*slots(DRILLS.schedule, ZONE, after=SUNDAY, until=SUNDAY + 35 * DAY)]
    assert found == [
        SUNDAY + 7 * DAY,
        SUNDAY + 14 * DAY,
        SUNDAY + 21 * DAY,
        SUNDAY + 28 * DAY - HOUR,
        SUNDAY + 35 * DAY - HOUR,
    ]


def test_the_first_is_due_within_half_a_day_of_a_full_backup_and_not_before_one() -> None:
    assert due_slot(DRILLS, (), full=None, now=SUNDAY) == (None, None)
    slot, upcoming = due_slot(DRILLS, (), full=SUNDAY, now=SUNDAY)
    assert slot is None
    assert upcoming is not None
    assert SUNDAY + HOUR <= upcoming <= SUNDAY + 12 * HOUR
    assert due_slot(DRILLS, (), full=SUNDAY, now=upcoming) == (upcoming, None)
    other = replace(DRILLS, identity="acme/other u2")
    assert due_slot(other, (), full=SUNDAY, now=SUNDAY) != (None, upcoming)


def test_afterwards_the_schedule_holds_and_what_was_missed_is_made_up_for_once() -> None:
    held = (drill(SUNDAY),)
    assert due_slot(DRILLS, held, full=SUNDAY, now=SUNDAY + DAY) == (None, SUNDAY + 7 * DAY)
    slot, upcoming = due_slot(DRILLS, held, full=SUNDAY, now=SUNDAY + 16 * DAY)
    assert (slot, upcoming) == (SUNDAY + 14 * DAY, SUNDAY + 21 * DAY)
    made_up = (*held, drill(SUNDAY + 16 * DAY))
    assert due_slot(DRILLS, made_up, full=SUNDAY, now=SUNDAY + 17 * DAY) == (None, SUNDAY + 21 * DAY)


def test_one_that_failed_is_held_again_a_day_later() -> None:
    held = (drill(SUNDAY, passed=False, reason="Shortfall"),)
    again = SUNDAY + HOUR + DAY
    assert due_slot(DRILLS, held, full=SUNDAY, now=again - HOUR) == (None, again)
    assert due_slot(DRILLS, held, full=SUNDAY, now=again) == (again, None)


def test_the_point_lies_in_the_window_and_follows_from_instance_and_slot() -> None:
    found = window(hours=40)
    assert found.earliest is not None
    assert found.newest is not None
    drawn = {point_of(DRILLS, found, found.newest + day * DAY) for day in range(20)}
    assert all(point is not None and found.earliest <= point <= found.newest for point in drawn)
    assert len(drawn) > 15
    assert point_of(DRILLS, found, SUNDAY + 99 * DAY) == point_of(DRILLS, found, SUNDAY + 99 * DAY)
    other = replace(DRILLS, identity="other")
    assert point_of(other, found, SUNDAY + 99 * DAY) != point_of(DRILLS, found, SUNDAY + 99 * DAY)


def test_the_point_does_not_move_when_time_has_passed_since_the_slot() -> None:
    found = window(hours=40)
    assert found.newest is not None
    slot = found.newest - HOUR
    later = replace(found, newest=found.newest + HOUR)
    assert point_of(DRILLS, found, slot) == point_of(DRILLS, later, slot)


def test_the_newest_is_taken_where_it_is_wanted_or_there_is_no_window() -> None:
    found = window(hours=40)
    assert point_of(agreed(target="Newest"), found, SUNDAY) is None
    assert point_of(DRILLS, replace(found, earliest=None), SUNDAY) is None


def test_a_name_says_its_slot() -> None:
    assert drill_name("acme", SUNDAY) == "acme-drill-202603010300"


def test_what_it_proves() -> None:
    def told(*held: Drilled, now: datetime, upcoming: datetime | None = None) -> tuple[str, str]:
        found = restore_proven(DRILLS, held, since=SUNDAY, upcoming=upcoming, now=now)
        return found.status, found.reason

    good, end = drill(SUNDAY), SUNDAY + HOUR
    assert told(now=SUNDAY + 9 * DAY) == ("Unknown", "NoneYet")
    assert told(now=SUNDAY + 10 * DAY) == ("False", "DrillOverdue")
    assert told(good, now=end + 10 * DAY - HOUR) == ("True", "Proven")
    assert told(good, now=end + 10 * DAY) == ("False", "DrillOverdue")
    assert next_change(DRILLS, (good,), since=SUNDAY, now=end) == end + 10 * DAY
    assert told(good, drill(end, passed=False, reason="Shortfall"), now=end) == ("False", "Shortfall")
    assert told(drill(SUNDAY, took=4 * HOUR), now=end) == ("True", "Proven")
    assert told(drill(SUNDAY, took=4 * HOUR + HOUR / 60), now=end) == ("False", "RestoreTooSlow")


def test_the_condition_has_figures_and_the_next_date() -> None:
    found = restore_proven(
        DRILLS, (drill(SUNDAY),), since=SUNDAY, upcoming=SUNDAY + 7 * DAY, now=SUNDAY + DAY
    )
    assert "7 events, in 1h of 4h (B-4); next drill 2026-03-08T03:00:00Z" in found.message


def test_what_is_recorded_is_read_from_verdict_and_judgement() -> None:
    judged = Judgement(True, "Proven", "7 events")
    fact = fact_of(
        "r",
        judged,
        replace(GOOD, took=timedelta(seconds=10)),
        started=GOOD.written - timedelta(seconds=70),
        ended=GOOD.written,
        expected=timedelta(seconds=50),
    )
    assert fact.took == timedelta(seconds=60)
    told = drilled("acme", fact, uid="abcdefgh-1")
    assert told.name == "acme-drilled-abcdefgh"
    fields = told.fields["drill"]
    assert isinstance(fields, dict)
    assert (fields["restoreSeconds"], fields["expectedSeconds"], fields["events"]) == (60, 50, 7)
    lost = fact_of("r", ended_without("X", "no"), None, started=SUNDAY, ended=SUNDAY, expected=None)
    assert (lost.passed, lost.reason, lost.took) == (False, "NotVerified", None)


@pytest.mark.parametrize(
    ("reason", "message", "why"),
    [
        ("TargetTooEarly", "before", "TooOld"),
        ("TookTooLong", "its engine says: waiting", "RecoveryNotEnded"),
        ("TookTooLong", "its engine says: invalid checksum", "Corrupted"),
        ("YieldedToRecovery", "a Recovery begins", "YieldedToRecovery"),
        ("ExternalDatabase", "external", "NotVerified"),
    ],
)
def test_a_copy_that_nobody_looked_at_has_a_reason_too(reason: str, message: str, why: str) -> None:
    assert ended_without(reason, message).reason == why


def test_drills_of_a_former_database_prove_nothing_of_the_one_of_now() -> None:
    before, after = drill(SUNDAY), drill(SUNDAY + 3 * DAY)
    switch = Restored("s", SUNDAY + DAY, "op", "r", "b", "a", SUNDAY, False, SUNDAY, SUNDAY, retain=HOUR)
    assert known_drills((after, before)) == (before, after)
    assert known_drills((before, switch, after)) == (after,)


def test_an_event_that_was_seen_before_a_point_is_known() -> None:
    seen = replace(drill(SUNDAY), newest_event=SUNDAY - HOUR)
    later = replace(drill(SUNDAY + DAY), newest_event=SUNDAY + DAY)
    assert known_event((seen, later), None) == SUNDAY + DAY
    assert known_event((seen, later), SUNDAY) == SUNDAY - HOUR
    assert known_event((replace(seen, passed=False),), None) is None


def test_an_estimate_is_corrected_by_what_the_last_restore_took() -> None:
    found = window(hours=1)
    raw = estimated(found)
    assert raw is not None
    slow = replace(drill(SUNDAY, took=2 * HOUR), expected=HOUR)
    assert expected(found, (slow,)) == 2 * raw
    # Held against the same assumed rates, so that a second drill does not undo what the first one taught.
    again = replace(drill(SUNDAY + DAY, took=2 * HOUR), expected=HOUR)
    assert expected(found, (slow, again)) == 2 * raw
    assert expected(found, ()) == raw
