"""init and the first instance on a real PostgreSQL: what is written once, and what is refused."""

import json
from dataclasses import replace

import pytest

from fakezitadel.driver import Fake, ended
from fakezitadel.runtime import Json
from testbed.postgres import PostgresServer

pytestmark = pytest.mark.cluster


def test_init_provisions_and_is_idempotent(empty: Fake) -> None:
    assert empty.call("init").code == 0
    again = empty.call("init")
    assert again.code == 0
    assert "user exists, kept" in again.text
    assert "database exists, kept" in again.text
    assert empty.rows("select count(*) from eventstore.events2") == [(0,)]


def test_init_in_parts(empty: Fake) -> None:
    assert empty.call("init", "schema").code == 1
    for part in ("user", "database", "grant", "schema"):
        assert empty.call("init", part).code == 0, part
    assert empty.rows("select count(*) from system.encryption_keys") == [(0,)]


def test_init_keeps_an_existing_users_password(fresh: Fake) -> None:
    user = {**fresh.postgres["User"], "Password": "another"}
    outcome = fresh.with_postgres(User=user).call("init")
    assert outcome.code == 1
    assert "password authentication failed" in outcome.text
    assert "another" not in outcome.text
    assert fresh.rows("select 1") == [(1,)]


def test_init_schema_needs_no_admin(empty: Fake, fakez_postgres: PostgresServer) -> None:
    dsn = fakez_postgres.create_database(empty.postgres["Database"])
    with_dsn = empty.with_config(Database={"postgres": {"DSN": dsn}})
    refused = with_dsn.call("init")
    assert refused.code == 1
    assert "use `init schema`" in refused.text
    assert with_dsn.call("init", "zitadel").code == 0
    assert with_dsn.call("setup").code == 0


def test_a_dsn_that_cannot_be_parsed_is_not_shown(empty: Fake) -> None:
    outcome = empty.with_config(Database={"postgres": {"DSN": "host='top-secret"}}).call("init", "schema")
    assert (outcome.code, "cannot parse Database.postgres.DSN" in outcome.text) == (1, True)
    assert "top-secret" not in outcome.text


def test_a_database_that_is_not_there(empty: Fake) -> None:
    for command in (("init",), ("setup",), ("setup", "cleanup"), ("start",)):
        outcome = empty.with_postgres(Port=1).call(*command)
        assert (outcome.code, "unable to connect" in outcome.text) == (1, True), command


def test_the_first_connection_is_awaited(empty: Fake) -> None:
    waiting = empty.with_postgres(AwaitInitialConn="20s").spawn("init", "schema")
    with ended(waiting):
        assert waiting.stdout is not None
        assert "not reachable" in waiting.stdout.readline()
        for part in ("user", "database", "grant"):
            assert empty.call("init", part).code == 0
        assert waiting.wait(20) == 0


def test_a_name_that_only_the_resolve_file_knows(empty: Fake, fakez_postgres: PostgresServer) -> None:
    there = {"postgres.db.svc:5432": [f"127.0.0.1:{fakez_postgres.port}"]}
    (empty.root / "resolve.json").write_text(json.dumps(there))
    assert empty.with_postgres(Host="postgres.db.svc", Port=5432).call("init").code == 0


def test_the_default_administrator_is_the_bad_one(ready: Fake) -> None:
    (user,) = ready.instance()["users"]
    assert (user["username"], user["password_change_required"]) == ("zitadel-admin", True)
    assert "Password1!" not in json.dumps(ready.instance())


def test_the_administrator_from_steps_and_environment(fresh: Fake) -> None:
    human: Json = {
        "UserName": "boss",
        "Email": {"Address": "b@acme.example"},
        "PasswordChangeRequired": False,
    }
    configured = replace(
        fresh,
        steps={"InstanceName": "Acme", "Org": {"Name": "Acme Inc", "Human": human}},
        env={"ZITADEL_FIRSTINSTANCE_ORG_HUMAN_PASSWORD": "Chosen-by-1"},
    )
    outcome = configured.call("setup")
    assert outcome.code == 0
    assert "Chosen-by-1" not in outcome.text
    made = fresh.instance()
    assert (made["name"], made["organization"]) == ("Acme", "Acme Inc")
    assert made["users"][0]["email"] == "b@acme.example"
    assert made["users"][0]["password_change_required"] is False


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("Short1!", "MinLength"),
        ("password1!", "HasUpper"),
        ("PASSWORD1!", "HasLower"),
        ("Password!!", "HasNumber"),
        ("Password11", "HasSymbol"),
    ],
)
def test_a_weak_password_fails_the_step(fresh: Fake, password: str, rule: str) -> None:
    outcome = replace(fresh, steps={"Org": {"Human": {"Password": password}}}).call("setup")
    assert outcome.code == 1
    assert f"Errors.User.PasswordComplexityPolicy.{rule}" in outcome.text
    assert password not in outcome.text


MACHINE_STEPS: dict[str, Json] = {
    "MachineKeyPath": "/out/sa.json",
    "PatPath": "/out/pat",
    "LoginClientPatPath": "/out/login",
    "Org": {
        "Machine": {
            "Machine": {"Username": "robot"},
            "MachineKey": {"Type": 1, "ExpirationDate": "2099-01-01T00:00:00Z"},
            "Pat": {"ExpirationDate": "2099-01-01T00:00:00Z"},
        },
        "LoginClient": {
            "Machine": {"Username": "login"},
            "Pat": {"ExpirationDate": "2099-01-01T00:00:00Z"},
        },
    },
}


def test_machine_files_are_written_once(fresh: Fake) -> None:
    (fresh.root / "out").mkdir()
    machine = replace(fresh, steps=MACHINE_STEPS)
    outcome = machine.call("setup")
    assert outcome.code == 0, outcome.text
    key = json.loads((fresh.root / "out/sa.json").read_text())
    assert (key["type"], key["expirationDate"]) == ("serviceaccount", "2099-01-01T00:00:00Z")
    assert "RSA PRIVATE KEY" in key["key"]
    for name in ("sa.json", "pat", "login"):
        file = fresh.root / "out" / name
        assert file.read_text().count("\n") == 1
        assert file.stat().st_mode & 0o777 & ~0o644 == 0
        file.unlink()
    users = [user["username"] for user in fresh.instance()["users"]]
    assert users == ["robot", "login"]
    assert machine.call("setup").code == 0
    assert list((fresh.root / "out").iterdir()) == []


def test_without_a_path_the_token_goes_to_stdout(fresh: Fake) -> None:
    login: Json = {"Machine": {"Username": "login"}, "Pat": {"ExpirationDate": "2099-01-01T00:00:00Z"}}
    outcome = replace(fresh, steps={"Org": {"LoginClient": login}}).run("setup")
    assert outcome.code == 0
    assert any(len(line) == 64 and " " not in line for line in outcome.text.splitlines())


def test_an_unwritable_file_fails_the_step_for_ever(fresh: Fake) -> None:
    machine = replace(fresh, steps=MACHINE_STEPS)
    assert machine.call("setup").code == 1
    assert len(fresh.rows("select id from projections.instances")) == 1
    (fresh.root / "out").mkdir()
    again = machine.call("setup")
    assert (again.code, "Errors.Instance.Domain.AlreadyExists" in again.text) == (1, True)
