"""A runbook's page, taken apart: what its reader sets first, and the commands under each heading.

Every block in a fence is a command or says otherwise by its language: `sh` and `console` are run, `yaml` and
`text` are shown. A fence without a language, or with another, is an error: nothing on a page is left out
without a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN, SHOWN = frozenset({"sh", "console"}), frozenset({"yaml", "text"})
PROMPT = "$ "
ANY = "..."
"""In what a command shows: any text, also none."""
_FENCE = re.compile(r"^( *)```(\S*)$")
_VARIABLE = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \|")


class PageError(ValueError):
    """A page cannot be followed as it is written; says where and why."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed, and the lines that it is to show, in order; other lines may stand between them."""

    text: str
    line: int
    """Of the page, from 1."""
    shows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """The commands under one heading."""

    title: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A runbook."""

    name: str
    variables: frozenset[str]
    """What the reader sets before the first command."""
    sections: tuple[Section, ...]
    """Those that hold a command, in order."""


def read_page(path: Path) -> Page:
    """A page as it stands. Raises PageError, OSError."""
    return parse(path.name, path.read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Page:
    """A page from its text. Raises PageError."""
    variables: set[str] = set()
    found: dict[str, list[Command]] = {}
    title = ""
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if fence := _FENCE.match(line):
            indent, language = fence.groups()
            block = [*_block(name, number, len(indent), lines)]
            found.setdefault(title, []).extend(_commands(name, number, language, block))
        elif line.startswith("#"):
            title = line.lstrip("# ")
            if title in found:
                raise PageError(f"{name}:{number}: a second heading {title!r}")
            found[title] = []
        elif variable := _VARIABLE.match(line):
            variables.add(variable[1])
    sections = [Section(title, tuple(commands)) for title, commands in found.items() if commands]
    return Page(name, frozenset(variables), tuple(sections))


def _block(name: str, begin: int, indent: int, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        if line.strip() == "```":
            return
        yield number, line[indent:] if not line[:indent].strip() else line
    raise PageError(f"{name}:{begin}: the block has no end")


def _commands(name: str, begin: int, language: str, block: list[tuple[int, str]]) -> Iterator[Command]:
    if language in SHOWN:
        return
    if language not in RUN:
        raise PageError(f"{name}:{begin}: a block of {language or 'no language'}: is it run or shown?")
    if language == "sh":
        yield Command("\n".join(line for _, line in block), begin + 1)
        return
    if not block or not block[0][1].startswith(PROMPT):
        raise PageError(f"{name}:{begin}: a console begins with a command")
    typed: list[str] = []
    shows: list[str] = []
    at = begin
    for number, line in block:
        if line.startswith(PROMPT):
            if typed:
                yield Command("\n".join(typed), at, tuple(shows))
            typed, shows, at = [line.removeprefix(PROMPT)], [], number
        elif typed[-1].endswith("\\") and not shows:
            typed.append(line)
        else:
            shows.append(line)
    yield Command("\n".join(typed), at, tuple(shows))
