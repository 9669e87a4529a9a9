"""A database as of one snapshot: its version, size, roles, and each table's rows and checksum.

The snapshot is exported, so that `pg_dump` sees the very same rows. It is held for as long as the session is:
tables are reckoned one after the other in the server, and of a table of any size two figures come back.

The checksum of a row is a part of MD5 of its text, written with settings that are fixed here: PostgreSQL
promises the same text of the same row in every version, which it does not of its own hash functions. Errors
are told in our own words: those of the driver may quote a connection or a row.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg
from psycopg import sql

from dedicated.probes.database import CONNECT_SECONDS, DatabaseError, Session, cause

SESSION = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "dedicated-export",
    "options": "-c statement_timeout=0 -c search_path=pg_catalog -c idle_in_transaction_session_timeout=0 "
    "-c DateStyle=ISO,MDY -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex "
    "-c extra_float_digits=1",
}
SNAPSHOT = "select pg_export_snapshot(), coalesce(host(inet_server_addr()), '')"
FACTS = """
select current_setting('server_version_num')::int / 10000, now(), pg_database_size(current_database())"""
ROLES = """
select distinct r.rolname, r.rolcanlogin, r.rolcreatedb, r.rolcreaterole, d.deptype = 'o' as owns
  from pg_shdepend d join pg_roles r on r.oid = d.refobjid
 where d.refclassid = 'pg_authid'::regclass and r.rolname !~ '^pg_'
   and (d.dbid = (select oid from pg_database where datname = current_database())
        or (d.classid = 'pg_database'::regclass
            and d.objid = (select oid from pg_database where datname = current_database())))
 order by 5 desc, 1"""
TABLES = """
select n.nspname, c.relname, pg_table_size(c.oid)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and c.relpersistence = 'p'
   and n.nspname not in ('pg_catalog', 'information_schema')
 order by 1, 2"""
ROWS = sql.SQL(
    "select count(*), coalesce(sum(('x' || left(md5(exported_row::text), 15))::bit(60)::bigint), 0)::text "
    "from only {} exported_row"
)


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the database needs, without its password."""

    name: str
    login: bool
    create_database: bool
    create_role: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that others can take up, at the server with this address (empty: a socket)."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Major version of PostgreSQL, the time of the snapshot, and the database's bytes."""

    major: int
    at: datetime
    size: int


class Exported:
    """A session on a snapshot. Made by `exported`; its questions raise DatabaseError."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def snapshot(self) -> Snapshot:
        """Let others see what this session sees, while it lasts."""
        ((name, address),) = await self._rows(SNAPSHOT)
        return Snapshot(str(name), str(address))

    async def facts(self) -> Facts:
        """What it is."""
        ((major, at, size),) = await self._rows(FACTS)
        assert isinstance(at, datetime)
        return Facts(_int(major), at, _int(size))

    async def roles(self) -> tuple[Role, ...]:
        """Roles that own something in it, these first, or were granted something."""
        found: dict[str, Role] = {}
        for name, login, database, role, _ in await self._rows(ROLES):
            found.setdefault(str(name), Role(str(name), bool(login), bool(database), bool(role)))
        return tuple(found.values())

    async def tables(self) -> tuple[tuple[str, str, int], ...]:
        """Schema, name and bytes of each table, in order of name."""
        return tuple((str(schema), str(name), _int(size)) for schema, name, size in await self._rows(TABLES))

    async def rows(self, schema: str, name: str) -> tuple[int, str]:
        """How many rows a table has, and its checksum: reads all of it."""
        ((count, checksum),) = await self._rows(ROWS.format(sql.Identifier(schema, name)))
        return _int(count), str(checksum)

    async def _rows(self, query: str | sql.Composed) -> list[tuple[object, ...]]:
        asked = query.encode() if isinstance(query, str) else query
        return await (await self._session.execute(asked)).fetchall()


@asynccontextmanager
async def exported(connection: str) -> AsyncIterator[Exported]:
    """A snapshot for the time of the block; what the connection does not say, libpq's variables do.

    Raises DatabaseError.
    """
    try:
        session = await psycopg.AsyncConnection.connect(connection, **SESSION)  # type: ignore[arg-type]
        async with session:
            await session.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await session.set_read_only(True)
            yield Exported(session)
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(cause(error)) from None


def roles_sql(roles: tuple[Role, ...]) -> str:
    """Statements that create the roles; one that is there stays as it is."""
    lines = [
        "do $do$ begin create role {name}{login}{database}{role}; "
        "exception when duplicate_object then null; end $do$;\n".format(
            name='"' + role.name.replace('"', '""') + '"',
            login=" login" if role.login else "",
            database=" createdb" if role.create_database else "",
            role=" createrole" if role.create_role else "",
        )
        for role in roles
    ]
    return "".join(lines)


def _int(value: object) -> int:
    return int(value) if isinstance(value, int | Decimal) else 0
