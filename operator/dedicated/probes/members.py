"""What each server of a cluster says of itself, primary or standby, each on a connection of its own.

The primary does not know the timeline of a standby, nor anything of one that no longer comes to it. The role
of the recovery agent, with `pg_monitor`, may ask a standby all this: whether it receives, how far it has the
log, and which timelines the segments in its `pg_wal` are of. The control file alone would not do: it follows
a change of the timeline with the next restartpoint only. Of `primary_conninfo` only the name in it is read,
in the server: the rest may hold a password.

One that does not answer in time is left out, and says nothing: what then counts is what the primary shows.
Limit: a server that replays from the archive alone shows the timeline of its last restartpoint.

A standby that follows nobody is told to end a receiver that connects in vain: `parts.database.receiver` has
the reason, and the function that may.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.rows import class_row

CONNECT_SECONDS = 3
ANSWER_SECONDS = 5.0
"""For connection and answer of one server; all are asked at once."""
PORT = 5432
SESSION = {
    "connect_timeout": str(CONNECT_SECONDS),
    "tcp_user_timeout": "5000",
    "application_name": "dedicated-recovery-agent",
    "dbname": "postgres",
    "target_session_attrs": "any",
    "options": "-c statement_timeout=3s -c search_path=pg_catalog",
}
ASK = """
select pg_is_in_recovery() as standby,
       coalesce(substring(current_setting('primary_conninfo') from 'application_name=''?([^ '']+)'), '')
         as name,
       coalesce(host(inet_server_addr()), '') as address,
       exists (select from pg_stat_wal_receiver where status = 'streaming') as following,
       coalesce(has_function_privilege(to_regprocedure('public.dedicated_end_hung_receiver()'), 'execute'),
         false) as may_end,
       case when pg_is_in_recovery() then greatest(
         (select timeline_id from pg_control_checkpoint()),
         (select min_recovery_end_timeline from pg_control_recovery()),
         (select received_tli from pg_stat_wal_receiver),
         (select max(('x' || substr(name, 1, 8))::bit(32)::int) from pg_ls_waldir()
           where name ~ '^[0-9A-F]{24}$'))
       else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int end as timeline,
       pg_wal_lsn_diff(case when pg_is_in_recovery()
         then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
         else pg_current_wal_insert_lsn() end, '0/0')::bigint as position"""
"""`case` is decided when it is run: the functions of a primary fail on a standby."""
END = "select public.dedicated_end_hung_receiver()"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    standby: bool
    name: str
    address: str
    following: bool
    may_end: bool
    timeline: int
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A server at a time, by our clock: `contract.recovery.report.Member` without its history."""

    at: datetime
    name: str
    address: str
    standby: bool
    following: bool
    timeline: int
    position: int


def endpoint(address: str, port: int) -> str:
    """How a server is told from another: its address, with the port where it is not PostgreSQL's own."""
    return address if port == PORT else f"{address}:{port}"


async def ask_members(dsn: Path, hosts: str, *, now: Callable[[], datetime]) -> tuple[Answer, ...]:
    """The servers that answer, of those at `hosts` (host or host:port, separated by commas; every address of
    a name), with the connection string in a file. Never raises; takes twice `ANSWER_SECONDS` at most."""
    text = _text(dsn)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            places = [place for host in hosts.split(",") if host for place in await _addresses(host)]
    except TimeoutError:
        return ()
    found = await asyncio.gather(*(_ask(text, address, port, now) for address, port in places if text))
    return tuple(answer for answer in found if answer is not None)


def _text(file: Path) -> str:
    """The connection string; empty where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


async def _addresses(host: str) -> list[tuple[str, int]]:
    name, _, port = host.partition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({(str(one[4][0]), int(port or PORT)) for one in found})


async def _ask(dsn: str, address: str, port: int, now: Callable[[], datetime]) -> Answer | None:
    at = now()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            where: dict[str, str] = {"host": address, "hostaddr": address, "port": str(port), **SESSION}
            session = await psycopg.AsyncConnection.connect(dsn, autocommit=True, **where)  # type: ignore[arg-type]
            async with session, session.cursor(row_factory=class_row(_Row)) as cursor:
                row = await (await cursor.execute(ASK)).fetchone()
                if row is not None and row.standby and not row.following and row.may_end:
                    await _end_hung(session, row.name or address)
    except (psycopg.Error, OSError):
        return None
    if row is None or row.timeline is None or row.position is None:
        return None
    return Answer(
        at=at,
        name=row.name,
        address=endpoint(row.address, port),
        standby=row.standby,
        following=row.following,
        timeline=row.timeline,
        position=row.position,
    )


async def _end_hung(session: psycopg.AsyncConnection, name: str) -> None:
    """What the server says of itself counts, whether or not this can be done."""
    try:
        ended = await (await session.execute(END)).fetchone()
    except psycopg.Error as error:
        logger.warning("the receiver of %s was not seen to: SQLSTATE %s", name, error.sqlstate)
    else:
        if ended == (True,):
            logger.warning("%s has connected to the primary for 5 s in vain: its receiver was ended", name)
