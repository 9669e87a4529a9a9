"""Completion: the shell's own, and what kubectl asks of a plugin."""

import sys

import pytest
from click.shell_completion import ShellComplete

from cli.running import run
from dedicated.cli.commands import COMPLETE, SHELLS, complete_for_kubectl, dedicated
from dedicated.cli.explanations import EXPLANATIONS


def completed(*words: str, incomplete: str) -> list[str]:
    found = ShellComplete(dedicated, {}, "dedicated", COMPLETE).get_completions(list(words), incomplete)
    return [item.value for item in found]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(shell: str) -> None:
    ran = run("completion", shell)
    assert ran.code == 0
    assert f"{COMPLETE}={shell}_complete" in ran.out


def test_commands_options_and_conditions_are_completed() -> None:
    assert completed(incomplete="ca") == ["calendar"]
    assert "--records" in completed("simulate", incomplete="--rec")
    assert completed("explain", incomplete="esc") == ["EscalationDue"]
    assert completed("check", "-o", incomplete="y") == ["yaml"]


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["explain", "UpT"], ["UpToDate\t" + EXPLANATIONS["UpToDate"].asks, ":4"]),
        (["calen"], ["calendar\tThe next slots, freezes and dates; also as iCalendar.", ":4"]),
        (["check", "-f", ""], [":0"]),
        (["explain", "none-such"], [":4"]),
    ],
)
def test_kubectl_gets_lines_and_a_directive(
    words: list[str], printed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-dedicated", *words])
    complete_for_kubectl()
    assert capsys.readouterr().out.splitlines() == printed
