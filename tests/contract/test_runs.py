"""How far a maintenance is: each phase by its records, slots to the second, and never a run outside one."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.clock_facts import SECOND_SUNDAY, asked_months, at, freeze, notified, ran, said, slot, terms
from dedicated.contract.calendar import Slot, Window, default_window
from dedicated.contract.facts import Fact, Kind, Notified, Retracted, Word, history
from dedicated.contract.holidays import swiss_holidays
from dedicated.contract.maintenance import notice_over
from dedicated.contract.permission import INSTANT, Terms, permitted
from dedicated.contract.runs import Standing, next_to_run, next_words, slot_words, standings

SECOND = timedelta(seconds=1)
HOLIDAYS = swiss_holidays()
WINDOWS = terms(SECOND_SUNDAY)
"""Advanced: 2026-06-14 02:00 to 06:00 and so on."""
ASKED = terms(approval="Required")
STANDARD = replace(terms(default_window("ns/acme"), plan="Standard"), agreed=False)
JUNE = asked_months("2026-06")
EACH_SUNDAY = Window("FREQ=WEEKLY;BYDAY=SU", time(2), timedelta(hours=4))
FIRST_SUNDAY = Window("FREQ=MONTHLY;BYDAY=1SU", time(2), timedelta(hours=4))
WEEKLY = terms(EACH_SUNDAY)


def stand(facts: list[Fact], under: Terms, now: str | datetime, name: str = "regular-2026-06") -> Standing:
    """How far one request is, by what is recorded up to an instant."""
    moment = at(now) if isinstance(now, str) else now
    known = history(facts).before(moment + INSTANT)
    found = standings(known.requests, under, holidays=HOLIDAYS, now=moment)
    return next(item for item in found if item.request.name == name)


def test_a_window_schedules_starts_and_ends() -> None:
    start, end = at("2026-06-14 02:00"), at("2026-06-14 06:00")
    before = stand(JUNE, WINDOWS, start - SECOND)
    assert (before.phase, before.wake_at) == ("Scheduled", start)
    assert slot_words(before.slot, WINDOWS) == "2026-06-14 02:00 to 06:00 Europe/Zurich"
    assert next_words(before, WINDOWS) == "starts 2026-06-14T00:00:00Z"
    inside = stand(JUNE, WINDOWS, start)
    assert inside.phase == "Gates"
    assert stand(JUNE, WINDOWS, inside.wake_at - INSTANT if inside.wake_at else start).phase == "Gates"
    assert stand(JUNE, WINDOWS, end - timedelta(hours=2)).phase == "Gates", "exactly enough time is left"
    late = stand(JUNE, WINDOWS, end - timedelta(hours=2) + SECOND)
    assert late.phase == "Permitted", "too little time is left for it"
    assert stand(JUNE, WINDOWS, "2026-06-30 23:59").phase == "Permitted"
    assert stand(JUNE, WINDOWS, "2026-07-01 00:00").phase == "Expired"


def test_a_run_lasts_until_it_ended_and_steps_begin_in_the_slot_alone() -> None:
    started = [*JUNE, ran("regular-2026-06", "2026-06-14 02:05", "Started")]
    running = stand(started, WINDOWS, "2026-06-14 03:00")
    assert (running.phase, running.started) == ("Running", at("2026-06-14 02:05"))
    assert running.wake_at == at("2026-06-14 06:00")
    assert running.may_step(at("2026-06-14 06:00") - SECOND)
    over = stand(started, WINDOWS, "2026-06-14 06:00")
    assert over.phase == "Running", "a run that goes on is not ended by the slot's end"
    assert not over.may_step(at("2026-06-14 06:00"))
    done = stand([*started, ran("regular-2026-06", "2026-06-14 06:30")], WINDOWS, "2026-06-20 00:00")
    assert (done.phase, done.ended, done.open) == ("Completed", at("2026-06-14 06:30"), False)


def test_a_run_that_failed_is_tried_again_after_an_hour_while_there_is_room() -> None:
    name = "regular-2026-06"
    failed = [*JUNE, ran(name, "2026-06-14 02:05", "Started"), ran(name, "2026-06-14 02:30", "Failed")]
    waiting = stand(failed, WINDOWS, "2026-06-14 02:31")
    assert waiting.phase == "Scheduled"
    assert waiting.slot is not None
    assert waiting.slot.start == at("2026-06-14 03:30")
    assert stand(failed, WINDOWS, "2026-06-14 03:30").phase == "Gates"
    assert stand(failed, WINDOWS, "2026-06-14 04:01").phase == "Failed"
    later = slot("2026-06-20 02:00", "2026-06-20 05:00")
    again = [*failed, said(name, "2026-06-15 09:00", "Permitted", later)]
    assert stand(again, WINDOWS, "2026-06-16 00:00").phase == "Scheduled"
    restarted = [*failed, ran(name, "2026-06-14 03:30", "Started")]
    assert stand(restarted, WINDOWS, "2026-06-14 03:31").phase == "Running"


def test_the_last_word_of_the_customer_holds() -> None:
    name, permitted_slot = "regular-2026-06", slot("2026-06-20 01:00", "2026-06-20 04:00")
    assert stand(JUNE, ASKED, "2026-06-02 00:00").phase == "Announced"
    refused = [*JUNE, said(name, "2026-06-03 09:00", "Refused")]
    told = stand(refused, ASKED, "2026-06-04 00:00")
    assert told.phase == "Refused"
    assert next_words(told, ASKED).startswith("Customer: permit a slot that begins before 2026-06-30T22:00")
    assert stand(refused, STANDARD, "2026-06-04 00:00").phase == "Refused", "never against a refusal (M-1)"
    allowed = [*refused, said(name, "2026-06-05 09:00", "Permitted", permitted_slot)]
    assert stand(allowed, ASKED, "2026-06-06 00:00").phase == "Scheduled"
    withdrawn = [*allowed, said(name, "2026-06-07 09:00", "Withdrawn")]
    assert stand(withdrawn, ASKED, "2026-06-08 00:00").phase == "Refused"
    assert stand(withdrawn, ASKED, "2026-06-20 02:00").phase == "Refused"
    used = [*allowed, said(name, "2026-06-20 01:30", "Withdrawn")]
    assert stand(used, ASKED, "2026-06-20 01:31").phase == "Gates", "what is used is not withdrawn (M-13)"


def test_a_permission_for_any_time_is_used_at_once() -> None:
    name = "regular-2026-06"
    stretch = slot("2026-06-10 00:00", "2026-06-20 00:00")
    facts = [*JUNE, said(name, "2026-06-05 09:00", "Permitted", stretch, any_time=True)]
    assert stand(facts, ASKED, "2026-06-10 00:00").phase == "Gates"
    withdrawn = [*facts, said(name, "2026-06-11 00:00", "Withdrawn")]
    assert stand(withdrawn, ASKED, "2026-06-11 00:01").phase == "Refused"


def test_where_the_plan_permits_the_provider_s_window_is_taken() -> None:
    found = stand(JUNE, STANDARD, "2026-06-02 00:00")
    assert found.phase == "Scheduled"
    assert found.slot is not None
    assert found.slot.basis == "Plan"
    assert found.slot.end - found.slot.start == timedelta(hours=4)
    assert stand(JUNE, STANDARD, found.slot.start).phase == "Gates"
    assert stand(JUNE, STANDARD, found.slot.end).phase == "Permitted", "the month's window is over"
    june = freeze("2026-06-01 00:00", "2026-07-01 00:00")
    frozen = replace(STANDARD, calendar=replace(STANDARD.calendar, freezes=(june,)))
    assert stand(JUNE, frozen, found.slot.start).phase == "Announced"


def test_an_emergency_by_plan_starts_at_once_and_lives_until_it_is_done() -> None:
    facts: list[Fact] = [notified("patch-1", "2026-06-01 09:00", "Security")]
    for now in ("2026-06-01 09:00", "2026-06-06 12:00", "2026-07-20 00:00"):
        assert stand(facts, STANDARD, now, "patch-1").phase == "Gates"
    early, later = (stand(facts, STANDARD, f"2026-06-01 {hour}:00", "patch-1") for hour in (10, 20))
    assert early.slot == later.slot, "what is shown does not move with every look"
    asked = stand(facts, ASKED, "2026-06-03 00:00", "patch-1")
    assert (asked.phase, asked.deadline) == ("Announced", at("2026-06-07 00:00"))
    windows = stand(facts, WINDOWS, "2026-06-03 00:00", "patch-1")
    assert windows.phase == "Scheduled", "a window after the deadline can still be used"


def test_what_is_taken_back_or_contained_in_another_does_not_run() -> None:
    first: list[Fact] = [notified("patch-1", "2026-06-01 09:00", "Security")]
    second = [*first, notified("patch-2", "2026-06-02 09:00", "Security", supersedes="patch-1")]
    found = {
        item.request.name: item.phase
        for item in standings(
            history(second).requests, STANDARD, holidays=HOLIDAYS, now=at("2026-06-02 10:00")
        )
    }
    assert found == {"patch-1": "Superseded", "patch-2": "Gates"}


def test_what_a_request_contained_is_open_again_when_that_one_is_taken_back() -> None:
    first = notified("patch-1", "2026-06-01 09:00", "Security")
    second = notified("patch-2", "2026-06-02 09:00", "Security", supersedes="patch-1")
    back = Retracted("r", at("2026-06-03 09:00"), "provider", "patch-2")
    facts: list[Fact] = [first, second, back]
    assert stand(facts, STANDARD, "2026-06-03 08:59", "patch-1").phase == "Superseded"
    again = stand(facts, STANDARD, "2026-06-03 09:00", "patch-1")
    assert again.phase == "Gates", "its clock never stopped (M-6)"


def test_the_month_s_request_is_superseded_by_none() -> None:
    emergency = notified("patch-1", "2026-06-02 09:00", "Security", supersedes="regular-2026-06")
    done = ran("patch-1", "2026-06-03 09:30")
    facts = [*JUNE, emergency, ran("patch-1", "2026-06-03 09:00", "Started"), done]
    assert stand(facts, WINDOWS, "2026-06-04 00:00").phase == "Scheduled", "it is due all the same (M-2, M-3)"


# The notice of downtime (M-12). June 2026: Corpus Christi is no holiday in St. Gallen; April has Easter.


def down(month: str, notice: str = "", minutes: int = 5) -> list[Fact]:
    """A month's request that expects downtime, opened on the 1st or later."""
    request = notified(f"regular-{month}", notice or f"{month}-01 00:00")
    return [replace(request, downtime=timedelta(minutes=minutes))]


def starts(facts: list[Fact], under: Terms, now: str) -> datetime | None:
    """When the request of those facts runs, as is told then."""
    (name,) = {fact.request for fact in facts if isinstance(fact, Notified)}
    found = stand(facts, under, now, name).slot
    return found.start if found else None


def test_a_run_with_downtime_takes_the_first_window_after_its_notice() -> None:
    assert starts(JUNE, WEEKLY, "2026-06-01 00:00") == at("2026-06-07 02:00")
    assert starts(down("2026-06"), WEEKLY, "2026-06-01 00:00") == at("2026-06-14 02:00")
    # Wednesday 1 April: 2, (3 Good Friday), (6 Easter Monday), 7, 8, 9, 10: over on the 11th.
    assert starts(down("2026-04"), WEEKLY, "2026-04-01 00:00") == at("2026-04-12 02:00")
    at_night = terms(Window("FREQ=WEEKLY;BYDAY=FR", time(21), timedelta(hours=12)))
    # A window over the end of the notice is used from there on: 10 April, 21:00 to 09:00.
    assert starts(down("2026-04"), at_night, "2026-04-01 00:00") == at("2026-04-11 00:00")


def test_a_holiday_inside_the_notice_moves_it() -> None:
    by_day = terms(Window("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", time(2), timedelta(hours=4)))
    # Monday 4 May: 5, 6, 7, 8, 11. Monday 11 May: 12, 13, (14 Ascension), 15, 18, 19.
    assert starts(down("2026-05", "2026-05-04 10:00"), by_day, "2026-05-04 10:00") == at("2026-05-12 02:00")
    assert starts(down("2026-05", "2026-05-11 10:00"), by_day, "2026-05-11 10:00") == at("2026-05-20 02:00")


def test_a_late_notice_waits_where_the_plan_permits_and_the_month_is_over_before() -> None:
    window = stand(JUNE, STANDARD, "2026-06-01 00:00").slot
    assert window is not None
    assert starts(down("2026-06"), STANDARD, "2026-06-01 00:00") == window.start, "from the 15th on in time"
    late = f"{window.start - timedelta(days=2):%Y-%m-%d} 10:00"
    facts = down("2026-06", late)
    found = stand(facts, STANDARD, late)
    assert (found.phase, found.slot) == ("Permitted", None)
    assert "no permitted slot is left after the notice of its downtime" in next_words(found, STANDARD)
    assert stand(facts, STANDARD, window.start).phase == "Permitted"
    assert stand(facts, STANDARD, "2026-07-01 00:00").phase == "Expired"


def test_where_all_windows_of_the_month_come_before_the_notice_the_last_is_taken() -> None:
    assert starts(down("2026-06"), terms(FIRST_SUNDAY), "2026-06-01 00:00") == at("2026-06-07 02:00")
    two = terms(FIRST_SUNDAY, Window("FREQ=MONTHLY;BYMONTHDAY=2", time(2), timedelta(hours=4)))
    assert starts(down("2026-06"), two, "2026-06-01 00:00") == at("2026-06-07 02:00")
    assert stand(down("2026-06"), two, "2026-06-02 03:00").phase == "Scheduled"
    assert stand(down("2026-06"), two, "2026-06-07 02:00").phase == "Gates"
    unknown = down("2051-06")
    assert starts(unknown, WEEKLY, "2051-06-01 00:00") == at("2051-06-25 02:00")
    assert starts(unknown, STANDARD, "2051-06-01 00:00") is None


def test_a_slot_that_the_customer_permits_is_taken_however_late_the_notice() -> None:
    permitted_slot = slot("2026-06-03 01:00", "2026-06-03 04:00")
    facts = [*down("2026-06"), said("regular-2026-06", "2026-06-02 09:00", "Permitted", permitted_slot)]
    assert starts(facts, ASKED, "2026-06-02 10:00") == at("2026-06-03 01:00")
    assert starts(facts, STANDARD, "2026-06-02 10:00") == at("2026-06-03 01:00")


def test_an_emergency_with_downtime_has_no_notice_to_wait_for() -> None:
    facts: list[Fact] = [
        replace(notified("patch-1", "2026-06-01 09:00", "Security"), downtime=timedelta(minutes=5))
    ]
    assert stand(facts, STANDARD, "2026-06-01 09:00", "patch-1").phase == "Gates"


def test_never_two_at_once_and_the_urgent_one_first() -> None:
    facts = [
        *JUNE,
        notified("patch-1", "2026-06-14 02:10", "Performance"),
        said("patch-1", "2026-06-14 02:11", "Permitted", slot("2026-06-14 02:15", "2026-06-14 05:00")),
    ]
    now = at("2026-06-14 02:20")
    chosen = next_to_run(standings(history(facts).requests, WINDOWS, holidays=HOLIDAYS, now=now))
    assert chosen is not None
    assert chosen.request.name == "patch-1"
    running = [*facts, ran("regular-2026-06", "2026-06-14 02:05", "Started")]
    chosen = next_to_run(standings(history(running).requests, WINDOWS, holidays=HOLIDAYS, now=now))
    assert chosen is not None
    assert (chosen.request.name, chosen.phase) == ("regular-2026-06", "Running")


WORDS: tuple[Word, ...] = ("Permitted", "Refused", "Withdrawn", "Blocked")
HOURS = st.integers(0, 24 * 40)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Fact], Terms, datetime]:
    """Requests, answers and runs around a month, under random terms, looked at at a random instant."""
    start = at("2026-06-01 00:00")

    def moment() -> str:
        return f"{start + timedelta(hours=draw(HOURS)):%Y-%m-%d %H:%M}"

    facts: list[Fact] = down("2026-06", minutes=5 if draw(st.booleans()) else 0)
    for number in range(draw(st.integers(0, 2))):
        kind: Kind = draw(st.sampled_from(["Security", "Performance"]))
        facts.append(notified(f"patch-{number}", moment(), kind, hours=draw(st.integers(1, 5))))
    names = [fact.request for fact in facts if hasattr(fact, "request")]
    for _ in range(draw(st.integers(0, 5))):
        word: Word = draw(st.sampled_from(WORDS))
        begin = start + timedelta(hours=draw(HOURS))
        stretch = Slot(begin, begin + timedelta(hours=draw(st.integers(1, 50))))
        given_slot = stretch if word == "Permitted" else None
        any_time = word == "Permitted" and draw(st.booleans())
        facts.append(said(draw(st.sampled_from(names)), moment(), word, given_slot, any_time=any_time))
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(names))
        facts.append(ran(name, moment(), draw(st.sampled_from(["Started", "Failed", "Completed"]))))
    under = draw(st.sampled_from([WINDOWS, ASKED, STANDARD, WEEKLY]))
    return facts, under, start + timedelta(minutes=draw(st.integers(0, 60 * 24 * 40)))


@settings(deadline=None, max_examples=300)
@given(worlds())
def test_no_run_begins_but_where_it_is_permitted(world: tuple[list[Fact], Terms, datetime]) -> None:
    facts, under, now = world
    known = history(facts).before(now + INSTANT)
    found = standings(known.requests, under, holidays=HOLIDAYS, now=now)
    assert sum(item.phase == "Running" for item in found) <= len(known.requests)
    for item in found:
        if item.phase == "Gates":
            assert permitted(item.request, under, at=now)
            assert item.slot is not None
            assert item.slot.start <= now
            assert item.slot.end - now >= item.request.notified.duration
            if item.slot.basis == "Plan" and item.request.regular:
                over = notice_over(item.request.notified, HOLIDAYS)
                assert over is not None
                assert over <= now, "no downtime by the plan before its notice is over (M-12)"
        if item.wake_at is not None:
            assert item.wake_at > now
            just_before = standings(known.requests, under, holidays=HOLIDAYS, now=item.wake_at - INSTANT)
            same = next(other for other in just_before if other.request.name == item.request.name)
            assert same.phase == item.phase, "nothing changes before it is told to"


@pytest.mark.parametrize("now", ["2026-06-02 00:00", "2026-06-14 03:00", "2026-07-02 00:00"])
def test_every_phase_has_words(now: str) -> None:
    assert next_words(stand(JUNE, WINDOWS, now), WINDOWS)
