"""Facts in order, and requests with what was said about them."""

from datetime import timedelta

import pytest

from contract.clock_facts import at, notified, ran, said, service, slot
from dedicated.contract.calendar import Slot
from dedicated.contract.facts import Agreed, Answer, Word, history

REQUEST = notified("r", "2026-01-01 00:00")
PERMITTED = said("r", "2026-01-03 00:00", "Permitted", slot("2026-01-05 00:00", "2026-01-06 00:00"))
REFUSED = said("r", "2026-01-03 00:00", "Refused")


def test_in_one_second_what_withholds_comes_last_however_it_is_named() -> None:
    for name in ("a", "zzz"):
        refused = Answer(name, REFUSED.at, "customer", "r", "Refused")
        found = history([refused, REQUEST, PERMITTED])
        assert [answer.word for answer in found.requests[0].answers] == ["Permitted", "Refused"]


def test_a_record_counts_once() -> None:
    assert history([REQUEST, REFUSED, REFUSED]) == history([REFUSED, REQUEST])


def test_the_history_before_an_instant_is_without_what_came_at_it() -> None:
    found = history([REQUEST, REFUSED, ran("r", "2026-01-09 00:00")])
    assert found.before(at("2026-01-03 00:00")).requests[0].answers == ()
    assert found.before(at("2026-01-03 00:00:01")).requests[0].answers == (REFUSED,)
    assert found.before(at("2026-01-09 00:00")).requests[0].completed is None
    assert found.before(at("2026-02-01 00:00")) is found


def test_a_fact_about_a_request_that_nobody_notified_has_no_effect() -> None:
    assert history([REFUSED]).requests == ()


def test_the_first_ready_is_the_start_of_the_service() -> None:
    assert history([service("2026-01-02 00:00")]).service_start == at("2026-01-02 00:00")
    assert history([]).service_start is None


@pytest.mark.parametrize(("word", "named"), [("Permitted", None), ("Refused", PERMITTED.slot)])
def test_a_permission_and_nothing_else_names_a_slot(word: Word, named: Slot | None) -> None:
    with pytest.raises(ValueError, match="names a slot"):
        Answer("a", at("2026-01-03 00:00"), "customer", "r", word, named)


def test_an_agreement_holds_from_its_record_and_its_first_day_until_its_last() -> None:
    second = timedelta(seconds=1)
    start, end = at("2026-02-01 00:00"), at("2026-03-01 00:00")
    agreed = Agreed("g", at("2026-01-15 00:00"), "provider", "S-2", "2", "letter 3", start, end)
    assert [agreed.in_force(now) for now in (start - second, start, end - second, end)] == [
        False,
        True,
        True,
        False,
    ]
    late = Agreed("g", at("2026-02-10 00:00"), "provider", "S-2", "2", "letter 3", start)
    assert [late.in_force(now) for now in (start, late.at)] == [False, True]
