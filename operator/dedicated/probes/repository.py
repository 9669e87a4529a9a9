"""A repository of pgBackRest, asked by its own program: what is in it, in its own words (JSON).

The program reads the repository's credentials from its configuration file or from its environment: none is
on a command line, none in an answer. Its words of an error are not passed on, since they may quote
settings: the number of the error is told, and what it means.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str

ANSWER_SECONDS = 120.0
VERIFY_SECONDS = 3600.0
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer; a fortnight of segments, one a minute, is 3 MB of it."""
HISTORY_LIMIT = 64 * 1024
UNREADABLE = 99
"""Status of a stanza that could not be read; all others are answers."""
VARIABLES = "PGBACKREST_"
"""What the names of pgBackRest's variables begin with."""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}
CAUSES = {
    26: "a checksum is wrong",
    29: "a file is damaged, or encrypted with another key",
    31: "a setting is not valid",
    37: "a setting is missing",
    41: "a file cannot be opened",
    42: "a file cannot be read",
    49: "it cannot be reached",
    53: "a folder cannot be opened",
    55: "a file is missing",
    73: "a folder is missing",
    95: "encryption or certificate do not fit",
}
"""Own words for pgBackRest's number of an error."""


class RepositoryError(Exception):
    """The repository did not answer; the text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a repository holds: the answer of `info`, the id of the archive of now, and the files below it.

    `history` is the text of the newest history file, empty where there is none; `history_of` its timeline's
    eight digits. Without a stanza the archive id is empty.
    """

    info: JsonValue
    archive_id: str
    files: Manifest
    history_of: str = ""
    history: str = ""


@dataclass(frozen=True, slots=True)
class PgBackRest:
    """A stanza that a configuration file leads to, and settings in the environment, which may be secret."""

    config: Path
    stanza: str
    program: str = "pgbackrest"
    seconds: float = ANSWER_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def read(self) -> Contents:
        """What is in it now. Raises RepositoryError."""
        info = await self.info()
        stanza = next(iter(get_list({"stanzas": info}, "stanzas")), None)
        if get_int(get_map(stanza), "status", "code") == UNREADABLE:
            raise RepositoryError("it cannot be read")
        archive_id = _archive_id(stanza)
        if not archive_id:
            return Contents(info, "", {})
        folder = f"archive/{self.stanza}/{archive_id}"
        listed = _json(await self._run("repo-ls", "--recurse", "--output=json", folder, limit=ANSWER_LIMIT))
        files = get_map({"files": listed}, "files")
        newest = max((name for name in files if name.endswith(".history")), default="")
        text = await self._run("repo-get", f"{folder}/{newest}", limit=HISTORY_LIMIT) if newest else b""
        return Contents(info, archive_id, files, newest.partition(".")[0], text.decode(errors="replace"))

    async def info(self) -> JsonValue:
        """The answer of `info`. Raises RepositoryError."""
        return _json(await self._run("info", "--output=json", limit=ANSWER_LIMIT))

    async def manifest(self, label: str) -> str:
        """What a backup tells of its files. Raises RepositoryError."""
        name = f"backup/{self.stanza}/{label}/backup.manifest"
        return (await self._run("repo-get", name, limit=ANSWER_LIMIT)).decode(errors="replace")

    async def version(self) -> str:
        """What the program calls itself. Raises RepositoryError."""
        return (await self._run("version", limit=ANSWER_LIMIT)).decode(errors="replace").strip()

    async def verify(self) -> str:
        """What reading all of it shows, in pgBackRest's own words. Raises RepositoryError."""
        told = ("--output=text", "--verbose", "--log-level-console=info", "--process-max=1")
        output = await self._run("verify", *told, limit=ANSWER_LIMIT, seconds=VERIFY_SECONDS)
        return output.decode(errors="replace")

    async def _run(self, command: str, *arguments: str, limit: int, seconds: float | None = None) -> bytes:
        """The output of a command of not more than `limit` bytes."""
        patience = self.seconds if seconds is None else seconds
        given = [
            f"--config={self.config}",
            f"--stanza={self.stanza}",
            "--log-level-file=off",
            command,
            *arguments,
        ]
        try:
            process = await asyncio.create_subprocess_exec(
                self.program,
                *given,
                env={**ENVIRONMENT, **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            raise RepositoryError(f"the program {Path(self.program).name} cannot be run") from None
        try:
            async with asyncio.timeout(patience):
                output = await _output(process, limit)
                status = await process.wait()
        except TimeoutError:
            raise RepositoryError(f"no answer to {command} within {patience:.0f} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if status:
            words = CAUSES.get(status, "see pgBackRest's list of errors")
            raise RepositoryError(f"{command} ends with error {status}: {words}")
        return output


async def _output(process: asyncio.subprocess.Process, limit: int) -> bytes:
    assert process.stdout is not None
    found = bytearray()
    while chunk := await process.stdout.read(64 * 1024):
        found += chunk
        if len(found) > limit:
            raise RepositoryError(f"an answer of more than {limit} bytes")
    return bytes(found)


def _json(text: bytes) -> JsonValue:
    try:
        read: JsonValue = json.loads(text)
    except ValueError:
        raise RepositoryError("an answer that is no JSON") from None
    return read


def _archive_id(stanza: JsonValue) -> str:
    """Such as `15-1`: of the last of the stanza's systems, the one of now; empty where it has none."""
    systems = [get_map(item) for item in get_list(stanza, "db")]
    newest = max(systems, key=lambda system: get_int(system, "id"), default=None)
    return f"{get_str(newest, 'version')}-{get_int(newest, 'id')}" if newest else ""
