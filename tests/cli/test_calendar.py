"""`dedicated calendar`: slots, freezes and dates of an instance in a file."""

import json
from pathlib import Path

import pytest

from cli.running import WINDOW, golden, instance, record, run, three_refused, written
from dedicated.api.json import Manifest, get_map

FREEZES: list[Manifest] = [
    {"from": "2026-01-01T00:00:00Z", "until": "2026-01-03T00:00:00Z", "reason": "over"},
    {"from": "2026-12-15T00:00:00+01:00", "until": "2027-01-04T00:00:00+01:00", "reason": "Year end"},
]
MAINTENANCE: Manifest = {"windows": [WINDOW], "freezes": [*FREEZES]}


def test_slots_freezes_and_dates(tmp_path: Path) -> None:
    file = written(tmp_path, "instance.yaml", instance(maintenance=MAINTENANCE))
    records = written(
        tmp_path,
        "records.yaml",
        record("start", "2026-10-05T09:00:00Z", "ServiceStarted"),
        record(
            "cve", "2026-11-26T09:00:00Z", "Notified", request="cve-1", reference="CVE-2026-1",
            notice={"kind": "Security", "duration": "2h"},
        ),
    )  # fmt: skip
    ran = run("calendar", "-f", file, "--records", records, "--next", "3")
    assert (ran.code, ran.out) == (0, golden("calendar"))


def test_a_plan_without_windows_has_the_providers(tmp_path: Path) -> None:
    ran = run("calendar", "-f", written(tmp_path, "i.yaml", instance("Standard")), "--next", "2")
    assert (ran.code, ran.out) == (0, golden("calendar-standard"))


def test_without_windows_nothing_stands(tmp_path: Path) -> None:
    ran = run("calendar", "-f", written(tmp_path, "i.yaml", instance()))
    assert ran.out.splitlines() == [
        "acme/acme: nothing stands: each request needs its own permission (M-13)",
        "",
        "no slots: no window is in force",
    ]


def test_for_programs(tmp_path: Path) -> None:
    file = written(tmp_path, "instance.yaml", instance(maintenance=MAINTENANCE))
    found = json.loads(run("calendar", "-f", file, "--next", "1", "-o", "json").out)
    assert found == {
        "timeZone": "Europe/Zurich",
        "permittedBy": "Window",
        "slots": [
            {
                "start": "2026-12-13T01:00:00Z",
                "end": "2026-12-13T05:00:00Z",
                "localStart": "2026-12-13T02:00:00+01:00",
                "localEnd": "2026-12-13T06:00:00+01:00",
            }
        ],
        "freezes": [
            {
                "start": "2026-12-14T23:00:00Z",
                "end": "2027-01-03T23:00:00Z",
                "localStart": "2026-12-15T00:00:00+01:00",
                "localEnd": "2027-01-04T00:00:00+01:00",
                "reason": "Year end",
            }
        ],
        "dates": [],
    }


def test_a_file_for_calendar_programs(tmp_path: Path) -> None:
    file = written(tmp_path, "instance.yaml", instance(maintenance=MAINTENANCE))
    to = tmp_path / "acme.ics"
    ran = run("calendar", "-f", file, "--next", "2", "--ics", str(to))
    assert (ran.code, ran.out) == (0, f"{to}: 3 events\n")
    text = to.read_bytes().decode()
    assert text.count("\r\nSUMMARY:Maintenance may run\r\n") == 2
    assert "\r\nSUMMARY:No maintenance: Year end\r\n" in text
    assert run("calendar", "-f", file, "--next", "2", "--ics", "-").out == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name an instance of the cluster, or its file by -f"),
        (("acme", "-f", "x.yaml"), "name an instance of the cluster, or its file by -f"),
        (("acme", "--records", "x.yaml"), "--records goes with -f"),
        (("-f", "x.yaml", "--next", "0"), "0 is not in the range"),
        (("-f", "none.yaml"), "No such file"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], says: str) -> None:
    ran = run("calendar", *arguments)
    assert ran.code == 2
    assert says in ran.err


def test_an_instance_that_admission_refuses_has_no_calendar(tmp_path: Path) -> None:
    ran = run("calendar", "-f", written(tmp_path, "i.yaml", instance("Premium")))
    assert ran.code == 1
    assert "spec.plan" in ran.err
    assert "dedicated check" in ran.err


def test_records_of_others_are_left_out(tmp_path: Path) -> None:
    file = written(tmp_path, "instance.yaml", instance(maintenance=MAINTENANCE))
    other: list[Manifest] = [
        {**body, "metadata": {**get_map(body, "metadata"), "namespace": "globex"}} for body in three_refused()
    ]
    other.append(record("start", "2026-10-05T09:00:00Z", "ServiceStarted", instance="globex"))
    found = run("calendar", "-f", file, "--records", written(tmp_path, "r.yaml", *other), "-o", "json")
    assert json.loads(found.out)["dates"] == []
