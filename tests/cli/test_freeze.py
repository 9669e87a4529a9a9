"""`dedicated freeze`: the YAML to commit, judged before it is printed."""

from pathlib import Path

import pytest
import yaml

from cli.running import WINDOW, instance, run, written
from dedicated.api.json import JsonValue, Manifest

OLD: Manifest = {"from": "2027-06-01T00:00:00Z", "until": "2027-06-10T00:00:00Z", "reason": "migration"}
MAINTENANCE: Manifest = {"windows": [WINDOW], "freezes": [OLD]}
YEAR_END = ("--from", "2026-12-15", "--until", "2027-01-04", "--reason", "Year end")


def test_the_list_is_printed_whole_and_in_order(tmp_path: Path) -> None:
    ran = run("freeze", "-f", written(tmp_path, "i.yaml", instance(maintenance=MAINTENANCE)), *YEAR_END)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "# acme/acme: commit this where the instance is kept"
    new = {"from": "2026-12-14T23:00:00Z", "until": "2027-01-03T23:00:00Z", "reason": "Year end"}
    assert yaml.safe_load(ran.out) == {"spec": {"maintenance": {"freezes": [new, OLD]}}}


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2026-12-01", "2027-04-01", "maintenance.freezes has one longer than 92 days"),
        ("2027-01-04", "2026-12-15", "until must be after from"),
        ("2027-06-01T02:00+02:00", "2027-06-02", "the same from stands in an item before"),
        ("2026-12-01", "2027-03-02", "NoSlotBeforeDueDate: regular maintenance is due before 2027-03-01"),
    ],
)
def test_what_would_be_said_of_it_is_said_now(tmp_path: Path, start: str, end: str, says: str) -> None:
    file = written(tmp_path, "i.yaml", instance(maintenance=MAINTENANCE))
    ran = run("freeze", "-f", file, "--from", start, "--until", end, "--reason", "x")
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_what_is_said_already_is_no_reason_against_a_freeze(tmp_path: Path) -> None:
    agreements: list[JsonValue] = [{"clause": "S-2", "record": "r"}]
    body = instance("Standard", infrastructure={"zones": {"minimum": 2}}, agreements=agreements)
    assert run("freeze", "-f", written(tmp_path, "i.yaml", body), *YEAR_END).code == 0


def test_a_file_is_not_applied(tmp_path: Path) -> None:
    ran = run("freeze", "-f", written(tmp_path, "i.yaml", instance()), *YEAR_END, "--apply")
    assert ran.code == 2
    assert "--apply writes to the cluster" in ran.err
