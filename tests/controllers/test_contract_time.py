"""The contract's time: the real one, and a test's steps, alike for `now` and for records."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.api.json import Manifest, get_str
from dedicated.controllers.contract_time import ContractTime, Step, moved, read_steps
from dedicated.controllers.main import SettingsError, load_clock
from dedicated.controllers.settings import Settings

START = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
JUNE, JULY = datetime(2026, 6, 1, 7, 0, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STEPS = (Step(START, JUNE), Step(START + 10 * MINUTE, JULY))
TEXT = json.dumps(
    {"steps": [{"since": step.since.isoformat(), "becomes": step.becomes.isoformat()} for step in STEPS]}
)


@pytest.mark.parametrize(
    ("at", "becomes"),
    [
        (START - MINUTE, START - MINUTE),
        (START, JUNE),
        (START + 3 * MINUTE, JUNE + 3 * MINUTE),
        (START + 10 * MINUTE, JULY),
        (START + 12 * MINUTE, JULY + 2 * MINUTE),
    ],
)
def test_time_goes_on_from_each_step_at_its_own_pace(at: datetime, becomes: datetime) -> None:
    assert moved(at, STEPS) == becomes


def test_steps_are_read_in_order() -> None:
    assert read_steps(TEXT) == STEPS
    backwards = json.dumps({"steps": json.loads(TEXT)["steps"][::-1]})
    assert read_steps(backwards) == STEPS


@pytest.mark.parametrize("text", ["{", '{"steps": [{"since": "2026-06-01T00:00:00Z"}]}', '{"steps": [{}]}'])
def test_steps_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "steps"
    file.write_text(text)
    settings = Settings("me", "ns", tmp_path, test_clock=file)
    with pytest.raises(SettingsError, match="--test-clock"):
        load_clock(settings, wall=lambda: START)


def record(created: str) -> Manifest:
    return {"metadata": {"name": "a", "creationTimestamp": created}, "spec": {"fact": "Refused"}}


def created(manifest: Manifest) -> str:
    return get_str(manifest, "metadata", "creationTimestamp")


def test_without_a_test_the_time_is_the_real_one() -> None:
    clock = ContractTime(wall=lambda: START)
    assert clock.now() == START
    assert clock.words == ""
    assert clock.dated(record("2026-11-28T02:00:00Z")) == record("2026-11-28T02:00:00Z")


def test_now_and_records_are_moved_alike_and_the_status_can_say_how(tmp_path: Path) -> None:
    file = tmp_path / "steps"
    file.write_text(TEXT)
    wall = [START - MINUTE]
    clock = ContractTime(wall=lambda: wall[0], steps=file)
    assert (clock.now(), clock.words) == (START - MINUTE, "not moved yet")
    wall[0] = START + MINUTE
    assert clock.now() == JUNE + MINUTE
    dated = clock.dated(record("2026-11-28T02:01:00Z"))
    assert dated == record("2026-06-01T07:01:00Z")
    told = clock.words
    assert told == "at 2026-11-28T02:00:00Z of the API server it became 2026-06-01T07:00:00Z"
    wall[0] = START + 9 * MINUTE
    assert clock.words == told
    wall[0] = START + 10 * MINUTE
    assert clock.words != told
    assert clock.wall() == wall[0]


def test_a_step_that_is_added_is_read_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "steps"
    file.write_text('{"steps": []}')
    clock = ContractTime(wall=lambda: START, steps=file)
    assert clock.now() == START
    file.write_text(TEXT)
    os.utime(file, ns=(1, 1))
    assert clock.now() == JUNE
    assert created(clock.dated(record("2026-11-28T02:00:00Z"))) == "2026-06-01T07:00:00Z"
