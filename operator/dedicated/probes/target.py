"""A database that is imported into: whether it is empty, and the mark of an import that is under way.

The mark is a schema of its own, made before anything else and gone with the last check, in one transaction
with a comment that says what was imported. So a database is one of these whenever a process ends:

    empty  ->  mark  ->  mark + some of it  ->  mark + all of it  ->  all of it, checked, and said so

What has a mark was never used by anybody, and may be emptied; what has none, but tables, is never touched.
Schemas that were there before, without tables, stay: some engines make one for their user.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, LiteralString

import psycopg
from psycopg import sql

from dedicated.probes.database import CONNECT_SECONDS, DatabaseError, Session, cause

MARK = "dedicated_import"
"""The schema of the mark."""
SAID = "imported by dedicated: "
SESSION = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "dedicated-import",
    "target_session_attrs": "read-write",
    "options": "-c statement_timeout=0 -c search_path=pg_catalog",
}
LOOK = """
select current_setting('server_version_num')::int / 10000,
       to_regclass('dedicated_import.state') is not null,
       coalesce((select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'eventstore'),
                ''),
       (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_'
           and n.nspname not in ('information_schema', 'dedicated_import')
           and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e'))"""
SCHEMAS = """
select nspname from pg_namespace
 where nspname !~ '^pg_' and nspname not in ('information_schema', 'dedicated_import') order by 1"""
MAKE = "create schema dedicated_import; create table dedicated_import.state (schemas text[] not null)"
LOOSE = """
select c.relkind, c.relname from pg_class c
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
   and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('e', 'a', 'i'))"""
WORDS: Mapping[str, LiteralString] = {"v": "view", "m": "materialized view", "S": "sequence"}

State = Literal["Empty", "Begun", "Complete", "Foreign"]


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. `source` is what was imported, where that is complete."""

    major: int
    state: State
    source: str = ""


class Target:
    """A session on the database. Made by `opened`; its questions raise DatabaseError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def look(self) -> Found:
        """What is there."""
        ((major, marked, said, relations),) = await self._rows(LOOK)
        source = str(said).removeprefix(SAID) if str(said).startswith(SAID) else ""
        state: State = "Begun" if marked else "Complete" if source else "Foreign" if relations else "Empty"
        return Found(_int(major), state, source)

    async def begin(self) -> tuple[str, ...]:
        """Mark the database, or empty it where it is marked; schemas that were there before. To be asked of
        an empty one, or one that was begun."""
        async with self._session.transaction():
            if (await self.look()).state == "Empty":
                there = [str(name) for (name,) in await self._rows(SCHEMAS)]
                await self._session.execute(MAKE.encode())
                insert = sql.SQL("insert into {} values (%s)").format(sql.Identifier(MARK, "state"))
                await self._session.execute(insert, (there,))
            ((kept,),) = await self._rows("select schemas from dedicated_import.state")
        before = tuple(map(str, kept)) if isinstance(kept, list) else ()
        async with self._session.transaction():
            for (name,) in await self._rows(SCHEMAS):
                if str(name) not in before:
                    await self._drop("schema", sql.Identifier(str(name)))
            for kind, name in await self._rows(LOOSE):
                await self._drop(WORDS.get(_text(kind), "table"), sql.Identifier("public", str(name)))
        return before

    async def end(self, source: str) -> None:
        """Say that all of it is there and checked, and take the mark away, in one step."""
        async with self._session.transaction():
            said = sql.SQL("comment on schema eventstore is {}").format(sql.Literal(SAID + source))
            await self._session.execute(said)
            await self._drop("schema", sql.Identifier(MARK))

    async def _drop(self, kind: LiteralString, name: sql.Identifier) -> None:
        await self._session.execute(sql.SQL("drop {} if exists {} cascade").format(sql.SQL(kind), name))

    async def _rows(self, query: str) -> list[tuple[object, ...]]:
        return await (await self._session.execute(query.encode())).fetchall()


@asynccontextmanager
async def opened(connection: str) -> AsyncIterator[Target]:
    """A session for the time of the block. Raises DatabaseError."""
    try:
        session = await psycopg.AsyncConnection.connect(connection, autocommit=True, **SESSION)  # type: ignore[arg-type]
        async with session:
            yield Target(session)
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(cause(error)) from None


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
