"""An import on record, what its process tells, and how long it takes."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest

from builders import NOW, UID
from dedicated.contract.facts import DatabaseRemoved
from dedicated.contract.transfer.import_report import (
    FINAL,
    Code,
    Rates,
    Report,
    failed,
    read_report,
    report_json,
)
from dedicated.contract.transfer.imported import Imported
from dedicated.contract.transfer.importing import imported, is_imported

FACT = Imported("r", NOW, "op", UID, "Export", "s3://a", "7 tables", NOW, NOW, cluster="acme-database")
GONE = DatabaseRemoved("g", NOW + timedelta(days=1), "op", "acme-database", "u")


@pytest.mark.parametrize(
    ("facts", "incarnation", "cluster", "done"),
    [
        ((), UID, "acme-database", False),
        ((FACT,), UID, "acme-database", True),
        ((FACT,), "another", "acme-database", True),
        ((FACT,), "another", "acme-other", False),
        ((FACT, GONE), "another", "acme-database", False),
        ((FACT, replace(GONE, restore="lost")), "another", "acme-database", True),
        ((FACT, replace(GONE, at=NOW - timedelta(days=1))), "another", "acme-database", True),
        ((replace(FACT, cluster=""),), UID, "", True),
        ((replace(FACT, cluster=""),), "another", "", False),
    ],
)
def test_it_is_done_once_for_a_database_that_stands(
    facts: tuple[Imported | DatabaseRemoved, ...], incarnation: str, cluster: str, done: bool
) -> None:
    assert is_imported(facts, incarnation=incarnation, cluster=cluster) == done


def test_one_incarnation_has_one_record() -> None:
    first, again = imported("acme", FACT), imported("acme", replace(FACT, found="other"))
    assert first.name == again.name == f"acme-imported-{UID[:8]}"
    assert imported("acme", replace(FACT, incarnation="another")).name != first.name


def test_a_report_is_read_back_by_its_own_incarnation_alone() -> None:
    report = failed(Report(UID, NOW, "Reading", NOW, size=7), "FileDamaged", "dump/1", at=NOW)
    assert read_report(report_json(report), incarnation=UID) == report
    assert read_report(report_json(report), incarnation="another") is None
    assert read_report("{}", incarnation=UID) is None
    assert frozenset(get_args(Code)) > FINAL


def test_twice_the_data_takes_longer_and_a_dump_longer_than_an_export() -> None:
    rates = Rates()
    small, large = (rates.estimate(size, dumped=False) for size in (10**9, 2 * 10**9))
    assert small < large < 2 * small
    assert rates.estimate(10**9, dumped=True) > small
