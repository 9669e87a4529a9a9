"""`dedicated simulate`: the contract on a virtual clock, as a person reads it and as a program does."""

import json
from pathlib import Path

import pytest

from cli.running import WINDOW, golden, instance, record, run, three_refused, written
from dedicated.api.json import JsonValue, Manifest, get_list, get_str

ASKED: Manifest = {"approval": "Required"}


def files(folder: Path, *records: Manifest, **maintenance: JsonValue) -> tuple[str, ...]:
    """The arguments -f and --records."""
    body = instance(maintenance={**ASKED, **maintenance})
    return ("-f", written(folder, "i.yaml", body), "--records", written(folder, "r.yaml", *records))


def test_three_months_refused_to_the_end(tmp_path: Path) -> None:
    arguments = files(tmp_path, *three_refused())
    ran = run("simulate", *arguments, "--from", "2026-01-05T09:00", "--to", "2026-07-01", "--as-operator")
    assert (ran.code, ran.out) == (0, golden("simulate"))


def test_an_emergency_without_an_answer(tmp_path: Path) -> None:
    """The worked dates of contract.md, section 5."""
    notice: Manifest = {"kind": "Security", "duration": "2h"}
    arguments = files(
        tmp_path,
        record("cve", "2026-06-01T07:00:00Z", "Notified", request="cve", reference="CVE-1", notice=notice),
        record("escalated", "2026-06-08T08:00:00Z", "Escalated", issue="cve", reference="TICKET-1"),
        record("notice", "2026-06-15T09:00:00Z", "TerminationNotice", issue="cve", reference="letter"),
    )
    ran = run(
        "simulate", *arguments, "--from", "2026-05-20", "--to", "2026-08-01", "--as-operator", "-o", "json"
    )
    events = [event for month in json.loads(ran.out) for event in get_list(month, "events")]
    dates = {
        tuple(get_str(event, field) for field in ("kind", "subject", "state")): get_str(event, "at")
        for event in events
    }
    assert dates["Issue", "cve", "EscalationDue"] == "2026-06-06T22:00:00Z"
    assert dates["Void", "service level", "Void"] == "2026-06-06T22:00:00Z"
    assert dates["Issue", "cve", "TerminationPermitted"] == "2026-06-13T22:00:00Z"
    assert dates["Issue", "cve", "TerminationEffective"] == "2026-07-15T22:00:00Z"


def test_without_the_operators_part_nothing_is_asked(tmp_path: Path) -> None:
    arguments = files(tmp_path, record("start", "2026-01-05T09:00:00Z", "ServiceStarted"))
    ran = run("simulate", *arguments, "--from", "2026-01", "--to", "2026-04", "-o", "json")
    found = [(month["month"], month["state"], month["final"]) for month in json.loads(ran.out)]
    assert found == [
        ("2026-01", "Partial", True),
        ("2026-02", "NotAsked", True),
        ("2026-03", "NotAsked", True),
        ("2026-04", "NotAsked", False),
    ]


def test_months_that_are_rolled_up_count_as_their_records(tmp_path: Path) -> None:
    plain = three_refused()
    rolled = record(
        "closed",
        "2026-06-10T00:00:00Z",
        "MonthClosed",
        closed={
            "month": "2026-02",
            "records": [
                {
                    "name": get_str(body, "metadata", "name"),
                    "at": get_str(body, "metadata", "creationTimestamp"),
                    "spec": json.dumps(body["spec"]),
                }
                for body in plain
            ],
        },
    )
    span = ("--from", "2026-01-05", "--to", "2026-06-01", "--as-operator")
    assert run("simulate", *files(tmp_path, rolled), *span).out == run(
        "simulate", *files(tmp_path, *plain), *span
    ).out


def test_a_zone_of_the_instance_reads_the_times(tmp_path: Path) -> None:
    arguments = files(tmp_path, timeZone="America/New_York")
    ran = run("simulate", *arguments, "--from", "2026-01", "--to", "2026-02", "--as-operator", "-o", "json")
    assert json.loads(ran.out)[0]["events"][0]["at"] == "2026-01-01T05:00:00Z"


def test_a_zone_that_is_unknown_leaves_the_contracts(tmp_path: Path) -> None:
    arguments = files(tmp_path, timeZone="Europe/Atlantis")
    ran = run("simulate", *arguments, "--from", "2026-01", "--to", "2026-02", "--as-operator", "-o", "json")
    assert json.loads(ran.out)[0]["events"][0]["at"] == "2025-12-31T23:00:00Z"


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        ("2026-02", "2026-01", "--to must be later than --from"),
        ("2026-01", "2126-01", "by at most 50 years"),
        ("January", "2026-01", "'January' is not a time; write 2026-06-01T09:00"),
        ("2026-13", "2027-01", "is not a time"),
        ("0001-01-01", "2027-01", "is not a time"),
        ("2026-01", "9999-12-31", "is not a time"),
    ],
)
def test_wrong_times(tmp_path: Path, start: str, end: str, says: str) -> None:
    arguments = files(tmp_path, windows=[WINDOW], approval="Automatic")
    ran = run("simulate", *arguments, "--from", start, "--to", end)
    assert ran.code == 2
    assert says in ran.err
