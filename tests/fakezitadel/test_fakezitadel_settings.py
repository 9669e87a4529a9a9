"""Configuration: defaults, files in order, environment, and what is said of mistakes."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from fakezitadel.runtime import FatalError, Json
from fakezitadel.settings import Settings, load


def read(
    directory: Path,
    *config: Json,
    steps: Json = None,
    env: Mapping[str, str] | None = None,
) -> tuple[Settings, list[str]]:
    files = []
    for number, content in enumerate(config):
        files.append(directory / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump(content))
    (directory / "steps.yaml").write_text(yaml.safe_dump(steps))
    return load(config=files, steps=[directory / "steps.yaml"], env=env or {})


def test_defaults_are_the_bad_ones(tmp_path: Path) -> None:
    settings, unknown = read(tmp_path)
    assert unknown == []
    assert settings.flag("TLS.Enabled")
    assert settings.external_url == "https://localhost:8080"
    assert settings.number("Database.postgres.MaxOpenConns") == 10
    assert settings.text("FirstInstance.Org.Human.Password") == "Password1!"
    assert settings.flag("ServicePing.Enabled")
    assert not settings.flag("Machine.Identification.Hostname.Enabled")


def test_later_files_and_the_environment_win(tmp_path: Path) -> None:
    first: Json = {"Port": 1, "Database": {"postgres": {"Host": "a", "User": {"SSL": {"Mode": "disable"}}}}}
    second: Json = {"port": 2, "database": {"postgres": {"user": {"username": "u"}}}}
    env = {"ZITADEL_DATABASE_POSTGRES_USER_SSL_MODE": "verify-full"}
    settings, _ = read(tmp_path, first, second, env=env)
    assert settings.number("Port") == 2
    assert settings.text("Database.postgres.Host") == "a"
    assert settings.text("Database.postgres.User.Username") == "u"
    assert settings.text("Database.postgres.User.SSL.Mode") == "verify-full"


def test_environment_takes_json_for_maps_and_commas_for_lists(tmp_path: Path) -> None:
    env = {
        "ZITADEL_SYSTEMAPIUSERS": json.dumps({"Operator": {"Path": "/p"}}),
        "ZITADEL_INSTANCEHOSTHEADERS": "x-one, x-two",
        "ZITADEL_EXTERNALSECURE": "false",
        "ZITADEL_EXTERNALPORT": "80",
        "ZITADEL_EXTERNALDOMAIN": "acme.example",
    }
    settings, _ = read(tmp_path, env=env)
    assert settings.table("SystemAPIUsers") == {"operator": {"path": "/p"}}
    assert settings.names("InstanceHostHeaders") == ("x-one", "x-two")
    assert settings.external_url == "http://acme.example"


def test_system_users_as_a_list(tmp_path: Path) -> None:
    users: Json = [{"a": {"Path": "/a"}}, {"b": {"KeyData": "x"}}]
    settings, _ = read(tmp_path, {"SystemAPIUsers": users})
    assert settings.table("SystemAPIUsers") == {"a": {"path": "/a"}, "b": {"keydata": "x"}}


def test_first_instance_comes_from_steps_and_environment_only(tmp_path: Path) -> None:
    settings, unknown = read(
        tmp_path,
        {"FirstInstance": {"Org": {"Name": "from config"}}},
        steps={"FirstInstance": {"Org": {"Human": {"UserName": "boss"}}}, "ExternalDomain": "ignored"},
        env={"ZITADEL_FIRSTINSTANCE_ORG_HUMAN_PASSWORD": "Chosen-1"},
    )
    assert unknown == []
    assert settings.text("FirstInstance.Org.Name") == "ZITADEL"
    assert settings.text("FirstInstance.Org.Human.UserName") == "boss"
    assert settings.text("FirstInstance.Org.Human.Password") == "Chosen-1"
    assert settings.text("ExternalDomain") == "localhost"


def test_unknown_keys_and_variables_are_named(tmp_path: Path) -> None:
    _, unknown = read(
        tmp_path,
        {"Database": {"postgres": {"Hots": "x"}}, "SystemAPIUsers": {"u": {"Anything": 1}}},
        env={"ZITADEL_EXTERNALDOMIAN": "x", "ZITADEL_MASTERKEY": "y", "OTHER": "z"},
    )
    assert unknown == ["ZITADEL_EXTERNALDOMIAN", "database.postgres.hots"]


@pytest.mark.parametrize(
    ("env", "key"),
    [
        ({"ZITADEL_PORT": "tcp://10.0.0.1:8080"}, "Port"),
        ({"ZITADEL_TLS_ENABLED": "secret"}, "TLS.Enabled"),
        ({"ZITADEL_SYSTEMAPIUSERS": "[secret"}, "SystemAPIUsers"),
        ({"ZITADEL_SYSTEMAPIUSERS": '"secret"'}, "SystemAPIUsers"),
    ],
)
def test_a_bad_value_is_named_but_not_shown(tmp_path: Path, env: dict[str, str], key: str) -> None:
    with pytest.raises(FatalError) as caught:
        read(tmp_path, env=env)
    assert str(caught.value) == f"cannot parse {key}"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    settings, unknown = read(tmp_path, {"Port": 9}, env={"ZITADEL_PORT": ""})
    assert (settings.number("Port"), unknown) == (9, [])


@pytest.mark.parametrize("content", ["a: [", "- list"])
def test_a_file_that_is_no_map(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(FatalError, match=r"bad\.yaml is not"):
        load(config=[tmp_path / "bad.yaml"], steps=[], env={})


@pytest.mark.parametrize(
    ("mode", "tls", "url"),
    [
        ("", True, "https://localhost:8080"),
        ("enabled", True, "https://localhost:8080"),
        ("external", False, "https://localhost:8080"),
        ("disabled", False, "http://localhost:8080"),
    ],
)
def test_tls_mode(tmp_path: Path, mode: str, tls: bool, url: str) -> None:
    settings = read(tmp_path)[0].with_tls_mode(mode)
    assert (settings.flag("TLS.Enabled"), settings.external_url) == (tls, url)


@pytest.mark.parametrize(("text", "seconds"), [("0m", 0), ("5m", 300), ("1m30s", 90), ("250ms", 0.25)])
def test_durations(tmp_path: Path, text: str, seconds: float) -> None:
    settings, _ = read(tmp_path, {"Database": {"postgres": {"AwaitInitialConn": text}}})
    assert settings.seconds("Database.postgres.AwaitInitialConn") == seconds


def test_a_duration_without_unit(tmp_path: Path) -> None:
    settings, _ = read(tmp_path, {"Database": {"postgres": {"AwaitInitialConn": "5"}}})
    with pytest.raises(FatalError, match="not a duration"):
        settings.seconds("Database.postgres.AwaitInitialConn")
