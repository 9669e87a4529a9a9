"""Drills by a dump (B-4, X-1): due once a month, apart from each other, and what the last one says."""

from datetime import UTC, datetime, timedelta

from contract.test_recovery_drills import ZONE, drill, window
from dedicated.api.conditions import RESTORE_PROVEN, Condition, Status
from dedicated.api.json import get_map
from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.drills import drilled, known_drills
from dedicated.contract.recovery.dumps import (
    EVERY,
    FIRST_AFTER,
    due_dump,
    dump_name,
    dumped_fact,
    scratch_of,
    with_dump,
)
from dedicated.contract.recovery.restore import estimated, expected

ME = "acme/acme u1"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2026, 3, 1, 3, tzinfo=UTC)
PROVEN = (drill(START),)


def dump(started: datetime, *, passed: bool = True, found: str = "1003 rows equal") -> Drilled:
    return dumped_fact(
        "out", passed=passed, found=found, started=started, ended=started + HOUR, size=7, took=HOUR
    )


def first(identity: str = ME) -> datetime:
    """The first slot, met hour by hour."""
    now = START
    while (slot := due_dump(identity, PROVEN, (), now=now)[0]) is None:
        now += HOUR
    return slot


def test_the_first_waits_until_a_restore_is_proven_for_a_week_and_comes_within_a_month_of_that() -> None:
    assert due_dump(ME, (), (), now=START) == (None, None)
    assert due_dump(ME, (drill(START, passed=False),), (), now=START + EVERY) == (None, None)
    proven = PROVEN[0].ended + FIRST_AFTER
    assert proven < first() <= proven + EVERY


def test_instances_have_theirs_apart() -> None:
    found = sorted(first(f"acme/{number} u") for number in range(200))
    counted = [sum(day <= slot < day + DAY for slot in found) for day in (START + n * DAY for n in range(45))]
    assert max(counted) < 20


def test_the_next_is_a_month_on_and_one_that_failed_is_tried_again_a_day_later() -> None:
    slot = first()
    assert due_dump(ME, PROVEN, (), now=slot) == (slot, slot + EVERY)
    made = (dump(slot),)
    assert due_dump(ME, PROVEN, made, now=slot + HOUR) == (None, slot + EVERY)
    assert due_dump(ME, PROVEN, made, now=slot + EVERY)[0] == slot + EVERY
    failed = (dump(slot, passed=False),)
    assert due_dump(ME, PROVEN, failed, now=slot + 2 * HOUR) == (None, slot + HOUR + DAY)
    assert due_dump(ME, PROVEN, failed, now=slot + HOUR + DAY)[0] == slot + HOUR + DAY


def test_what_is_past_by_a_day_is_not_made_up_for() -> None:
    slot = first()
    assert due_dump(ME, PROVEN, (), now=slot + DAY - HOUR)[0] == slot
    assert due_dump(ME, PROVEN, (), now=slot + DAY) == (None, slot + EVERY)


def test_the_volume_holds_dump_and_import() -> None:
    assert [scratch_of(gib * 2**30) for gib in (0, 9, 10, 100)] == ["20Gi", "20Gi", "21Gi", "201Gi"]


def test_a_name_says_the_slot() -> None:
    assert dump_name("acme", START) == "acme-dump-202603010300"


def condition(status: Status = "True", reason: str = "Proven") -> Condition:
    return Condition(RESTORE_PROVEN, status, reason, "drill of Sunday")


def test_a_dump_that_failed_turns_a_proof_false_and_one_that_passed_is_told() -> None:
    assert with_dump(condition(), None, zone=ZONE) == condition()
    good = with_dump(condition(), dump(START), zone=ZONE)
    assert (good.status, good.reason) == ("True", "Proven")
    assert good.message.startswith("drill of Sunday; dump of 2026-03-01")
    bad = with_dump(condition(), dump(START, passed=False, found="RowsDiffer a.b"), zone=ZONE)
    assert (bad.status, bad.reason) == ("False", "DumpNotProven")
    assert "RowsDiffer a.b" in bad.message
    other = condition("False", "Corrupted")
    assert with_dump(other, dump(START, passed=False), zone=ZONE) == other


def test_dumps_and_restores_are_told_apart_in_the_records() -> None:
    every = (*PROVEN, dump(START))
    assert known_drills(every) == PROVEN
    assert known_drills(every, logical=True) == (dump(START),)
    found = window(hours=1)
    assert expected(found, (dump(START),)) == estimated(found)
    statement = drilled("acme", dump(START), uid="12345678-9")
    assert statement.name == "acme-drilled-12345678"
    told = get_map(statement.fields, "drill")
    assert (told["kind"], told["reason"], told["restore"]) == ("Logical", "Imported", "out")
