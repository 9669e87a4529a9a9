"""How commands start: the operator's own without a terminal, people's without a cluster."""

import subprocess
import sys

import pytest

from dedicated.cli.main import main

TERMINAL = ("rich", "dedicated.cli.commands", "dedicated.cli.terminal")
CLUSTER = ("kubernetes", "kopf", "aiohttp")


def loaded(code: str, modules: tuple[str, ...]) -> list[str]:
    """Which of these modules a program has loaded at its end."""
    script = f"{code}\nimport sys\nprint(*[name for name in {modules!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1].split()


def test_the_operator_loads_no_terminal() -> None:
    code = "import dedicated.cli.main, dedicated.cli.arguments, dedicated.controllers.main"
    assert loaded(code, TERMINAL) == []


def test_commands_without_a_cluster_load_no_client() -> None:
    assert loaded("import dedicated.cli.commands", CLUSTER) == []


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["check", "--help"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "Usage: dedicated" in capsys.readouterr().out


def test_the_operators_commands_are_listed_and_have_their_own_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"])
    listed = capsys.readouterr().out
    assert "  run " in listed
    assert "  crds " in listed
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])
    assert ended.value.code == 0
    assert "--lease-seconds" in capsys.readouterr().out


def test_a_plugin_of_kubectl_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-dedicated"])
    assert main(["check", "--help"]) == 0
    assert "Usage: kubectl dedicated check" in capsys.readouterr().out


def test_an_unknown_command_is_a_wrong_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["permitt"]) == 2
    assert "No such command 'permitt'" in capsys.readouterr().err
