"""What was read of a store stays known while it cannot be reached, and the trouble is told."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.agents.recovery.loops import StoreError
from dedicated.agents.recovery.settings import Settings
from dedicated.agents.recovery.stores import barman_in, checking, places_in
from dedicated.api.store import PLACES, BucketPlace, Store
from dedicated.cli.agent_arguments import add_recovery_arguments, recovery_settings_of
from dedicated.probes.store import check

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


async def test_a_place_that_was_not_reached_is_told_and_the_others_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = await check(places_in(file_of(tmp_path, bucket(tmp_path)).read_text()), now=lambda: NOW)

    async def answered(*_: object, **__: object) -> tuple[Store, ...]:
        return read("here", NOW), *away

    monkeypatch.setattr("dedicated.agents.recovery.stores.check", answered)
    look = checking(file_of(tmp_path, bucket(tmp_path)), now=lambda: NOW)
    with pytest.raises(StoreError, match="away: Unreached: ClientConnectorError") as raised:
        await look()
    assert [(store.name, store.writable) for store in raised.value.known] == [("here", True)]
    assert "4711" not in str(raised.value)


async def test_a_reading_ages_while_its_place_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, third = (read("here", NOW + timedelta(hours=hours)) for hours in (0, 2))
    answers = iter([first, read("here", NOW, unanswered=("Unreached: Timeout",)), third])

    async def answered(*_: object, **__: object) -> tuple[Store, ...]:
        return (next(answers),)

    monkeypatch.setattr("dedicated.agents.recovery.stores.check", answered)
    look = checking(file_of(tmp_path, bucket(tmp_path)), now=lambda: NOW)
    assert await look() == (first,)
    with pytest.raises(StoreError) as raised:
        await look()
    assert raised.value.known == (first,)
    assert await look() == (third,)


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
