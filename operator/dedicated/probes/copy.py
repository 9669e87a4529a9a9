"""What a restored database says of itself: whether its recovery ended, where, and whether it can be read.

Connected by libpq's own variables (PGHOST, PGUSER, PGPASSWORD ...), so no credential is an argument. Every
session reads only. All that is looked at is reckoned in the server: of a table of any size a few figures come
back, so that memory stays flat here.

Reading a table to its end reads each of its pages, with what lies outside of rows (TOAST): a page whose
checksum does not fit is an error then. Indexes are held against their tables where the role may do that
(`amcheck`, a superuser's): the extension is made in a transaction that is rolled back, so it leaves nothing.

Errors are told in our own words: those of the driver may quote a connection or a row.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import psycopg
from psycopg import sql

from dedicated.api.json import JsonValue
from dedicated.probes.database import CONNECT_SECONDS, DatabaseError, Session, cause

SESSION = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "dedicated-verification",
    "options": "-c statement_timeout=0 -c search_path=pg_catalog -c default_transaction_read_only=on",
}
DAMAGED = frozenset({"XX000", "XX001", "XX002", "58030", "58P01"})
"""SQLSTATEs of a table or an index that cannot be read: internal, data or index corrupted, I/O, no file."""
ABSENT = frozenset({"42P01", "3F000"})
"""Of a table, or a schema, that does not exist."""
ENDED = """
select coalesce(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0'), 0)::bigint,
       pg_wal_lsn_diff(redo_lsn, '0/0')::bigint,
       pg_last_xact_replay_timestamp(),
       pg_database_size(current_database())
  from pg_control_checkpoint()"""
TABLES = """
select n.nspname, c.relname
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
   and n.nspname not like 'pg_temp%' and has_table_privilege(c.oid, 'select')
 order by 1, 2"""
INDEXES = """
select i.indexrelid
  from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
 where a.amname = 'btree' and i.indisvalid and i.indisready and c.relpersistence = 'p'
 order by 1"""
EVENTS = 'select count(*), max("position") from eventstore.events2'
KEYS = "select id, key from system.encryption_keys order by id"
SEALED = """
select payload from eventstore.events2 where event_type = any(%s) order by "position" desc limit %s"""


class DamagedError(Exception):
    """Something in the copy cannot be read; the text names it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where recovery ended, in bytes of the log. `exact`: as the server remembers it; else an upper bound, of
    a server that was started anew since. `last_commit` is the newest commit that was replayed."""

    position: int
    exact: bool
    last_commit: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Events:
    """The event store: how many, and the time of the newest by its position."""

    count: int
    newest: datetime | None


async def is_recovered() -> str:
    """Empty when recovery has ended; else why not, in a few words. Raises nothing of the driver's."""
    try:
        async with asyncio.timeout(2 * CONNECT_SECONDS), _session() as session:
            (still,) = await _row(session, "select pg_is_in_recovery()")
    except TimeoutError:
        return "it does not answer"
    except DatabaseError as error:
        return str(error)
    return "it replays the log" if still else ""


class Copy:
    """A session on a copy whose recovery has ended. Made by `opened`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def ending(self) -> Ending:
        """Where recovery ended. Raises DatabaseError."""
        replayed, redo, commit, size = await _row(self._session, ENDED)
        last = commit if isinstance(commit, datetime) else None
        position = _int(replayed) or _int(redo)
        return Ending(position, bool(_int(replayed)), last, _int(size))

    async def read_all(self) -> tuple[int, int]:
        """Read every table to its end; how many, and their rows. Raises DamagedError, DatabaseError."""
        tables, rows = await _rows(self._session, TABLES), 0
        for schema, name in tables:
            table = sql.Identifier(str(schema), str(name))
            query = sql.SQL("select count(*), sum(length(t::text)) from only {} t").format(table)
            with _named(f"table {schema}.{name}"):
                count, _ = await _row(self._session, query)
            rows += _int(count)
        return len(tables), rows

    async def check_indexes(self) -> int | None:
        """Hold each index against its table; how many. None where the role may not. Raises DamagedError,
        DatabaseError."""
        (superuser, offered) = await _row(
            self._session,
            "select (select rolsuper from pg_roles where rolname = current_user), "
            "exists (select from pg_available_extensions where name = 'amcheck')",
        )
        if not superuser or not offered:
            return None
        async with self._session.transaction(force_rollback=True):
            await self._session.execute("set transaction read write")
            await self._session.execute("create extension if not exists amcheck schema public")
            indexes = await _rows(self._session, INDEXES)
            for (index,) in indexes:
                with _named(f"index {index}"):
                    await _row(self._session, "select public.bt_index_check(%s::oid, true)", (index,))
        return len(indexes)

    async def events(self) -> Events | None:
        """The event store; None where there is none. Raises DamagedError, DatabaseError."""
        found = await self._if_there(EVENTS)
        if not found:
            return None
        ((count, position),) = found
        newest = datetime.fromtimestamp(float(position), UTC) if isinstance(position, Decimal) else None
        return Events(_int(count), newest)

    async def encryption_keys(self) -> Sequence[tuple[str, str]]:
        """Encryption keys as they are stored: id, and the key under the masterkey. Raises as `events`."""
        return [(str(name), str(key)) for name, key in await self._if_there(KEYS)]

    async def sealed(self, types: Sequence[str], *, limit: int) -> Sequence[JsonValue]:
        """The newest payloads of events of some types. Raises as `events`."""
        found = await self._if_there(SEALED, (list(types), limit))
        return [payload for (payload,) in found if isinstance(payload, dict)]

    async def _if_there(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        try:
            with _named("the event store or the encryption keys"):
                return await _rows(self._session, query, values)
        except _AbsentError:
            return []


@asynccontextmanager
async def opened(connection: str = "") -> AsyncIterator[Copy]:
    """A copy for the time of the block; what the connection leaves out, libpq's variables say. Raises
    DatabaseError."""
    async with _session(connection) as session:
        yield Copy(session)


class _AbsentError(Exception):
    """What was asked for does not exist."""


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Errors of what is read in the block, told as damage of it or as absence."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate in DAMAGED:
            raise DamagedError(f"{what} cannot be read, SQLSTATE {error.sqlstate}") from None
        if error.sqlstate in ABSENT:
            raise _AbsentError from None
        raise


@asynccontextmanager
async def _session(connection: str = "") -> AsyncIterator[Session]:
    try:
        session = await psycopg.AsyncConnection.connect(connection, autocommit=True, **SESSION)  # type: ignore[arg-type]
        async with session:
            yield session
    except (psycopg.Error, OSError) as error:
        raise DatabaseError(cause(error)) from None


async def _rows(
    session: Session, query: str | sql.Composed, values: Sequence[object] = ()
) -> list[tuple[object, ...]]:
    asked = query.encode() if isinstance(query, str) else query
    return await (await session.execute(asked, values or None)).fetchall()


async def _row(
    session: Session, query: str | sql.Composed, values: Sequence[object] = ()
) -> tuple[object, ...]:
    (row,) = await _rows(session, query, values)
    return row


def _int(value: object) -> int:
    return int(value) if isinstance(value, int | Decimal) else 0
