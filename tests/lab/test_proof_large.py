"""A drill of a large database: what it takes is foreseen, and the process that looks at it stays small."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.contract.facts import Drilled
from dedicated.contract.recovery.points import Recoverability
from dedicated.contract.recovery.proof import Goal
from dedicated.contract.recovery.report import SAMPLES
from dedicated.contract.recovery.restore import estimated, expected
from lab.laboratory import isolated
from lab.sealed import plant
from lab.server import Server, until
from lab.trial import Trial, trial
from lab.verification import Looked, verify

GIGABYTE = 1_000_000_000
ROWS, ROW = 50_000, 1400
"""In a batch, and bytes of one payload: random, so that it stays as large wherever it is stored."""
FILL = f"""
insert into eventstore.events2 (aggregate_id, "sequence", payload)
select %s, n, to_jsonb(translate(encode(string_agg(sha512(random()::text::bytea), ''), 'base64'), E'\\n', ''))
  from generate_series(1, {ROWS}) n, generate_series(1, {ROW * 3 // 4 // 64}) m group by n"""
SIZE = "select pg_database_size(current_database())"


def filled(made: Trial, size: int) -> Recoverability:
    """So many bytes, in a full backup, and all of the log archived; what the agent says of it then."""
    primary, batch = made.lab.primary, 0
    while int(str(primary.one(SIZE))) < size:
        batch += 1
        primary.ask(FILL, f"batch{batch}")
    made.lab.repository.backup("full")
    full = datetime.now(UTC)

    def listed() -> bool:
        found = made.published().found
        return found is not None and found.newest is not None and found.newest > full and not found.gaps

    until(listed, "the backup is listed, and a later sample archived", seconds=240)
    found = made.published().found
    assert found is not None
    assert found.backup is not None
    assert found.backup.database > size * 0.9
    return found


def restored(made: Trial, name: str, folder: Path) -> tuple[timedelta, Looked]:
    """How long a restore took until recovery had ended, and what was found in it."""
    found = made.published().found
    assert found is not None
    assert found.newest is not None
    assert made.record.data is not None
    goal, samples = Goal(found.newest, newest=True), made.record.data[SAMPLES]
    begun = time.monotonic()
    copy: Server = made.lab.copy(name)
    try:
        copy.start(*isolated(copy))
        copy.until("select pg_is_in_recovery()", False, seconds=300)
        took = timedelta(seconds=time.monotonic() - begun)
        return took, verify(copy, folder, goal=goal, samples=samples, user="postgres", seconds=600)
    finally:
        copy.kill()


def told(**figures: float) -> None:
    """Append to the file that LAB_FIGURES names, if it does."""
    if path := os.environ.get("LAB_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"trial": "drill-large", **figures}) + "\n")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_two_gigabytes_take_what_was_foreseen_and_no_memory(tmp_path: Path) -> None:
    with trial(tmp_path, settings={"max_wal_size": "4GB"}) as made:
        plant(made.lab.primary)
        made.until_good()
        found = filled(made, 2 * GIGABYTE)
        assumed = estimated(found)
        assert assumed is not None
        first, looked = restored(made, "first", tmp_path / "1")
        assert looked.verdict is not None
        assert {one.name: one.result for one in looked.verdict.checks if one.result != "Passed"} == {}
        now = datetime.now(UTC)
        fact = Drilled(
            "d", now, "", "r", True, "Proven", "", now - first, now, took=first, expected=assumed
        )
        again = made.published().found
        foreseen = expected(again, (fact,))
        second, small = restored(made, "second", tmp_path / "2")
    assert foreseen is not None
    told(
        bytes=looked.verdict.size,
        assumed_s=round(assumed.total_seconds(), 1),
        first_s=round(first.total_seconds(), 1),
        foreseen_s=round(foreseen.total_seconds(), 1),
        second_s=round(second.total_seconds(), 1),
        looked_s=round(looked.verdict.took.total_seconds(), 1),
        memory_mb=round(looked.memory / 1e6, 1),
    )
    assert 0.5 <= second / foreseen <= 2
    assert max(looked.memory, small.memory) < 80 * 1024 * 1024
