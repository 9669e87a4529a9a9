"""`dedicated recovery`: what could be restored, as a person and as a program read it."""

import json
from dataclasses import replace

import pytest

from builders import UID
from cli.recovery_report import HOUR, MINUTE, report, run
from cli.running import NOW, golden, instance
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map
from dedicated.cli import recovery as command
from dedicated.cli.commands import run_command
from dedicated.contract.recovery.report import Report, to_json


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
    sight = command.sight_of(found, record, [], now=NOW)
    monkeypatch.setattr(command, "in_cluster", lambda *_: sight)
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
