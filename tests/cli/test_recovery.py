"""`dedicated recovery`: what could be restored, as a person and as a program read it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from builders import UID
from cli.running import NOW, golden, instance
from contract.recovery_facts import backup, listing
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map
from dedicated.cli import recovery as command
from dedicated.cli.commands import run_command
from dedicated.contract.recovery.points import recoverability
from dedicated.contract.recovery.report import Failover, Report, to_json
from dedicated.contract.recovery.runs import BackupRun
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def run(at: timedelta, kind: str, label: str, *, failed: bool = False) -> BackupRun:
    begun = NOW - at
    return BackupRun(
        "full" if kind == "full" else "differential",
        begun,
        begun + 5 * MINUTE,
        failed,
        stored=41_000_000 if kind == "full" else 1_900_000,
        label=label,
        error="the repository is full" if failed else "",
    )


def report(*, held: range | list[int] = range(3, 9)) -> Report:
    """As of 20 s ago: a full backup of the night, a failed and a good differential, a failover."""
    written = NOW - timedelta(seconds=20)
    full = replace(backup(3), started=NOW - 8 * HOUR, completed=NOW - 8 * HOUR + 5 * MINUTE)
    memory = Memory((Sample(NOW - 18 * MINUTE, int(7.5 * SEGMENT), 1),))
    known = replace(listing({1: [*held]}, full), at=NOW - 2 * MINUTE)
    runs = (
        run(HOUR, "differential", "20261128-080000D"),
        run(2 * HOUR, "differential", "", failed=True),
        run(8 * HOUR, "full", "20261128-010000F"),
    )
    last = Failover(NOW - 3 * HOUR, NOW - 3 * HOUR + timedelta(seconds=14), 1)
    return Report(written, UID, recoverability(known, memory, now=NOW), memory, runs, failover=last)


def condition(kind: str, status: str, reason: str, message: str) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def body(**recovery: str) -> Manifest:
    """An instance as an operator has judged it."""
    found = instance()
    get_map(found, "metadata")["uid"] = UID
    found["status"] = {
        "conditions": [
            condition("DataProtected", "False", "NotProtected", "WalContinuous"),
            condition("RecoveryPointObjectiveMet", "True", "AtRisk", "m"),
            condition("WalContinuous", "False", "Gap", "1 segments missing"),
        ],
        "findings": [
            {"code": "LogHasGap", "responsible": "Provider", "message": "m", "action": "back it up"},
            {"code": "TooFewZones", "responsible": "Customer", "message": "m", "action": "add nodes"},
        ],
        "recovery": {
            "measuredAt": rfc3339(NOW - MINUTE),
            "objective": "1h",
            "replication": {
                "primary": {"name": "db-0", "zone": "z1"},
                "synchronous": [{"name": "db-1", "zone": ""}],
            },
            **recovery,
        },
    }
    return found


def told(
    found: Manifest, what: Report | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    *arguments: str,
) -> str:  # fmt: skip
    """What the command says of an instance and its record."""
    record: Manifest = {"data": {"report": to_json(what)}} if what else {}
    sight = command.sight_of(found, record, now=NOW)
    monkeypatch.setattr(command, "_in_cluster", lambda *_: sight)
    assert run_command(["recovery", "acme", *arguments], now=lambda: NOW) == 0
    return capsys.readouterr().out


def test_all_on_one_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(body(), report(held=[3, 4, 6, 7]), monkeypatch, capsys) == golden("recovery-gap")
    assert told(body(), report(), monkeypatch, capsys) == golden("recovery")


def test_without_a_report_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(body(measuredAt=rfc3339(NOW - HOUR)), None, monkeypatch, capsys)
    assert "not now: the recovery agent has not reported yet" in out
    assert "written 1h ago: nobody has measured since" in out
    assert "exposure" not in out


def test_a_report_of_another_incarnation_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(body(), replace(report(), incarnation="other"), monkeypatch, capsys)
    assert "of incarnation other" in out
    assert "20261128" not in out


def test_for_programs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(body(), report(), monkeypatch, capsys, "-o", "json"))
    assert found["exposureSeconds"] == 18 * 60
    assert found["objectiveSeconds"] == 3600
    assert [event["what"] for event in found["timeline"]] == [
        "full backup",
        "failover",
        "differential backup FAILED",
        "differential backup",
        "newest recoverable point",
    ]
    assert [item["code"] for item in found["findings"]] == ["LogHasGap"]


def test_a_long_timeline_is_cut_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = tuple(run(number * HOUR, "differential", f"d{number}") for number in range(1, 40))
    what = replace(report(), backups=many)
    assert "Timeline: 20 (21 older ones: --all)" in told(body(), what, monkeypatch, capsys)
    assert "d39" in told(body(), what, monkeypatch, capsys, "--all")
