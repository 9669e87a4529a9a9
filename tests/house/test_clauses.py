"""`docs/clauses.md`: every clause of the contract has its rule, what shows it, its test and its page, or says
why not. What the table names must be there, and speak of the clause."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TABLE = CHECKOUT / "docs" / "clauses.md"
NUMBERS = {
    "K": 10, "G": 4, "S": 4, "O": 5, "M": 15, "I": 2, "SU": 6, "B": 10, "D": 3, "L": 5, "A": 9, "RL": 6,
    "R": 2, "C": 7, "P": 5, "V": 3, "U": 1, "X": 1, "T": 1,
}  # fmt: skip
"""Clauses of each part of the contract."""
CLAUSES = tuple(f"{part}-{number}" for part, last in NUMBERS.items() for number in range(1, last + 1))
NOT_FOR_SOFTWARE = frozenset(
    {"G-1", "G-2", "G-4", "O-2", "P-1", "P-2", "P-3", "R-2", "SU-2", "SU-5", "SU-6", "B-6", "RL-6", "V-3"}
)
"""No other clause may say that of itself."""


@dataclass(frozen=True)
class Row:
    """A line of the table. `place` is code, or says why there is none."""

    clause: str
    promise: str
    place: str
    shown: str
    test: str
    page: str

    @property
    def built(self) -> bool:
        """Whether software keeps it."""
        return self.place != "not for software" and not self.place.startswith("later")

    @property
    def code(self) -> list[Path]:
        """The files that hold its rule."""
        return [CHECKOUT / path for path in paths(self.place)]


def paths(cell: str) -> list[str]:
    """Paths between backticks."""
    return [text for text in re.findall(r"`([^`]+)`", cell) if "/" in text]


def rows() -> Iterator[Row]:
    """The table's lines."""
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[A-Z]{1,2}-\d+", cells[0]):
            yield Row(*cells)


ROWS = tuple(rows())
BUILT = tuple(row for row in ROWS if row.built)


def source() -> str:
    """All code of the product and its chart."""
    found = [*(CHECKOUT / "operator").rglob("*.py"), *(CHECKOUT / "charts").rglob("*.yaml")]
    return "\n".join(path.read_text() for path in found)


SOURCE = source()


def test_every_clause_stands_once_in_order() -> None:
    assert tuple(row.clause for row in ROWS) == CLAUSES


def test_only_these_are_not_for_software() -> None:
    assert {row.clause for row in ROWS if row.place == "not for software"} == NOT_FOR_SOFTWARE


@pytest.mark.parametrize("row", BUILT, ids=lambda row: str(row.clause))
def test_its_code_is_there_and_names_it(row: Row) -> None:
    assert row.code
    named = [path for path in row.code if re.search(rf"\b{row.clause}\b", path.read_text())]
    assert named, f"none of {row.place} says {row.clause}"


@pytest.mark.parametrize("row", BUILT, ids=lambda row: str(row.clause))
def test_its_test_and_page_are_there(row: Row) -> None:
    (test,) = paths(row.test)
    assert (CHECKOUT / test).is_file()
    (page,) = re.findall(r"\]\(([a-z-]+\.md)\)", row.page)
    assert (TABLE.parent / page).is_file()


@pytest.mark.parametrize("row", BUILT, ids=lambda row: str(row.clause))
def test_what_shows_it_exists(row: Row) -> None:
    names = re.findall(r"`([A-Z][A-Za-z]+)`", row.shown)
    fields = re.findall(r"`(?:status|spec)\.([A-Za-z.]+)`", row.shown)
    assert names or fields
    for name in names:
        assert re.search(rf'"{name}"', SOURCE), f"nothing is called {name}"
    for field in fields:
        for step in field.split("."):
            assert re.search(rf"\b{step}\b", SOURCE), f"no field {field}"
