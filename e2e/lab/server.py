"""One PostgreSQL server of a lab: made, started, stopped, killed, promoted, asked."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from lab.programs import Programs

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "hot_standby": "on",
    "wal_keep_size": "512MB",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "fsync": "off",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] ",
    "archive_mode": "on",
}
Rows = list[tuple[object, ...]]


def until(true: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Wait until it is so; a server that is away is not so. Raises TimeoutError, with what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except psycopg.Error:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s: {what}")
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Server:
    """A server by its name, in a folder of its own."""

    name: str
    port: int
    data: Path
    socket: Path
    programs: Programs

    @property
    def dsn(self) -> str:
        """For the superuser."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=2"

    def _run(self, program: str, *arguments: str, seconds: float = 120) -> None:
        user = self.programs.user
        done = subprocess.run(
            [str(self.programs.postgres / program), *arguments],
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} of {self.name}: {done.stderr.decode()[-2000:]}")

    def make(self, settings: Mapping[str, str]) -> None:
        """A new, empty cluster."""
        self._run(
            "initdb",
            "-k",
            "-N",
            "-D",
            str(self.data),
            "-U",
            "postgres",
            "--auth=trust",
            "--locale=C",
            "-EUTF8",
        )
        self.configure({**SETTINGS, "unix_socket_directories": str(self.socket), **settings})

    def copy_of(self, primary: "Server") -> None:
        """A standby of a primary that runs."""
        self._run(
            "pg_basebackup",
            *("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"),
            *("-D", str(self.data), "-R", "-X", "stream", "-c", "fast"),
        )
        self.follow(primary)

    def follow(self, primary: "Server") -> None:
        """Stream from a primary, from the next start or reload on."""
        (self.data / "standby.signal").touch()
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={self.name}"
        self.configure({"primary_conninfo": source})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Append settings; the last of a name is in force, from the next start or reload on."""
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        lines += [f"port = {self.port}\n", f"cluster_name = '{self.name}'\n"]
        automatic = self.data / "postgresql.auto.conf"
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(lines)
        if automatic.exists():  # what pg_basebackup or ALTER SYSTEM left would win
            automatic.write_text("")

    def start(self, *options: str) -> None:
        """Start, and wait until it takes connections."""
        chosen = " ".join(f"-c '{option}'" for option in options)
        log = str(self.data.parent / f"{self.name}.log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log, "-o", chosen, "-t", "60", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop cleanly; nothing to do where it does not run."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-t", "60", "-w", "stop")

    def kill(self, *, lose_data: bool = True) -> None:
        """Lose the node: SIGKILL for its processes, and its data is gone."""
        psutil.wait_procs(self._signal(signal.SIGKILL), timeout=10)
        if lose_data:
            shutil.rmtree(self.data, ignore_errors=True)

    def pause(self) -> None:
        """Hang the node: nothing answers, while the kernel still takes connections and what is sent."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> list[psutil.Process]:
        """Send a signal to all its processes, which are returned."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            postmaster = psutil.Process(pid)
            processes = [postmaster, *postmaster.children(recursive=True)]
        except (FileNotFoundError, psutil.NoSuchProcess):
            return []
        for process in processes:
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue
        return processes

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """`pause` for the time of the block; its connections stay open."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A superuser's connection in which every statement is its own transaction."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            yield connection

    def ask(self, query: str, *values: object) -> Rows:
        """The rows of a query."""
        with self.connection() as connection:
            cursor = connection.execute(query.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def one(self, query: str) -> object:
        """The one value of a query."""
        return self.ask(query)[0][0]

    def until(self, query: str, wanted: object, *, seconds: float = 30) -> None:
        """Wait until the one value of a query is the one wanted. Raises TimeoutError."""
        until(lambda: self.one(query) == wanted, f"{self.name}: {query} = {wanted}", seconds=seconds)

    def set(self, **settings: str) -> None:
        """Change settings of a running server."""
        with self.connection() as connection:
            for name, value in settings.items():
                change = sql.SQL("alter system set {} = {}")
                connection.execute(change.format(sql.Identifier(name), sql.Literal(value)))
            connection.execute("select pg_reload_conf()")

    def switch(self) -> None:
        """Close the segment of now."""
        self.ask("select pg_switch_wal()")

    def promote(self) -> None:
        """Become the primary, and wait until it is."""
        self.ask("select pg_promote(true, 60)")
        self.until("select pg_is_in_recovery()", False)

    def received(self) -> int:
        """The position up to which a standby has the log."""
        query = "select pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')"
        return int(str(self.one(query)))
