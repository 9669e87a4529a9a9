"""What a person sees: tables and words on a terminal, plain text in a pipe, or JSON and YAML for programs.

Colour is only for a terminal that wants it (NO_COLOR, https://no-color.org). In a pipe a line is never cut
or wrapped, so that it can be searched. Of rich only tables and styles are used, and only when there is
something to show: the operator's own process never loads it.
"""

import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Literal

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dedicated.api.json import JsonValue

Output = Literal["table", "json", "yaml"]
UNLIMITED = 10_000
"""Columns of what is no terminal."""
STYLES = {
    "Done": "green", "Permitted": "green", "Refused": "red", "Unanswered": "red",
    "Customer": "magenta", "Provider": "cyan",
}  # fmt: skip
"""Words that mean the same wherever they stand."""


class Failure(click.ClickException):
    """What ends a command; `exit_code` as in docs/command-line.md."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click has one for all failures of a class

    def show(self, file: object = None) -> None:
        """One line on standard error."""
        del file
        click.echo(f"dedicated: {self.message}", err=True)


FOUND = 1
"""Exit code: there is something to mend."""
USAGE = 2
"""Exit code: wrong arguments, or a file that cannot be read."""
REFUSED = 3
"""Exit code: the API server refused, or does not have it."""
NOT_REACHED = 4
"""Exit code: the API server did not answer, or there are no credentials for it."""


def show(renderable: RenderableType) -> None:
    """Write to standard output as its kind allows."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else UNLIMITED
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=terminal,
        color_system="auto" if _wants_colour() else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(renderable)
    for line in buffer.getvalue().splitlines():
        click.echo(line.rstrip(), color=terminal)


def _wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str, style: str = "") -> None:
    """A line of words."""
    show(Text(text, style))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table as `kubectl get` writes it."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        found.add_column(column, overflow="fold")
    for row in rows:
        found.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
    return found


def pairs(rows: Sequence[tuple[str, str]], *, indent: int = 2) -> Table:
    """Names and what they are, without a head."""
    found = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        found.add_column(overflow="fold")
    for name, value in rows:
        found.add_row(" " * max(0, indent - 2), name, Text(value, STYLES.get(value, "")))
    return found


def emit(value: JsonValue, output: Output) -> None:
    """Write for a program."""
    if output == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110), nl=False)
