"""A place of backups that is away is told at once; what was read of it stays known."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.agents.recovery.settings import Settings
from dedicated.agents.recovery.stores import Places, barman_in, places_in
from dedicated.api.store import PLACES, BucketPlace, Store
from dedicated.cli.agent_arguments import add_recovery_arguments, recovery_settings_of

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def file_of(folder: Path, *places: BucketPlace) -> Path:
    file = folder / "stores.json"
    file.write_bytes(PLACES.dump_json([*places], by_alias=True))
    return file


def bucket(folder: Path) -> BucketPlace:
    """One that nobody answers for."""
    for name in ("access-key-id", "secret-access-key"):
        (folder / name).write_text("planted-key-4711", encoding="utf-8")
    return BucketPlace(
        role="Copy",
        bucket="away",
        endpoint="localhost:1",
        region="zrh",
        prefix="p",
        credentials=str(folder),
    )


def read(name: str, at: datetime, *, unanswered: tuple[str, ...] = ()) -> Store:
    return Store(at, name, writable=None if unanswered else True, unanswered=unanswered)


async def test_a_place_that_nobody_answers_for_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dedicated.agents.recovery.stores.AGAIN", timedelta(0))
    places = places_in(file_of(tmp_path, bucket(tmp_path)).read_text())
    assert await Places(places, now=lambda: NOW).away() == "away: Unreached: ClientConnectorError"


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        pytest.param([()], "", id="one that answers is asked once"),
        pytest.param([("one: Unreached: Timeout",), ()], "", id="one lost question is none"),
        pytest.param([("one: X",), ("one: Y", "other: Z")], "one: Y; other: Z", id="two in a row are told"),
    ],
)
async def test_a_place_is_away_once_it_did_not_answer_twice(
    answers: list[tuple[str, ...]], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter(answers)

    async def asked(_: object) -> tuple[str, ...]:
        return next(left)

    monkeypatch.setattr("dedicated.agents.recovery.stores.AGAIN", timedelta(0))
    monkeypatch.setattr("dedicated.agents.recovery.stores.away", asked)
    assert await Places((), now=lambda: NOW).away() == told
    assert next(left, None) is None


async def test_what_was_read_of_a_place_ages_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    first, third = (read("here", NOW + timedelta(hours=hours)) for hours in (0, 2))
    lost, other = (read("here", NOW, unanswered=("Unreached: Timeout",)), read("other", NOW))
    answers = iter([(first,), (lost, other), (third, other)])

    async def answered(*_: object, **__: object) -> tuple[Store, ...]:
        return next(answers)

    monkeypatch.setattr("dedicated.agents.recovery.stores.check", answered)
    places = Places((), now=lambda: NOW)
    assert [await places.check() for _ in range(3)] == [(first,), (first, other), (third, other)]


def test_a_server_of_barman_is_in_the_bucket_that_is_the_repository(tmp_path: Path) -> None:
    copy = bucket(tmp_path)
    own = copy.model_copy(update={"role": "Repository", "bucket": "own", "prefix": "acme"})
    found = barman_in(file_of(tmp_path, copy, own), "login-1b2c").probe
    assert (found.bucket, found.folder, found.access.endpoint) == ("own", "acme/login-1b2c", "localhost:1")
    with pytest.raises(ValueError, match="no bucket is the repository of login-1b2c"):
        barman_in(file_of(tmp_path, copy), "login-1b2c")


def test_an_agent_is_told_its_repository(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_recovery_arguments(parser, environment={})

    def settings(*more: str) -> Settings:
        base = ["--instance", "acme", "--uid", "u", "--dsn-file", "dsn"]
        return recovery_settings_of(parser.parse_args([*base, *more]), environment={})

    stores = ["--stores", str(tmp_path / "stores.json")]
    for more in ([], stores, ["--barman-server", "login"]):
        with pytest.raises(ValueError, match="name a repository"):
            settings(*more)
    found = settings(*stores, "--barman-server", "login")
    assert (found.barman_server, found.stores_file) == ("login", tmp_path / "stores.json")
    plain = settings("--stanza", "db", "--repository-config", "c")
    assert (plain.barman_server, plain.stores_file, plain.repository_config) == ("", None, Path("c"))
