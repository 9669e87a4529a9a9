"""`dedicated explain`: every condition has words, and its page is there."""

import json
import re
from pathlib import Path

import pytest

from cli.running import golden, run
from dedicated.api.conditions import TEST_CLOCK, TYPES
from dedicated.cli.explanations import EXPLANATIONS

CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_condition_is_explained_and_no_other() -> None:
    assert set(EXPLANATIONS) == {*TYPES, TEST_CLOCK}


def anchors(page: str) -> set[str]:
    """The headings of a page, as links name them."""
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^-\w ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_its_page_is_there(name: str) -> None:
    page, _, anchor = EXPLANATIONS[name].docs.partition("#")
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    assert not anchor or anchor in anchors(text)


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_clauses_are_named(name: str) -> None:
    clauses = EXPLANATIONS[name].clauses
    assert clauses.startswith("none: ") or re.fullmatch(r"[A-Z]{1,2}-\d+(, [A-Z]{1,2}-\d+)*", clauses)


def test_one_condition() -> None:
    ran = run("explain", "escalationdue")
    assert (ran.code, ran.out) == (0, golden("explain-escalation-due"))


def test_all_conditions() -> None:
    ran = run("explain")
    assert (ran.code, ran.out) == (0, golden("explain"))


def test_for_programs() -> None:
    found = json.loads(run("explain", "Ready", "-o", "json").out)
    assert found["Ready"]["good"] == "True"


def test_an_unknown_condition_is_a_wrong_argument() -> None:
    ran = run("explain", "Raedy")
    assert ran.code == 2
    assert "no condition is named 'Raedy'" in ran.err
