"""Files into the running process: maps and lists at once, all else by a reload, and never an outage.

What HAProxy refuses when it is asked beside, or when it reloads, is refused here: the files of before are put
back, and they never stopped serving. The files come first, then the process: a HAProxy that is started again
by the kubelet reads what was meant. The hash of the policy is set last, so that it never tells of limits that
are not in force yet.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dedicated.agents.limiter.files import Folder
from dedicated.parts.limiter.configuration import (
    CONFIGURATION,
    HASH_VARIABLE,
    SERVER_STATE,
    server_state,
    structure,
)
from dedicated.parts.limiter.maps import LISTS, MAPS
from dedicated.probes import haproxy
from dedicated.probes.haproxy import LOOK_EVERY, Haproxy, HaproxyError

LEARNS_SECONDS = 12.0
"""HAProxy gives up after 5 s where the worker before it, and again where the other replicas do not teach."""

logger = logging.getLogger(__name__)


class RejectedError(Exception):
    """The files were refused, and those of before are in force; the text says why."""


@dataclass(frozen=True, slots=True)
class Applier:
    """One HAProxy, its folders, and what checks a configuration; without that a reload is the check."""

    process: Haproxy
    folder: Folder
    sockets: Path
    program: str

    async def apply(self, files: Mapping[str, str], *, policy_hash: str, digest: str, reload: bool) -> None:
        """Put files in force. `reload` asks for one whatever differs.

        Raises RejectedError; HaproxyError where HAProxy does not answer, and then nothing is known.
        """
        before, mark = self.folder.read(files), self.folder.mark
        await self._check(files)
        structural = reload or CONFIGURATION not in before or structure(before) != structure(files)
        self.folder.begin()
        try:
            await self._take(files, structural=structural)
        except HaproxyError as error:
            await self._back(before, structural=structural, cause=error)
            self.folder.end(mark)
            raise RejectedError(str(error)) from None
        await self.process.set_variable(HASH_VARIABLE, policy_hash)
        self.folder.end(digest)

    async def _check(self, files: Mapping[str, str]) -> None:
        candidate = self.folder.candidate()
        candidate.write(files)
        try:
            problem = await haproxy.check(self.program, candidate.path / CONFIGURATION)
        except FileNotFoundError:
            return
        if problem:
            raise RejectedError(problem)

    async def _take(self, files: Mapping[str, str], *, structural: bool) -> None:
        self.folder.write(files)
        if structural:
            await self._reload()
            return
        for name in _used(files, MAPS):
            await self.process.exchange_map(name, _pairs(files[name]))
        for name in _used(files, LISTS):
            await self.process.exchange_list(name, lines(files[name]))

    async def _reload(self) -> None:
        """The new worker knows the servers of before at once, by their state.

        It learns counters and bans from the worker of now: who has not learned them yet passes none on.
        """
        await self._has_learned()
        Folder(self.sockets).write({SERVER_STATE: server_state(await self.process.servers())})
        await self.process.reload()

    async def _has_learned(self) -> None:
        """Wait for it, but not for ever: a structure that is right must come into force."""
        try:
            async with asyncio.timeout(LEARNS_SECONDS):
                while not await self.process.learned():  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            logger.warning("reload before all is learned", extra={"seconds": LEARNS_SECONDS})

    async def _back(self, before: Mapping[str, str], *, structural: bool, cause: HaproxyError) -> None:
        """The files of before, and a process that runs them. Raises the cause where that does not answer."""
        if CONFIGURATION not in before:
            raise cause
        try:
            await self._take(before, structural=structural)
        except HaproxyError:
            raise cause from None
        await self.process.set_variable(HASH_VARIABLE, hash_in(before[CONFIGURATION]))

    async def differs(self, files: Mapping[str, str]) -> str:
        """Which map or list the process holds otherwise than the files say; empty: none."""
        for kind, names in (("map", MAPS), ("acl", LISTS)):
            for name in _used(files, names):
                if set(await self.process.entries(kind, name)) != set(lines(files[name])):
                    return name
        return ""


def hash_in(configuration: str) -> str:
    """The hash of the policy that a configuration starts with."""
    found = re.search(rf"set-var {re.escape(HASH_VARIABLE)} str\((\w+)\)", configuration)
    return found[1] if found else ""


def _used(files: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    """Those that the configuration names: HAProxy knows no others."""
    return [name for name in names if name in files[CONFIGURATION]]


def lines(text: str) -> tuple[str, ...]:
    """The entries of a file."""
    return tuple(line for line in text.splitlines() if line)


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = (line.partition(" ") for line in lines(text))
    return [(key, value) for key, _, value in parts]
