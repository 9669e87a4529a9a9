"""Colour is for a terminal that wants it; a pipe gets whole lines and nothing else."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from cli.running import WINDOW, instance, written

ESCAPE = "\x1b["
COLUMNS = 70


def on_terminal(*arguments: str, **environment: str) -> str:
    """What a terminal of 70 columns gets from a command."""
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"}
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "dedicated", *arguments],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**known, **size, **environment},
    ):
        os.close(theirs)
        found = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other side has closed
                break
            found += piece
            if not piece:
                break
    os.close(ours)
    return found.decode()


@pytest.fixture
def simulation(tmp_path: Path) -> tuple[str, ...]:
    file = written(tmp_path, "i.yaml", instance(maintenance={"windows": [WINDOW]}))
    return ("simulate", "-f", file, "--from", "2026-01", "--to", "2026-03", "--as-operator")


def test_a_terminal_gets_colours_and_lines_of_its_width(simulation: tuple[str, ...]) -> None:
    found = on_terminal(*simulation, NO_COLOR="")
    assert ESCAPE in found
    plain = on_terminal(*simulation, NO_COLOR="1")
    assert ESCAPE not in plain
    assert max(map(len, plain.splitlines())) <= COLUMNS


def test_a_terminal_that_can_do_nothing_gets_no_colours(simulation: tuple[str, ...]) -> None:
    assert ESCAPE not in on_terminal(*simulation, TERM="dumb")


def test_a_pipe_gets_whole_lines(simulation: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "dedicated", *simulation]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ESCAPE not in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) > 120
    assert not [line for line in done.stdout.splitlines() if line.endswith(" ")]
