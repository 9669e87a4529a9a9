"""`dedicated import`: the plan as people and programs read it, what is made, and how it is followed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from api.source_examples import SOURCES
from builders import body, spec
from cli.conversing import converse
from cli.running import NOW
from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.cli import importing as command
from dedicated.cli.commands import run_command


class Played:
    """The API server: takes what is made, and tells the statuses one after the other."""

    def __init__(self, *statuses: Manifest) -> None:
        self.made: list[tuple[Manifest, bool]] = []
        self.statuses: Iterator[Manifest] = iter(statuses)

    async def create(self, _kind: object, body: Manifest, *, dry_run: bool) -> Manifest:
        self.made.append((body, dry_run))
        return body

    async def get(self, *_: object) -> Manifest:
        return {"status": {"import": next(self.statuses)}}


def run(
    monkeypatch: pytest.MonkeyPatch, folder: Path, api: Played, *arguments: str, kind: str = "export"
) -> int:
    converse(monkeypatch, command, api)
    changes: dict[str, JsonValue] = {**SOURCES.get(kind, {})}
    found: Manifest = {**body(), "spec": spec(**changes)}
    (folder / "acme.yaml").write_text(yaml.safe_dump(found))
    return run_command(["import", "-f", str(folder / "acme.yaml"), *arguments], now=lambda: NOW)


def test_a_dry_run_tells_where_it_comes_from_and_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    api = Played()
    assert run(monkeypatch, tmp_path, api, "--dry-run", "--size", "20G") == 0
    told = capsys.readouterr().out
    assert "s3://acme-elsewhere/backups/acme/a-uid at s3.eu-west-1.amazonaws.com" in told
    assert "aws:eu-west-1" in told
    assert "about 11m" in told  # 100 s to fetch, 426 s to load, 154 s to compare
    assert [dry for _, dry in api.made] == [True]


@pytest.mark.parametrize(("kind", "first"), [("backup", "the engine"), ("database", "one snapshot")])
def test_the_plan_is_that_of_the_source(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    kind: str,
    first: str,
) -> None:
    api = Played()
    assert run(monkeypatch, tmp_path, api, "--dry-run", "--offline", "-o", "json", kind=kind) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["source"] == kind.capitalize()
    assert told["steps"][0].startswith(first)
    assert api.made == []


def test_it_is_made_and_followed_until_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    api = Played(
        {},
        {"phase": "Importing", "message": "the dump", "progress": {"bytes": 1, "total": 4}},
        {"phase": "Imported", "message": "7 tables"},
    )
    assert run(monkeypatch, tmp_path, api, "--wait") == 0
    ((made, dry),) = api.made
    assert (get_str(made, "metadata", "name"), dry) == ("acme", False)
    told = capsys.readouterr().out
    assert "Importing  the dump (25 %)" in told
    assert "Imported" in told


def test_who_must_act_is_told_and_a_file_without_a_source_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    api = Played({"phase": "Failed", "message": "the masterkey is not theirs", "responsible": "Customer"})
    assert run(monkeypatch, tmp_path, api, "--wait") == 1
    assert "the masterkey is not theirs. Customer must act" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, Played(), kind="") == 1
    assert "names nothing to start from" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path, Played(), "--offline") == 2
