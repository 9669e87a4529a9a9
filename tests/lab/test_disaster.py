"""Everything is destroyed at a random moment, and restored from the repository alone (B-3)."""

import random
from pathlib import Path

import pytest

from lab.load import load
from lab.server import until
from lab.trial import ARCHIVE_INTERVAL, Outcome, destroy_and_restore, told, trial

ARCHIVING = 10.0
"""Seconds that archiving may take beside its interval."""


def destroyed_after(folder: Path, seconds: float) -> Outcome:
    """What came back of a database that was destroyed so many seconds after all was well."""
    with trial(folder) as made, load(made.lab, clients=2) as clients:
        made.until_good()
        made.ended.wait(seconds)
        return destroy_and_restore(made, clients)


def judge(outcome: Outcome) -> None:
    assert outcome.acknowledged > 20
    assert outcome.false_claims == ()
    assert outcome.exposure >= outcome.loss
    assert outcome.loss <= ARCHIVE_INTERVAL + ARCHIVING


@pytest.mark.parametrize("seconds", [0.0, 8.0])
def test_the_loss_is_small_and_never_above_the_published_exposure(tmp_path: Path, seconds: float) -> None:
    outcome = destroyed_after(tmp_path, seconds)
    told("disaster", outcome)
    judge(outcome)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_so_it_is_at_any_second(tmp_path: Path) -> None:
    chance = random.Random(6)
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcome = destroyed_after(folder, chance.uniform(0, 20))
        told("disaster", outcome)
        judge(outcome)


def test_a_claim_that_was_false_is_found(tmp_path: Path) -> None:
    """The judge sees a promise that no restore keeps."""
    with trial(tmp_path) as made, load(made.lab, clients=2) as clients:
        until(lambda: len(made.lab.repository.segments()) > 5, "some segments")
        last = made.lab.repository.segments()[-1]
        until(lambda: len(made.lab.repository.segments()) > 6, "the next one")
        made.ended.wait(1.5)
        last.unlink()
        outcome = destroy_and_restore(made, clients)
    assert outcome.false_claims
