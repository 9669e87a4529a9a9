"""The files that HAProxy reads, and what is known of how far they were taken.

A mark beside them names the content that the process runs. It is taken away before a change and written
after it: an agent that was killed in between finds no mark, and does all of it again.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "content"
CANDIDATE = "candidate"
"""Folder in which a configuration is checked before it takes the place of another."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with files that are exchanged one by one, each as a whole."""

    path: Path

    def read(self, names: Mapping[str, str]) -> dict[str, str]:
        """Those of the files that are there."""
        found = {name: self.path / name for name in names}
        return {name: file.read_text(encoding="utf-8") for name, file in found.items() if file.is_file()}

    def write(self, files: Mapping[str, str]) -> None:
        """Write what differs. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            file, beside = self.path / name, self.path / f".{name}.new"
            if file.is_file() and file.read_text(encoding="utf-8") == text:
                continue
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, file)

    def candidate(self) -> "Folder":
        """Where the next files are checked."""
        return Folder(self.path / CANDIDATE)

    @property
    def mark(self) -> str:
        """The content that was taken as a whole; empty: none is known."""
        file = self.path / MARK
        return file.read_text(encoding="ascii") if file.is_file() else ""

    def begin(self) -> None:
        """A change begins."""
        (self.path / MARK).unlink(missing_ok=True)

    def end(self, digest: str) -> None:
        """The files are in force."""
        self.write({MARK: digest})
