"""The repository of a lab: pgBackRest's configuration, and its commands.

Where it lies is told by options (`posix` or a store's), so that the same trials run against either.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from dedicated.api.json import JsonValue
from lab.programs import Programs

STANZA = "zitadel"
CIPHER_PASS = "lab-only-pass-0123456789"
COMMON = {
    "repo1-cipher-type": "aes-256-cbc",
    "repo1-cipher-pass": CIPHER_PASS,
    "repo1-retention-full": "14",
    "repo1-retention-full-type": "time",
    "repo1-bundle": "y",
    "compress-type": "zst",
    "compress-level": "3",
    "process-max": "2",
    "start-fast": "y",
    "archive-timeout": "60",
    "log-level-console": "warn",
    "log-level-file": "off",
}


class CommandError(Exception):
    """A command of pgBackRest failed: its exit status and its words."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A stanza of a repository in a lab's folder. `options` say where it lies; empty: in the folder itself.

    `program` runs pgBackRest as the lab's user, whoever calls it.
    """

    folder: Path
    programs: Programs
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The configuration of the stanza."""
        return self.folder / "pgbackrest.conf"

    @property
    def program(self) -> Path:
        """pgBackRest as the lab's user."""
        return self.folder / "pgbackrest"

    @property
    def stored(self) -> Path:
        """Where a repository that lies in the folder has its files."""
        return self.folder / "repo"

    def prepare(self) -> None:
        """Make folders and the program."""
        for name in ("repo", "lock", "spool", "log"):
            folder = self.folder / name
            folder.mkdir(mode=0o750)
            if self.programs.user is not None:
                os.chown(folder, self.programs.user, self.programs.user)
        self.slow_down(0)
        user = self.programs.user
        become = (
            ""
            if user is None
            else (
                f'[ "$(id -u)" != 0 ] || '
                f'exec setpriv --reuid={user} --regid={user} --clear-groups "$0" "$@"\n'
            )
        )
        self.program.write_text(f'#!/bin/sh\n{become}exec {self.programs.pgbackrest} "$@"\n')
        self.program.chmod(0o755)

    def follow(self, *, data: Path, port: int, socket: Path) -> None:
        """Write the configuration anew for a primary."""
        where = self.options or {"repo1-type": "posix", "repo1-path": str(self.stored)}
        paths = {f"{name}-path": str(self.folder / name) for name in ("lock", "spool", "log")}
        cluster = {
            "pg1-path": str(data),
            "pg1-port": str(port),
            "pg1-socket-path": str(socket),
            "pg1-user": "postgres",
        }
        sections = {"global": {**COMMON, **where, **paths}, STANZA: cluster}
        text = "".join(
            f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in settings.items())
            for name, settings in sections.items()
        )
        fresh = self.config.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        if self.programs.user is not None:
            os.chown(fresh, self.programs.user, self.programs.user)
        fresh.replace(self.config)

    @property
    def archive_command(self) -> str:
        """For PostgreSQL's setting of this name."""
        push = f"{self.program} --config={self.config} --stanza={STANZA} archive-push %p"
        return f"sleep $(cat {self._delay}) && {push}"

    @property
    def _delay(self) -> Path:
        return self.folder / "delay"

    def slow_down(self, seconds: float) -> None:
        """Let each segment take so long to be archived, from the next one on."""
        fresh = self._delay.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._delay)

    def run(self, *arguments: str, seconds: float = 120) -> str:
        """A command's output. Raises CommandError."""
        command = [str(self.program), f"--config={self.config}", f"--stanza={STANZA}", *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=seconds, check=False)
        if done.returncode:
            raise CommandError(
                f"{arguments}: exit status {done.returncode}\n{done.stdout}{done.stderr}"[-4000:]
            )
        return done.stdout

    def answer(self, *arguments: str) -> JsonValue:
        """The answer of a command that speaks JSON."""
        read: JsonValue = json.loads(self.run("--output=json", *arguments))
        return read

    def backup(self, kind: str) -> None:
        """Make a backup: full, diff or incr."""
        self.run("backup", f"--type={kind}")

    def restore(self, data: Path, *, until: datetime | None = None, more: tuple[str, ...] = ()) -> None:
        """Restore to a time or to the latest point, into a new folder, which replays when it is started."""
        data.mkdir(mode=0o700)
        if self.programs.user is not None:
            os.chown(data, self.programs.user, self.programs.user)
        target = f"{until:%Y-%m-%d %H:%M:%S.%f%z}" if until else ""
        options = ("--type=time", f"--target={target}", "--target-action=promote") if until else ()
        self.run(f"--pg1-path={data}", *options, *more, "restore", seconds=900)

    def segments(self) -> list[Path]:
        """The archived segments of a repository that lies in the folder, in order."""
        return sorted((self.stored / "archive" / STANZA).glob("*/*/????????????????????????-*.zst"))
