"""A person who follows a runbook: one shell's variables and folder, command after command.

What is typed goes to `bash` as it stands. A command that ends with another code than 0, reads a variable that
nobody set, or does not show what the page says it shows, is the page's failure.
"""

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runbooks.reading import ANY, Command, Page, PageError

SECONDS = 240
"""Longest that one command may take."""
SCRIPT = """
set -eu -o pipefail -o allexport
if [ -e "$RUNBOOK_STATE" ]; then . "$RUNBOOK_STATE"; cd "$(cat "$RUNBOOK_STATE.folder")"; fi
trap 'export -p > "$RUNBOOK_STATE"; pwd > "$RUNBOOK_STATE.folder"' EXIT
. "$RUNBOOK_TYPED"
"""
"""What stands for one shell that is left open: variables, set ones too, and the folder are kept."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long one command took, in seconds."""

    command: Command
    seconds: float


@dataclass(slots=True)
class Reader:
    """Who follows a page. `folder` is where the shell begins; it is the reader's own."""

    page: Page
    environment: Mapping[str, str]
    folder: Path
    done: list[str] = field(default_factory=list)
    """Titles of the sections that were followed."""
    took: list[Took] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """What all commands together took so far."""
        return sum(one.seconds for one in self.took)

    def follow(self, title: str) -> str:
        """Do what one section says; all that was shown. Raises AssertionError where it cannot be done."""
        section = next((one for one in self.page.sections if one.title == title), None)
        if section is None:
            raise PageError(f"{self.page.name}: no commands under a heading {title!r}")
        self.done.append(title)
        return "".join(self._run(command) for command in section.commands)

    def _run(self, command: Command) -> str:
        where = f"{self.page.name}:{command.line}"
        typed = self.folder / ".typed"
        typed.write_text(command.text + "\n")
        state = {"RUNBOOK_STATE": str(self.folder / ".state"), "RUNBOOK_TYPED": str(typed)}
        started = time.monotonic()
        ended = subprocess.run(
            ["bash", "-c", SCRIPT],
            cwd=self.folder,
            env={**self.environment, **state},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.took.append(Took(command, time.monotonic() - started))
        told = f"{where}: {command.text}\n{ended.stdout}"
        assert ended.returncode == 0, f"exit {ended.returncode} of {told}"
        missing = not_shown(command.shows, ended.stdout)
        assert not missing, f"not shown, or not in this order: {missing!r} by {told}"
        return ended.stdout


@contextmanager
def reader(
    page: Page, folder: Path, *, variables: Mapping[str, str], env: Mapping[str, str]
) -> Iterator[Reader]:
    """Who follows a page from its first section to its last, each once: none may be left out at the end.

    `variables` are what the page says that the reader sets, and nothing else; `env` is what the reader's
    machine has: programs, the way to the cluster.
    """
    if set(variables) != page.variables:
        differ = ", ".join(sorted(set(variables) ^ page.variables))
        raise PageError(f"{page.name}: set by the page alone, or by the test alone: {differ}")
    folder.mkdir(parents=True, exist_ok=True)
    found = Reader(page, {**env, **variables}, folder)
    yield found
    titles = [section.title for section in page.sections]
    assert found.done == titles, f"{page.name}: followed {found.done} of {titles}"


def not_shown(wanted: tuple[str, ...], output: str) -> str:
    """The first line that is not in the output after the one before; empty if all are.

    `...` stands for any text, and any space for any other.
    """
    lines = iter(output.splitlines())
    for line in wanted:
        pattern = _pattern(line)
        if pattern and not any(re.fullmatch(pattern, " ".join(shown.split())) for shown in lines):
            return line
    return ""


def _pattern(line: str) -> str:
    words = " ".join(line.split())
    return "" if words == ANY else ".*".join(map(re.escape, words.split(ANY)))
