"""A running HAProxy, by its two sockets: the worker's (maps, lists, figures) and the master's (reloads).

Maps and lists are exchanged as a whole: the new version is filled beside, then committed in one step, so that
no request is ever judged by half a file. Tables are read as numbers of entries; only a table of paths is
dumped, so that no client's address ever comes into this process.

Written for 2.6 and newer; a command's answer is empty where it did what it was told, and a sentence where it
did not.
"""

import asyncio
import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5.0
RELOAD_SECONDS = 20.0
"""Within which a new worker must run: servers are not waited for, files of a size that we write are read."""
LOOK_EVERY = 0.05
CHUNK = 200
"""Lines in one command: a command has to fit into 16 KiB."""
ANSWER_LIMIT = 8 * 2**20

TABLE = re.compile(r"^# table: (?:[^,]*/)?(\S+?), type: \w+, size:(\d+), used:(\d+)", re.MULTILINE)
VERSION = re.compile(r"New version created: (\d+)")
PATH = re.compile(r"\bkey=(\S*) .*?\bhttp_req_cnt=(\d+)")
FAILED = re.compile(r"^\d+\s+master\s+\d+ \[failed: (\d+)\]", re.MULTILINE)
WORKER = re.compile(r"^(\d+)\s+worker\s+(\d+)\s", re.MULTILINE)
PEER = re.compile(r"\(remote,(\w+)\) addr=\S+ (?:\S+ )*?last_status=(\w+)")
"""Newer ones tell more between the address and the status. The last status outlives its connection."""
LEARNS = re.compile(r"\bid=\S+ disabled=0 flags=0x([0-9a-f]+)")
LEARNED = 0x3
"""Flags of a section of peers: nothing more to learn from the worker before, and from the other replicas."""
VALUE = re.compile(r'value="([^"]*)"')
ENTRY = re.compile(r"^0x[0-9a-f]+ (.+)$", re.MULTILINE)
CONNECTED = frozenset({"ESTA", "RSTC", "ESTB"})


class HaproxyError(Exception):
    """HAProxy did not do what it was told, or does not answer; the text says so, without an address."""


@dataclass(frozen=True, slots=True)
class Table:
    """Entries that a table has, and has room for."""

    used: int
    size: int


@dataclass(frozen=True, slots=True)
class Row:
    """A front or back end: requests since the worker started, and those answered with 5xx."""

    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class Process:
    """A worker: its version and process, and how long it has run."""

    version: str
    pid: int
    uptime: int

    def is_other(self, before: "Process | None") -> bool:
        """Whether it is not the one that was seen before. In a container that was started anew the worker
        has the number of the one before it."""
        return before is None or self.pid != before.pid or self.uptime < before.uptime


@dataclass(frozen=True, slots=True)
class Haproxy:
    """HAProxy behind its sockets. All questions raise HaproxyError."""

    admin: Path
    master: Path

    async def process(self) -> Process:
        """Which worker answers."""
        found = dict(
            line.split(": ", 1) for line in (await self._ask("show info")).splitlines() if ": " in line
        )
        try:
            return Process(
                found["Version"].partition("-")[0], int(found["Pid"]), int(found.get("Uptime_sec", "0"))
            )
        except (KeyError, ValueError):
            raise HaproxyError("show info: the answer is not understood") from None

    async def tables(self) -> dict[str, Table]:
        """All tables by name, as numbers."""
        found = TABLE.findall(await self._ask("show table"))
        return {name: Table(int(used), int(size)) for name, size, used in found}

    async def paths(self, table: str) -> dict[str, int]:
        """Keys of a table of paths, and how often each was counted."""
        return {path: int(count) for path, count in PATH.findall(await self._ask(f"show table {table}"))}

    async def rows(self) -> dict[str, Row]:
        """Front and back ends by name, as the statistics have them."""
        text = await self._ask("show stat -1 3 -1")
        found = csv.DictReader(text.lstrip("# ").strip().splitlines())
        kinds = {"FRONTEND": "req_tot", "BACKEND": "req_tot"}
        return {
            row["pxname"]: Row(_number(row.get("req_tot")), _number(row.get("hrsp_5xx")))
            for row in found
            if row.get("svname") in kinds
        }

    async def unheard(self) -> int:
        """Other replicas that it has no connection with."""
        peers = PEER.findall(await self._ask("show peers"))
        return sum(link != "active" or state not in CONNECTED for link, state in peers)

    async def learned(self) -> bool:
        """Whether it has learned all that the worker before it and the other replicas knew."""
        flags = LEARNS.findall(await self._ask("show peers"))
        return all(int(flag, 16) & LEARNED == LEARNED for flag in flags)

    async def servers(self) -> str:
        """The state of all servers, to be read again by a new worker."""
        return await self._ask("show servers state")

    async def variable(self, name: str) -> str:
        """A variable of the process; empty where there is none."""
        found = re.search(r"value=<([^>]*)>", await self._ask(f"get var {name}"))
        return found[1] if found else ""

    async def set_variable(self, name: str, value: str) -> None:
        """Set a variable of the process."""
        await self._do(f"experimental-mode on; set var {name} str({value})")

    async def exchange_map(self, name: str, entries: Iterable[tuple[str, str]]) -> None:
        """Put a map's entries in place of those it has, in one step."""
        version = await self._prepare("map", name)
        lines = [f"{key} {value}" for key, value in entries]
        for start in range(0, len(lines), CHUNK):
            payload = "\n".join(lines[start : start + CHUNK])
            await self._do(f"add map @{version} {name} <<\n{payload}\n")
        await self._do(f"commit map @{version} {name}")

    async def exchange_list(self, name: str, entries: Iterable[str]) -> None:
        """Put a list's entries in place of those it has, in one step."""
        version = await self._prepare("acl", name)
        lines = [f"add acl @{version} {name} {entry}" for entry in entries]
        for start in range(0, len(lines), CHUNK):
            await self._do(";".join(lines[start : start + CHUNK]))
        await self._do(f"commit acl @{version} {name}")

    async def entries(self, kind: str, name: str) -> tuple[str, ...]:
        """What a `map` or an `acl` holds in the worker, one line each."""
        return tuple(ENTRY.findall(await self._ask(f"show {kind} {name}")))

    async def looked_up(self, name: str, address: str) -> str:
        """What a map says of an address, by the very entries that the rules use; empty: nothing."""
        found = VALUE.search(await self._ask(f"get map {name} {address}"))
        return found[1] if found else ""

    async def listed(self, name: str, address: str) -> bool:
        """Whether a list holds an address."""
        return "match=yes" in await self._ask(f"get acl {name} {address}")

    async def reload(self) -> None:
        """Start a new worker on the files of now; it answers from then on. Raises where it does not start:
        then the old one goes on."""
        old = (await self.process()).pid
        # From 2.7 on it answers once the new worker stands, or does not.
        await self._ask("reload", master=True, seconds=RELOAD_SECONDS)
        try:
            async with asyncio.timeout(RELOAD_SECONDS):
                while (await self._worker()) in (None, old) or not await self._answers(old):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise HaproxyError(f"reload: no new worker within {RELOAD_SECONDS:.0f} s") from None

    async def _worker(self) -> int | None:
        """The newest worker; None while the master starts anew. Raises where the last reload failed."""
        try:
            text = await self._ask("show proc", master=True)
        except HaproxyError:
            return None
        failed = FAILED.search(text)
        if failed is not None and int(failed[1]):
            raise HaproxyError("reload: HAProxy refuses the configuration")
        current = text.partition("# old workers")[0]
        return next((int(pid) for pid, age in WORKER.findall(current) if age == "0"), None)

    async def _answers(self, old: int) -> bool:
        try:
            return (await self.process()).pid != old
        except HaproxyError:
            return False

    async def _prepare(self, kind: str, name: str) -> int:
        answer = await self._ask(f"prepare {kind} {name}")
        found = VERSION.search(answer)
        if found is None:
            raise HaproxyError(f"prepare {kind} {name}: {_first(answer)}")
        return int(found[1])

    async def _do(self, command: str) -> None:
        """A command that has no answer but where it fails."""
        if answer := (await self._ask(command)).strip():
            raise HaproxyError(f"{' '.join(_first(command).split()[:4])}: {_first(answer)}")

    async def _ask(self, command: str, *, master: bool = False, seconds: float = SECONDS) -> str:
        path = self.master if master else self.admin
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(str(path), limit=ANSWER_LIMIT)
                try:
                    writer.write(f"{command}\n".encode())
                    # The master keeps a connection open until its other side ends.
                    writer.write_eof()
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except TimeoutError:
            raise HaproxyError(f"{path.name}: no answer within {seconds:.0f} s") from None
        except OSError as error:
            raise HaproxyError(f"{path.name}: {error.strerror or type(error).__name__}") from None


async def check(program: str, configuration: Path) -> str:
    """What HAProxy says against a configuration; empty: nothing. Warnings count, as one of them can mean that
    replicas do not share what they count. Raises FileNotFoundError where there is no such program."""
    process = await asyncio.create_subprocess_exec(
        program,
        *("-dW", "-c", "-f", str(configuration)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RELOAD_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"the check took longer than {RELOAD_SECONDS:.0f} s"
    if process.returncode == 0:
        return ""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if "[ALERT]" in line or "[WARNING]" in line]
    text = (told or lines or ["no reason is told"])[0]
    return re.sub(r"^\[\w+\]\s*\(\d+\)\s*:\s*", "", text).replace(str(configuration.parent) + "/", "")


def _first(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no answer")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
