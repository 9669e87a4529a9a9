"""Dump and proof: PostgreSQL's programs are asked, and what they made is held against the source."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from dedicated.contract.transfer.export import DUMP, ROLES, Database, Flaw, Table, table_findings
from dedicated.parts.export_programs import COPY, PORT, SOCKET, SUPERUSER
from dedicated.probes.exported import Exported, exported, roles_sql

LOOK_SECONDS = 0.2
ERROR = re.compile(r"^\w+: error: (.{1,200})", re.MULTILINE)
QUOTES = re.compile(r"(: ERROR:|\bDETAIL:|\bCONTEXT:).*")
"""From here on PostgreSQL may quote a row."""
SNAPSHOT = re.compile(r"[-0-9A-F]{1,64}")
ADDRESS = re.compile(r"[0-9a-fA-F.:]{2,45}|")

Told = Callable[[int, int], None]
"""Told of bytes done, and of how many."""


class ExportError(Exception):
    """The export cannot be made; the text says why, without a secret and without a row."""


async def dumped(scratch: Path, connection: str, *, told: Told) -> Database:
    """Dump one snapshot into `scratch`, and reckon its tables meanwhile.

    Raises ExportError, DatabaseError.
    """
    async with exported(connection) as source:
        snapshot = await source.snapshot()
        if not SNAPSHOT.fullmatch(snapshot.name) or not ADDRESS.fullmatch(snapshot.address):
            raise ExportError("the server names its snapshot in a way that is not known")
        facts, roles = await source.facts(), await source.roles()
        async with asked(scratch, "dump", snapshot.name, snapshot.address or "-"):
            tables = await reckoned(source, told=told)
    (scratch / ROLES).write_text(roles_sql(roles))
    (scratch / ROLES).chmod(0o640)
    return Database(facts.major, facts.at, facts.size, tuple(role.name for role in roles), tables)


async def proven(scratch: Path, wanted: Database, *, told: Told) -> tuple[Flaw, ...]:
    """Import the dump into an empty server, and tell what is otherwise there. Raises as `dumped`."""
    async with asked(scratch, "import", "-", "-"):
        pass
    where = f"host='{scratch / SOCKET}' port={PORT} user={SUPERUSER} dbname={COPY}"
    async with exported(where) as copy:
        found = await reckoned(copy, told=told)
    return tuple(table_findings(wanted.tables, found))


def files(scratch: Path) -> tuple[Path, ...]:
    """The dump's files and the roles, in order of name."""
    return (*sorted(path for path in (scratch / DUMP).rglob("*") if path.is_file()), scratch / ROLES)


async def reckoned(session: Exported, *, told: Told, without: str = "") -> tuple[Table, ...]:
    """Rows and checksum of each table, but for those of one schema. Raises DatabaseError."""
    tables = await session.tables()
    total, done = sum(size for _, _, size in tables), 0
    found: list[Table] = []
    for schema, name, size in (table for table in tables if table[0] != without):
        told(done, total)
        rows, checksum = await session.rows(schema, name)
        found.append(Table(schema, name, rows, checksum))
        done += size
    told(done, total)
    return tuple(found)


@asynccontextmanager
async def asked(scratch: Path, step: str, *words: str) -> AsyncIterator[None]:
    """Ask the programs for a step, and wait for its end after the block. Raises ExportError."""
    mark = secrets.token_hex(8)
    new = scratch / f"{step}.ask.new"
    new.write_text(" ".join((mark, *words)) + "\n")
    new.chmod(0o640)
    new.rename(scratch / f"{step}.ask")
    yield
    while (code := _answer(scratch / f"{step}.done", mark)) is None:  # noqa: ASYNC110 - another process's
        await asyncio.sleep(LOOK_SECONDS)
    if code:
        raise ExportError(f"{step}: exit code {code}{_words(scratch / f'{step}.log')}")


def _answer(file: Path, mark: str) -> int | None:
    try:
        told, _, code = file.read_text().strip().partition(" ")
    except OSError:
        return None
    return int(code) if told == mark and code.isdecimal() else None


def _words(log: Path) -> str:
    """What a program says of its error, up to where it may quote a row."""
    try:
        found = ERROR.search(log.read_text(errors="replace"))
    except OSError:
        return ""
    return f", {QUOTES.sub('', found[1])}" if found else ""
