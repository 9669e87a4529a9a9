"""Connections to PostgreSQL as `Database.postgres.*` asks for them, and a pool bounded by MaxOpenConns.

A primary that hangs says nothing, while the kernel of its machine may still acknowledge what it is sent, so
that no time-out of TCP ends the waiting. So who waits longer than he may shuts the socket down himself, and
the next one connects anew, to whatever stands behind the name by then.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fakezitadel.resolve import addresses
from fakezitadel.runtime import FatalError, Runtime, log
from fakezitadel.settings import Settings

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

DEADLINES = {
    "connect_timeout": 2,
    "tcp_user_timeout": 3000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
"""As libpq names them: milliseconds for `tcp_user_timeout`, else seconds. Any that the DSN names wins."""
STATEMENT_MILLISECONDS = 4000
RETRY_SECONDS = 0.5
BASE = "Database.postgres"


def conninfo(settings: Settings, runtime: Runtime, *, admin: bool = False) -> str:
    """The libpq connection string of the service user, or of the admin with its own database."""
    dsn = settings.text(f"{BASE}.DSN")
    try:
        fields = conninfo_to_dict(dsn) if dsn and not admin else _fields(settings, admin=admin)
    except psycopg.ProgrammingError as error:
        # libpq's message quotes the string, password and all.
        raise FatalError(f"cannot parse {BASE}.DSN") from error
    for name in ("sslrootcert", "sslcert", "sslkey"):
        if fields.get(name):
            fields[name] = str(runtime.path(str(fields[name])))
    host, port = str(fields.get("host") or "localhost"), int(fields.get("port") or 5432)
    if not host.startswith("/"):
        known = addresses(runtime, host, port)
        if known and known[0].host != host:
            fields |= {"hostaddr": known[0].host, "port": str(known[0].port)}
    return make_conninfo("", **{**DEADLINES, **fields})


def _fields(settings: Settings, *, admin: bool) -> dict[str, Any]:
    user = f"{BASE}.{'Admin' if admin else 'User'}"
    fields = {
        "host": settings.text(f"{BASE}.Host"),
        "port": str(settings.number(f"{BASE}.Port")),
        "dbname": settings.text(f"{BASE}.Admin.ExistingDatabase" if admin else f"{BASE}.Database"),
        "user": settings.text(f"{user}.Username"),
        "password": settings.text(f"{user}.Password"),
        "options": settings.text(f"{BASE}.Options"),
        "sslmode": settings.text(f"{user}.SSL.Mode"),
        "sslrootcert": settings.text(f"{user}.SSL.RootCert"),
        "sslcert": settings.text(f"{user}.SSL.Cert"),
        "sslkey": settings.text(f"{user}.SSL.Key"),
    }
    return {name: value for name, value in fields.items() if value}


def connect(settings: Settings, runtime: Runtime, *, admin: bool = False) -> Connection:
    """The first connection of a process, tried again for as long as AwaitInitialConn says."""
    deadline = time.monotonic() + settings.seconds(f"{BASE}.AwaitInitialConn")
    while True:
        try:
            return psycopg.connect(conninfo(settings, runtime, admin=admin), autocommit=True)
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise FatalError(f"unable to connect to the database: {first_line(error)}") from error
            log("database not reachable, will try again", level="warn")
            time.sleep(RETRY_SECONDS)


def first_line(error: Exception) -> str:
    """What libpq or the server say, without the statement that follows."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def abort(connection: Connection) -> None:
    """Break what a thread waits for on a connection: it fails at once with psycopg.OperationalError."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as end,
    ):
        end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def limited(connection: Connection, seconds: float) -> Iterator[None]:
    """What the block asks of the connection ends in this time, if need be with psycopg.OperationalError."""
    timer = threading.Timer(seconds, abort, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Work:
    """One thread's use of a connection, which another thread may end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._given_up = False

    @contextlib.contextmanager
    def uses(self, connection: Connection) -> Iterator[None]:
        with self._lock:
            self._connection = connection
            given_up = self._given_up
        if given_up:
            abort(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connection = None

    def give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._connection is not None:
                abort(self._connection)


class Pool:
    """At most `size` connections, one per thread that works, opened when the load asks for them."""

    def __init__(self, settings: Settings, runtime: Runtime, *, first: Connection) -> None:
        self._settings, self._runtime = settings, runtime
        self._idle = [first]
        self._threads = ThreadPoolExecutor(max_workers=settings.number(f"{BASE}.MaxOpenConns"))

    async def run(self, action: Callable[[Connection], Result]) -> Result:
        """What the action returns, after the commit; it runs in a thread, inside one transaction.

        psycopg.Error if it fails. Cancelled, it leaves no thread waiting.
        """
        work = _Work()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, work, action)
        except asyncio.CancelledError:
            work.give_up()
            raise

    def _work(self, work: _Work, action: Callable[[Connection], Result]) -> Result:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = psycopg.connect(conninfo(self._settings, self._runtime), autocommit=True)
        try:
            with work.uses(connection), connection.transaction():
                connection.execute(f"set local statement_timeout = {STATEMENT_MILLISECONDS}")
                result = action(connection)
                # A timeout that ends a commit's wait for a standby ends it well: it would count as kept.
                connection.execute("set local statement_timeout = 0")
                return result
        except psycopg.errors.ReadOnlySqlTransaction:
            # A primary that has become a standby keeps its connections.
            connection.close()
            raise
        finally:
            if connection.closed:
                # The server has gone: the other idle connections are dead too.
                self._close_idle()
            else:
                self._idle.append(connection)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
