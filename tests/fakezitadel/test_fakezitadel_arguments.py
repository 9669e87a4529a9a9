"""Argument lines and exit codes that need no database."""

from pathlib import Path

import pytest

from fakezitadel.__main__ import main
from fakezitadel.arguments import masterkey, parse
from fakezitadel.runtime import FatalError, from_environment

ENV = {"FAKEZ_VERSION": "v4.15.2"}


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        ([], 1, "unknown command"),
        (["serve"], 1, "unknown command"),
        (["start-from-init", "--masterkeyFromEnv"], 1, "unknown command"),
        (["init", "nonsense"], 1, "unknown command"),
        (["init", "--masterkeyFromEnv"], 1, "unknown flag --masterkeyFromEnv"),
        (["setup", "--frobnicate"], 1, "unknown flag --frobnicate"),
        (["start", "--init-projections", "--masterkeyFromEnv"], 1, "unknown flag --init-projections"),
        (["setup", "cleanup", "--steps", "x"], 1, "unknown flag --steps"),
        (["setup", "--init-projections=maybe"], 1, "must be true or false"),
        (["setup", "--config"], 1, "needs an argument"),
        (["start", "--masterkeyFromEnv", "--tlsMode", "off"], 1, "--tlsMode must be one of"),
        (["setup"], 2, "masterkey must either be provided"),
        (["setup", "--masterkeyFromEnv", "--masterkey", "x"], 2, "masterkey must either be provided"),
        (["setup", "--masterkeyFromEnv=false"], 2, "masterkey must either be provided"),
        (["start"], 1, "masterkey must either be provided"),
        (["start", "--masterkey=a", "--masterkey=b"], 1, "masterkey must either be provided"),
        (["start", "-m", "absent"], 1, "No such file"),
        (["start", "--masterkeyFromEnv"], 1, "masterkey must be 32 bytes, but is 0"),
    ],
)
def test_refused(argv: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", *argv], ENV) == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "FAKEZ_VERSION must be a version"),
        ({"FAKEZ_VERSION": "latest"}, "FAKEZ_VERSION must be a version"),
        ({**ENV, "FAKEZ_FAULTS": '{"setup.killAtstep": "x"}'}, "no such fault switch: setup.killAtstep"),
    ],
)
def test_refused_environment(env: dict[str, str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "init"], env) == 1
    assert says in capsys.readouterr().err


def test_unknown_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zitadel"], ENV) == 1
    assert "usage" in capsys.readouterr().err


def test_flags_with_values() -> None:
    argv = ["setup", "--config", "a", "--config=b", "--steps", "c", "-m", "k", "--init-projections=false"]
    parsed = parse(argv)
    assert (parsed.config, parsed.steps, parsed.init_projections) == (("a", "b"), ("c",), False)
    assert parse(["setup", "--init-projections", "--for-mirror"]).for_mirror
    assert parse(["init", "zitadel"]).command == "init schema"


def test_masterkey_sources(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32 + b"\n")
    runtime = from_environment({**ENV, "FAKEZ_ROOT": str(tmp_path), "ZITADEL_MASTERKEY": "from-env"})
    assert masterkey(parse(["start", "--masterkeyFile", "/key"]), runtime) == b"k" * 32 + b"\n"
    assert masterkey(parse(["start", "--masterkey", "given"]), runtime) == b"given"
    assert masterkey(parse(["start", "--masterkeyFromEnv"]), runtime) == b"from-env"


def test_absolute_paths_are_below_the_root(tmp_path: Path) -> None:
    runtime = from_environment({**ENV, "FAKEZ_ROOT": str(tmp_path)})
    assert runtime.path("/config/a.yaml") == tmp_path / "config/a.yaml"
    assert runtime.path("a.yaml") == Path("a.yaml")
    assert from_environment(ENV).path("/config/a.yaml") == Path("/config/a.yaml")


def test_a_flag_value_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["server", "init", "--masterkey=top-secret"], ENV)
    assert "top-secret" not in capsys.readouterr().err
    with pytest.raises(FatalError):
        parse(["init", "--masterkey", "x"])
