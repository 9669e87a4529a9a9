"""Connections to PostgreSQL as `Database.postgres.*` asks for them, and a pool bounded by MaxOpenConns."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fakezitadel.resolve import addresses
from fakezitadel.runtime import FatalError, Runtime, log
from fakezitadel.settings import Settings

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

CONNECT_TIMEOUT_SECONDS = 5
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
    return make_conninfo("", **{"connect_timeout": CONNECT_TIMEOUT_SECONDS, **fields})


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


class Pool:
    """At most `size` connections, one per thread that works, opened when the load asks for them."""

    def __init__(self, settings: Settings, runtime: Runtime, *, first: Connection) -> None:
        self._settings, self._runtime = settings, runtime
        self._idle = [first]
        self._threads = ThreadPoolExecutor(max_workers=settings.number(f"{BASE}.MaxOpenConns"))

    async def run(self, action: Callable[[Connection], Result]) -> Result:
        """What the action returns; it runs in a thread, inside one transaction. psycopg.Error if it fails."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, action)

    def _work(self, action: Callable[[Connection], Result]) -> Result:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = psycopg.connect(conninfo(self._settings, self._runtime), autocommit=True)
        try:
            with connection.transaction():
                return action(connection)
        finally:
            if connection.closed:
                # The server has gone: the other idle connections are dead too.
                self._close_idle()
            else:
                self._idle.append(connection)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()
