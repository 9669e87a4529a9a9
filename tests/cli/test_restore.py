"""`dedicated restore`: the plan as people and programs read it, what is asked for, and how it is followed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from builders import UID, body, clustered, spec
from cli.conversing import converse
from cli.recovery_report import report
from cli.running import NOW
from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.cli import restore as command
from dedicated.cli.commands import run_command
from dedicated.cli.recovery import Sight, sight_of
from dedicated.cli.terminal import Failure
from dedicated.contract.facts import Restored
from dedicated.contract.records import manifest_of
from dedicated.contract.recovery.report import Report, to_json
from dedicated.contract.recovery.restore import restored
from dedicated.contract.recovery.sampling import Memory, Sample
from dedicated.contract.recovery.wal import SEGMENT

MINUTE = timedelta(minutes=1)


class Played:
    """The API server: takes what is made, and tells the statuses one after the other."""

    def __init__(self, *statuses: Manifest) -> None:
        self.made: list[Manifest] = []
        self.statuses: Iterator[Manifest] = iter(statuses)

    async def create(self, _kind: object, body: Manifest) -> Manifest:
        self.made.append(body)
        return body

    async def get(self, *_: object) -> Manifest:
        return {"status": next(self.statuses)}


def sight(found: Report, *records: Manifest) -> Sight:
    fresh: Manifest = {**body(uid=UID), "spec": spec(**clustered("percona"))}
    return sight_of(fresh, {"data": {"report": to_json(found)}}, [*records], now=NOW)


def run(
    monkeypatch: pytest.MonkeyPatch, found: Report, api: Played, *arguments: str, by: str = "restore"
) -> int:
    monkeypatch.setattr(command, "in_cluster", lambda *_: sight(found))
    converse(monkeypatch, command, api)
    return run_command([by, "acme", *arguments], now=lambda: NOW)


def quiet() -> Report:
    """Everything until 18 minutes ago can be restored, and nobody has answered since."""
    return report()


def test_the_plan_says_what_is_reached_lost_and_kept_and_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Played()
    assert run(monkeypatch, quiet(), api, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "18m" in out
    assert "the old database for 72h" in out
    assert "5. a first full backup" in out
    assert api.made == []
    assert run(monkeypatch, quiet(), api, "--dry-run", "-o", "json", "--to", rfc3339(NOW)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clamped"], told["lost"], told["purpose"]) == (True, "18m", "Recovery")
    assert told["expected"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--to", "2026-01-01"), 1, "TargetTooEarly"),
        (("--accept-loss-since", rfc3339(NOW)), 1, "give --accept-loss-since"),
        (("--purpose", "Clone", "--accept-loss-since", "2026-01-01"), 2, "goes with --purpose Recovery"),
        (("--retain", "soon"), 2, "--retain"),
        (("--to", "soon"), 2, "--to"),
    ],
)
def test_what_the_operator_would_refuse_is_not_asked_for(
    arguments: tuple[str, ...],
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = Played()
    assert run(monkeypatch, quiet(), api, *arguments) == code
    assert text in capsys.readouterr().err
    assert api.made == []


def test_a_living_database_is_not_replaced_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering = replace(quiet(), memory=Memory((Sample(NOW - MINUTE, 9 * SEGMENT, 1),)))
    api = Played()
    assert run(monkeypatch, answering, api) == 1
    shown = capsys.readouterr()
    assert "OldDatabaseAnswers" in shown.err
    assert ("loses" in shown.out, api.made) == (True, [])
    # A copy takes nothing away.
    assert run(monkeypatch, answering, Played(), "--purpose", "Drill", "--dry-run") == 0


def test_it_is_asked_for_and_followed_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    way: list[Manifest] = [
        {"phase": phase, "message": f"m-{phase}"} for phase in ("Waiting", "Restoring", "Restoring", "Live")
    ]
    api = Played({}, *way)
    word = rfc3339(NOW - timedelta(hours=1))
    assert run(monkeypatch, quiet(), api, "--accept-loss-since", word, "--retain", "24h") == 0
    (made,) = api.made
    wanted = {"instance": "acme", "purpose": "Recovery", "retain": "24h", "acceptLossSince": word}
    assert made["spec"] == wanted
    assert get_str(made, "metadata", "name").startswith("acme-recovery-")
    out = capsys.readouterr().out
    assert [out.count(f"m-{phase}") for phase in ("Waiting", "Restoring", "Live")] == [1, 1, 1]


def test_one_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Played({"phase": "Failed", "reason": "Corrupted", "message": "page 7"})
    assert run(monkeypatch, quiet(), api) == 1
    assert "Corrupted: page 7" in capsys.readouterr().err


def test_a_drill_is_a_restore_that_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    api = Played({"phase": "Removed", "message": "it is removed"})
    assert run(monkeypatch, quiet(), api, "--dry-run", by="drill") == 0
    assert "it is looked at, and removed with its volumes" in capsys.readouterr().out
    assert api.made == []
    assert run(monkeypatch, quiet(), api, by="drill") == 0
    (made,) = api.made
    assert get_str(made, "spec", "purpose") == "Drill"


def test_a_point_before_a_switch_is_planned_from_the_database_that_served_then() -> None:
    hour = timedelta(hours=1)
    switch = Restored(
        "", NOW, "", "lost", "acme-db-1a2b3c", "acme-database", NOW, False, NOW - hour, NOW, 72 * hour,
        earliest=NOW - 9 * hour, newest=NOW - 2 * hour,
    )  # fmt: skip
    record = manifest_of(restored("acme", switch), namespace="acme-ns", by="op")
    metadata: Manifest = {**get_map(record, "metadata"), "creationTimestamp": rfc3339(NOW - MINUTE)}
    at = sight(replace(quiet(), incarnation=f"{UID}-1a2b3c"), {**record, "metadata": metadata})
    before = command.Asked("Recovery", NOW - 3 * hour, None, "72h")
    told = command.as_json(command.plan_of(at, before))
    assert (told["from"], told["target"]) == ("acme-database", rfc3339(NOW - 3 * hour))
    assert told["clamped"] is False
    clamped = command.as_json(command.plan_of(at, replace(before, target=NOW - hour)))
    assert (clamped["target"], clamped["clamped"]) == (rfc3339(NOW - 2 * hour), True)
    with pytest.raises(Failure, match="TargetTooEarly"):
        command.plan_of(at, replace(before, target=NOW - 10 * hour))
    assert "from" not in command.as_json(command.plan_of(at, replace(before, target=None)))
