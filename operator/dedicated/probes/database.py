"""What a running primary says of itself: where its log ends, what is archived of it, who follows it.

The role needs `pg_monitor` and `pg_checkpoint`, nothing else (PostgreSQL >= 15). One connection is kept and
made anew when it breaks, to whichever of the hosts can be written: the role may wander.

**The order of a reading is its meaning**: the time, then a heartbeat (a tiny commit of our own), then the
position behind it, in one statement each. The heartbeat is committed locally: with the synchronous standby
missing it would wait for ever, and no statement timeout ends that wait.

Errors are told in our own words alone: those of the driver may quote the connection string.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

from dedicated.probes.members import endpoint

CONNECT_SECONDS = 5
"""For each host of the connection string."""
ANSWER_SECONDS = 8.0
"""For a connection and a reading."""
CHECKPOINT_SECONDS = 600.0
SESSION = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "8000",
    "application_name": "dedicated-recovery-agent",
    "target_session_attrs": "read-write",
    "options": "-c synchronous_commit=local -c statement_timeout=8s -c search_path=pg_catalog",
}
CHECKPOINTING = {**SESSION, "options": "-c statement_timeout=0 -c search_path=pg_catalog"}
HEARTBEAT = "select pg_logical_emit_message(true, 'di.heartbeat', '')"
POSITION = """
select pg_wal_lsn_diff(here, '0/0')::bigint as position,
       ('x' || substr(pg_walfile_name(here), 1, 8))::bit(32)::int as timeline,
       (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_size,
       coalesce(last_archived_wal, '') as archived, failed_count as failures,
       extract(epoch from pg_postmaster_start_time())::text as started,
       clock_timestamp() - pg_postmaster_start_time() as up,
       current_setting('checkpoint_timeout')::interval as checkpoint_timeout,
       (select count(*) from pg_stat_activity
         where wait_event = 'SyncRep' and clock_timestamp() - query_start > '2 s') as blocked,
       coalesce(host(inet_server_addr()), '') as address, coalesce(inet_server_port(), 5432) as port
  from pg_stat_archiver, (select pg_current_wal_insert_lsn() as here) as log"""
FOLLOWING = """
select application_name as name, coalesce(state, '') as state, coalesce(sync_state, '') as sync,
       coalesce(pg_wal_lsn_diff(flush_lsn, '0/0'), 0)::bigint as flushed,
       coalesce(host(client_addr), '') as address
  from pg_stat_replication order by application_name limit 32"""
CAUSES = {
    "28000": "the role may not log in",
    "28P01": "the password is refused",
    "3D000": "the database does not exist",
    "42501": "the role lacks a right: it needs pg_monitor and pg_checkpoint",
    "53300": "no connection is free",
    "57P03": "the server is starting or stopping",
}
"""Own words for an SQLSTATE."""
PHRASES = (
    (re.compile(r"password authentication failed"), CAUSES["28P01"]),
    (re.compile(r"role \".*\" (does not exist|is not permitted to log in)"), CAUSES["28000"]),
    (re.compile(r"database \".*\" does not exist"), CAUSES["3D000"]),
    (re.compile(r"session is read-only"), "no host can be written"),
    (re.compile(r"starting up|shutting down"), CAUSES["57P03"]),
    (re.compile(r"too many clients|remaining connection slots"), CAUSES["53300"]),
)
"""Own words for what a failed connection says, which has no SQLSTATE."""

T = TypeVar("T")
Session = psycopg.AsyncConnection[tuple[object, ...]]


class DatabaseError(Exception):
    """The primary did not answer, or not as it should; the text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Follower:
    """A server that `pg_stat_replication` shows; `flushed` is the position that it has stored."""

    name: str
    state: str
    sync: str
    flushed: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    position: int
    timeline: int
    segment_size: int
    archived: str
    failures: int
    started: str
    up: timedelta
    checkpoint_timeout: timedelta
    blocked: int
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A primary at a time.

    `asked` is our clock's time before the heartbeat, `clock` the server's just before. `archived` is the file
    archived last, empty before the first. `start` names this run of the server, `up` is for how long it runs.
    `blocked` are commits that wait for a synchronous standby for 2 s: each waits for a moment. `name` is the
    first label of the host that answered where the connection string names several hosts, which then are
    pods; else the server's own address; `endpoint` is that, as `probes.members` tells servers apart. Of
    `followers` there are 32 at most.
    """

    asked: datetime
    clock: datetime
    position: int
    timeline: int
    segment_size: int
    archived: str
    failures: int
    start: str
    up: timedelta
    checkpoint_timeout: timedelta
    blocked: int
    name: str
    followers: tuple[Follower, ...]
    endpoint: str = ""


class Database:
    """The primary that a connection string in a file leads to; the file is read at each connection.

    `now` is the clock of the readings.
    """

    def __init__(self, dsn: Path, *, now: Callable[[], datetime]) -> None:
        self._dsn = dsn
        self._now = now
        self._session: Session | None = None
        self._names_pods = False

    async def read(self) -> Reading:
        """A reading. Raises DatabaseError; never takes longer than `ANSWER_SECONDS`, and a little."""
        try:
            return await _in_time(self._read, ANSWER_SECONDS)
        except BaseException:
            await self.close()
            raise

    async def checkpoint(self) -> None:
        """A checkpoint, on a connection of its own, since it may take minutes. Raises DatabaseError."""
        await _in_time(self._checkpoint, CHECKPOINT_SECONDS)

    async def close(self) -> None:
        """Close the connection that is kept."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(psycopg.Error):
                await session.close()

    async def _read(self) -> Reading:
        if self._session is None or self._session.closed:
            self._session = await self._connect(SESSION)
        session = self._session
        clock = await _value(session, "select clock_timestamp()")
        asked = self._now()
        await session.execute(HEARTBEAT)
        async with session.cursor(row_factory=class_row(_Row)) as cursor:
            row = await (await cursor.execute(POSITION)).fetchone()
        async with session.cursor(row_factory=class_row(Follower)) as cursor:
            followers = await (await cursor.execute(FOLLOWING)).fetchall()
        if row is None or not isinstance(clock, datetime):
            raise DatabaseError("it answers without a row")
        return Reading(
            asked=asked,
            clock=clock,
            position=row.position,
            timeline=row.timeline,
            segment_size=row.segment_size,
            archived=row.archived,
            failures=row.failures,
            start=f"{row.address} {row.started}",
            up=row.up,
            checkpoint_timeout=row.checkpoint_timeout,
            blocked=row.blocked,
            name=session.info.host.partition(".")[0] if self._names_pods else row.address,
            followers=tuple(followers),
            endpoint=endpoint(row.address, row.port),
        )

    async def _checkpoint(self) -> None:
        async with await self._connect(CHECKPOINTING) as session:
            await session.execute("checkpoint")

    async def _connect(self, settings: dict[str, str]) -> Session:
        try:
            dsn = self._dsn.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise DatabaseError("the file with the connection string cannot be read") from None
        hosts = str(conninfo_to_dict(dsn).get("host", "")).split(",")
        self._names_pods = len(hosts) > 1 and not hosts[0].replace(".", "").isdecimal()
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, **settings)  # type: ignore[arg-type]


async def _value(session: Session, query: str) -> object:
    row = await (await session.execute(query.encode())).fetchone()
    return row[0] if row else None


async def _in_time(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """What the work gives; every error of the driver in our own words."""
    try:
        async with asyncio.timeout(seconds):
            return await work()
    except TimeoutError:
        raise DatabaseError(f"no answer within {seconds:.0f} s") from None
    except (psycopg.Error, OSError) as error:
        # `from None`: a traceback would quote the driver.
        raise DatabaseError(cause(error)) from None


def cause(error: Exception) -> str:
    """Why the driver failed, in our own words."""
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    if code is not None:
        return CAUSES.get(code, f"it refuses, SQLSTATE {code}")
    told = str(error)
    return next((words for pattern, words in PHRASES if pattern.search(told)), "it cannot be reached")
