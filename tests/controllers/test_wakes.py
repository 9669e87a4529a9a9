"""Whatever a request comes to, an instance that sleeps has nothing left to do."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from builders import NOW
from controllers.sleeper import CONFLICT, KEY, Answer, created, sleeper
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map
from dedicated.cluster.errors import NO_ANSWER, ApiError
from dedicated.cluster.lease import NotLeader
from dedicated.controllers import material, reporter
from dedicated.controllers.material import KeyPair
from reconcile.edits import POLICY


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is computed, and no figure waits for its fellows."""
    monkeypatch.setattr(material, "new_key_pair", lambda: KeyPair(b"private", b"public"))
    monkeypatch.setattr(reporter, "MINOR_PAUSE", 0.0)


def refused(error: Exception) -> Answer:
    """Not carried out."""

    def answer(_: Callable[[], Manifest]) -> Manifest:
        raise error

    return answer


def lost(do: Callable[[], Manifest]) -> Manifest:
    """Carried out, but nobody hears of it."""
    do()
    raise ApiError(status=0, reason=NO_ANSWER, message="by order of a test")


def api_error(status: int) -> ApiError:
    return ApiError(status=status, reason="ByOrder", message="by order of a test")


ANSWERS = {
    "conflict": refused(CONFLICT),
    "forbidden": refused(api_error(403)),
    "broken": refused(api_error(500)),
    "fenced": refused(NotLeader("by order of a test")),
    "lost": lost,
}
PASSING = [name for name in ANSWERS if name != "forbidden"]
"""Answers after which the same request may succeed."""
LENGTH = 30
"""Changing requests of a creation in peace; the last two record the start of service and tell its months."""
DONE = {"Ready": "Ready", "UpToDate": "UpToDate"}


async def test_in_peace_a_creation_has_so_many_requests() -> None:
    async with sleeper(created()) as it:
        await it.stand()
        assert it.reasons().items() >= DONE.items()
        assert len(it.api.changes) == LENGTH


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_whatever_any_request_comes_to_a_creation_reaches_its_end(answer: Answer) -> None:
    for number in range(1, LENGTH + 1):
        async with sleeper(created({number: answer})) as it:
            await it.stand()
            assert it.reasons().items() >= DONE.items(), number


async def test_an_audit_that_is_due_outlives_a_finalizer_that_somebody_took_away() -> None:
    async with sleeper(created()) as it:
        await it.stand()
        it.clock[0] += timedelta(hours=24)
        get_map(it.api.body, "metadata")["finalizers"] = []
        it.api.touch()
        it.hear()
        await it.passes()
        assert it.api.listed
        await it.sleeps_well()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_turn_reaches_its_end_whatever_any_request_comes_to(answer: Answer) -> None:
    """A name that never answered, a policy deleted while nobody looked, and clocks that disagree."""
    for number in range(1, 5):
        api = created()
        async with sleeper(api, answers_well=False, now=NOW + timedelta(hours=1)) as before:
            await before.stand()
        del api.server.objects[POLICY]
        api.answers[len(api.changes) + number] = answer
        async with sleeper(api, answers_well=False, now=NOW - timedelta(hours=1)) as it:
            await it.wake()
            assert POLICY in api.server.objects
            assert it.reasons()["UpToDate"] == "UpToDate", number
            await it.sleeps_well()


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_deletion_reaches_its_end_whatever_any_request_comes_to(answer: Answer) -> None:
    for number in (1, 2):
        async with sleeper(created()) as it:
            await it.stand()
            get_map(it.api.body, "metadata")["deletionTimestamp"] = rfc3339(NOW)
            it.api.touch()
            it.hear()
            it.api.answers[len(it.api.changes) + number] = answer
            await it.wake()
            assert it.api.gone


@pytest.mark.parametrize("answer", [ANSWERS[name] for name in PASSING], ids=PASSING)
async def test_the_label_of_one_that_went_without_us_is_taken_off_in_the_end(answer: Answer) -> None:
    async with sleeper(created()) as it:
        await it.stand()
        assert it.api.mark == KEY.name
        it.instances.deliver("DELETED", it.api.touch())
        it.api.answers[len(it.api.changes) + 1] = answer
        await it.wake()
        assert it.api.mark == ""
