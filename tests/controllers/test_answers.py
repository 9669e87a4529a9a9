"""One answer of a public name is believed at a time, and only news wakes anybody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dedicated.api.objects import Key
from dedicated.api.probing import Entry
from dedicated.controllers.answers import WELL, Answers
from dedicated.probes.service import Check, Reading, Target
from dedicated.reconcile.observed import ServiceReading

KEY = Key("acme", "acme")
AT = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Reading(AT, (Check("ready", ok=True, seconds=0.1, detail=""),))
BAD = Reading(AT, (Check("ready", ok=False, seconds=0.1, detail="answered 503"),))


class Woken(list[Key]):
    """Keys that were woken."""


@pytest.fixture
async def told() -> tuple[Answers, Woken]:
    """Answers that are told readings by hand: the name itself is never asked."""
    woken = Woken()

    async def never(_: Target) -> Reading:
        raise AssertionError("nobody is asked")

    answers = Answers(
        read=never,
        wake=woken.append,
        measure=lambda *_: None,
        interval=60,
        contract_time=lambda instant: instant + timedelta(days=1),
    )
    return answers, woken


def tell(answers: Answers, *readings: Reading) -> ServiceReading | None:
    for reading in readings:
        answers._heard(KEY, reading)
    return answers.of(KEY)


async def test_only_news_wakes(told: tuple[Answers, Woken]) -> None:
    answers, woken = told
    assert tell(answers, GOOD, GOOD, GOOD) == ServiceReading(True, WELL)
    assert woken == [KEY]


async def test_one_wrong_answer_alone_is_not_believed(told: tuple[Answers, Woken]) -> None:
    answers, woken = told
    assert tell(answers, GOOD, BAD, GOOD, BAD) == ServiceReading(True, WELL)
    assert woken == [KEY]
    assert tell(answers, BAD) == ServiceReading(False, "answered 503")
    assert woken == [KEY, KEY]


async def test_a_renewed_certificate_is_news_in_the_contracts_time(told: tuple[Answers, Woken]) -> None:
    answers, woken = told
    assert tell(answers, GOOD) == ServiceReading(True, WELL)
    renewed = replace(GOOD, entry=Entry(AT + timedelta(days=90)))
    assert tell(answers, renewed, renewed) == ServiceReading(True, WELL, Entry(AT + timedelta(days=91)))
    assert woken == [KEY, KEY]


async def test_the_first_answer_and_the_first_good_one_are_believed_at_once(
    told: tuple[Answers, Woken],
) -> None:
    answers, _ = told
    assert tell(answers, BAD) == ServiceReading(False, "answered 503")
    assert tell(answers, GOOD) == ServiceReading(True, WELL)


async def test_a_forgotten_instance_has_no_answer(told: tuple[Answers, Woken]) -> None:
    answers, _ = told
    tell(answers, GOOD)
    answers.forget(KEY)
    assert answers.of(KEY) is None


async def test_when_an_answer_was_heard_is_known_for_what_is_believed(told: tuple[Answers, Woken]) -> None:
    answers, _ = told
    tell(answers, GOOD)
    first = answers.heard_at(KEY)
    tell(answers, BAD)
    assert answers.heard_at(KEY) == first is not None
    tell(answers, GOOD)
    again = answers.heard_at(KEY)
    assert again is not None
    assert again > first
    answers.forget(KEY)
    assert answers.heard_at(KEY) is None
