"""HAProxy's two sockets, played: it remembers what it was told, and answers as 2.6 does."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from dedicated.probes.haproxy import Haproxy

PROC = """#<PID> <type> <reloads>
1 master 1 [failed: {failed}] 0d00h00m01s 2.6.12
# workers
{pid} worker 0 0d00h00m01s 2.6.12
# old workers
7 worker 3 0d00h00m43s 2.6.12
# programs
"""


@dataclass
class Played:
    """What it holds, and what it was told. `answers` come first, by the beginning of a command."""

    folder: Path
    pid: int = 100
    uptime: int = 5
    failed: int = 0
    breaks: int = 0
    """Reloads that fail, from now on."""
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    _next: dict[str, list[str]] = field(default_factory=dict)

    @property
    def haproxy(self) -> Haproxy:
        """What asks it."""
        return Haproxy(self.folder / "admin.sock", self.folder / "master.sock")

    def admin(self, command: str) -> str:
        """Its answer."""
        self.told.append(command)
        for start, answer in self.answers.items():
            if command.startswith(start):
                return answer
        told = self._shown(command.split())
        return self._changed(command) if told is None else told

    def _shown(self, words: list[str]) -> str | None:
        match words:
            case ["show", "info"]:
                return f"Name: HAProxy\nVersion: 2.6.12-1+deb\nPid: {self.pid}\nUptime_sec: {self.uptime}\n"
            case ["show", "servers", "state"]:
                return "1\n# be_id\n"
            case ["show", "map", name]:
                return "".join(f"0x1 {key} {value}\n" for key, value in self.maps[name].items())
            case ["show", "acl", name]:
                return "".join(f"0x1 {entry}\n" for entry in self.lists[name])
            case ["get", "var", name]:
                return f"{name}: type=str value=<{self.variables.get(name, '')}>\n"
        return None

    def _changed(self, command: str) -> str:
        match command.split():
            case ["prepare", _, name] if name in self.maps or name in self.lists:
                self._next[name] = []
                return "New version created: 7\n"
            case ["add", "map", "@7", name, "<<", *_]:
                self._next[name] += [line for line in command.split("\n")[1:] if line]
            case ["add", "acl", "@7", name, *_]:
                self._next[name] += re.findall(r"add acl @7 \S+ (\S+?)(?:;|$)", command)
            case ["commit", "map", "@7", name]:
                self.maps[name] = dict(line.split(" ", 1) for line in self._next.pop(name))
            case ["commit", "acl", "@7", name]:
                self.lists[name] = self._next.pop(name)
            case ["experimental-mode", "on;", "set", "var", name, value]:
                self.variables[name] = value[4:-1]
            case _:
                return "Unknown map identifier.\n"
        return "\n"

    def master(self, command: str) -> str:
        """Its answer."""
        self.told.append(command)
        if command == "reload":
            self.failed = int(self.breaks > 0)
            self.pid += self.breaks == 0
            self.breaks = max(0, self.breaks - 1)
            return ""
        return PROC.format(failed=self.failed, pid=self.pid)


@asynccontextmanager
async def played() -> AsyncIterator[Played]:
    """Both sockets, for the time of the block."""
    with TemporaryDirectory(prefix="played-", dir="/tmp") as folder:
        made = Played(Path(folder))
        servers = [
            await asyncio.start_unix_server(_answering(answer), str(made.folder / f"{name}.sock"))
            for name, answer in (("admin", made.admin), ("master", made.master))
        ]
        try:
            yield made
        finally:
            for server in servers:
                server.close()


def _answering(answer: Callable[[str], str]) -> Callable[..., Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = (await reader.read()).decode()
        writer.write(answer(command.removesuffix("\n")).encode())
        writer.close()

    return serve
