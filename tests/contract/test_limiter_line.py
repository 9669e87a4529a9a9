"""Replicas take a change one after the other, and none waits for one that is gone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dedicated.contract.limiter_line import STUCK, Turn, turn
from dedicated.contract.limiter_report import SILENT, Phase, Proof, Report

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
TAKEN = Report(0, NOW, phase="Applied", content="new", wanted="new", proof=Proof(NOW, "new", True))


def of(before: Report | None, silent: float = 0, still: float = 0) -> Turn:
    return turn(1, "new", before, silent=silent, still=still)


def test_the_first_waits_for_nobody() -> None:
    assert turn(0, "new", None, silent=0, still=0).now == "Take"


def test_the_next_takes_what_is_proven_before_it() -> None:
    assert of(TAKEN) == Turn("Take")


@pytest.mark.parametrize("phase", ["Waiting", "Applying"])
def test_it_waits_while_the_one_before_is_at_it(phase: Phase) -> None:
    assert of(replace(TAKEN, phase=phase, content="old")) == Turn("Wait", "replica 0 is taking it")


def test_it_waits_for_one_that_has_not_seen_the_change() -> None:
    before = replace(TAKEN, wanted="old", content="old", proof=Proof(NOW, "old", True))
    for one in (before, None):
        assert of(one) == Turn("Wait", "replica 0 has not taken it yet")


def test_what_is_proven_of_the_old_content_is_no_proof_of_the_new() -> None:
    assert of(replace(TAKEN, proof=Proof(NOW, "old", True))).now == "Wait"


def test_the_line_stops_at_a_refusal_and_at_a_proof_that_failed() -> None:
    refused = replace(TAKEN, phase="Rejected", content="old", message="unknown keyword")
    assert of(refused) == Turn("Stop", "replica 0 refused it: unknown keyword")
    failed = replace(TAKEN, proof=Proof(NOW, "new", False, "admitted 700, must be 606"))
    assert of(failed) == Turn("Stop", "replica 0 has it, and is not proven: admitted 700, must be 606")


def test_one_that_tells_nothing_is_passed_over() -> None:
    for before in (None, replace(TAKEN, wanted="old"), replace(TAKEN, phase="Applying")):
        assert of(before, SILENT - 1).now == "Wait"
        assert of(before, SILENT).now == "Take"


def test_one_that_lives_and_gets_no_further_is_passed_over() -> None:
    for before in (replace(TAKEN, wanted="old"), replace(TAKEN, phase="Applying")):
        assert of(before, still=STUCK - 1).now == "Wait"
        assert of(before, still=STUCK).now == "Take"


def test_a_refusal_is_not_passed_over_nor_one_that_waits_itself() -> None:
    assert of(replace(TAKEN, phase="Rejected", content="old"), still=STUCK).now == "Stop"
    assert of(replace(TAKEN, phase="Waiting", content="old"), still=STUCK).now == "Wait"
