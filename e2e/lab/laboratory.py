"""A lab: a primary, its standbys, their repository; and what happens to them."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from lab.programs import Programs, find
from lab.repository import Repository
from lab.server import Server
from testbed.processes import free_port

PLACE, PREFIX = "/tmp", "dedicated-lab-"
"""Not below the test's own folder: the path of a socket is limited to 107 bytes."""
MONITOR = "recovery_agent"
PASSWORD = "planted-database-password"
SCHEMA = """
create schema eventstore;
create table eventstore.events2 (
  instance_id text not null default '1', aggregate_type text not null default 'user',
  aggregate_id text not null,
  event_type text not null default 'user.changed', "sequence" bigint not null, payload jsonb,
  created_at timestamptz not null default clock_timestamp(),
  "position" decimal not null default extract(epoch from clock_timestamp()),
  primary key (instance_id, aggregate_type, aggregate_id, "sequence"));
create schema system;
create table system.encryption_keys (id text primary key, key text not null);
create role zitadel login;
grant usage on schema eventstore, system to zitadel;
grant select on all tables in schema eventstore, system to zitadel"""
"""As much of ZITADEL's tables as a restore is held against; its user owns no more than it reads."""


@dataclass
class Lab:
    """Its servers by name; `primary` is the name of the one that is asked and backed up."""

    folder: Path
    programs: Programs
    repository: Repository
    servers: dict[str, Server] = field(default_factory=dict)
    primary_name: str = "p1"

    @property
    def primary(self) -> Server:
        """The primary of now."""
        return self.servers[self.primary_name]

    @property
    def standbys(self) -> list[Server]:
        """All other servers."""
        return [server for name, server in self.servers.items() if name != self.primary_name]

    @property
    def dsn(self) -> str:
        """What the agent connects with: every server, the one that can be written is asked for."""
        servers = self.servers.values()
        hosts = ",".join("127.0.0.1" for _ in servers)
        ports = ",".join(str(server.port) for server in servers)
        return (
            f"host={hosts} port={ports} user={MONITOR} password={PASSWORD} dbname=postgres "
            "target_session_attrs=read-write"
        )

    @property
    def members(self) -> str:
        """Every server, for the agent to ask each about itself."""
        return ",".join(f"127.0.0.1:{server.port}" for server in self.servers.values())

    def server(self, name: str) -> Server:
        """A server that is not made yet."""
        found = Server(name, free_port(), self.folder / "pg" / name, self.folder / "run", self.programs)
        self.servers[name] = found
        return found

    def found(self, *, archive_timeout: int, settings: Mapping[str, str]) -> None:
        """Make the primary with its schema and the agent's role, the repository and a first full backup."""
        primary = self.server(self.primary_name)
        archiving = {
            "archive_timeout": str(archive_timeout),
            "archive_command": self.repository.archive_command,
        }
        primary.make({**archiving, **settings})
        primary.start()
        primary.ask(SCHEMA)
        primary.ask(f"create role {MONITOR} login password '{PASSWORD}' in role pg_monitor, pg_checkpoint")
        self.back_up_from(primary)
        self.repository.run("stanza-create")
        self.repository.backup("full")

    def back_up_from(self, primary: Server) -> None:
        """Let the repository follow a server."""
        self.primary_name = primary.name
        self.repository.follow(data=primary.data, port=primary.port, socket=primary.socket)

    def add_standbys(self, *names: str) -> None:
        """Make and start standbys, of which any one has to acknowledge each commit."""
        for name in names:
            standby = self.server(name)
            standby.copy_of(self.primary)
            standby.start()
        self.require_any_of(*names)

    def require_any_of(self, *names: str) -> None:
        """Quorum: any one of the standbys acknowledges a commit before the client hears of it."""
        wanted = f"ANY 1 ({', '.join(names)})" if names else ""
        self.primary.set(synchronous_standby_names=wanted)
        counted = (
            "select count(*) from pg_stat_replication where state = 'streaming' and sync_state = 'quorum'"
        )
        if names:
            self.primary.until(counted, len(names))

    def fail_over(self) -> Server:
        """Lose the primary with its data; the standby that has most of the log becomes the primary.

        What a standby has received is final only when it no longer receives.
        """
        lost = self.servers.pop(self.primary_name)
        lost.kill()
        candidates = list(self.servers.values())
        for one in candidates:
            one.until("select count(*) from pg_stat_wal_receiver", 0)
        chosen = max(candidates, key=Server.received)
        others = [one for one in candidates if one is not chosen]
        chosen.configure({"synchronous_standby_names": ""})
        chosen.promote()
        self.back_up_from(chosen)
        for one in others:
            one.follow(chosen)
            one.ask("select pg_reload_conf()")
        self.require_any_of(*(one.name for one in others))
        return chosen

    def destroy(self) -> None:
        """Lose every server with its data; only the repository is left."""
        for server in self.servers.values():
            server.kill()
        self.servers.clear()

    def restored(self) -> Server:
        """A new server from the repository alone, replayed to its end; it archives nothing."""
        server = self.server("restored")
        self.repository.restore(server.data)
        server.start(*isolated(server))
        server.until("select pg_is_in_recovery()", False, seconds=120)
        return server

    def copy(self, name: str, *, until: datetime | None = None) -> Server:
        """A server restored beside the others, to a time or to the end, which is not started yet."""
        server = Server(name, free_port(), self.folder / "pg" / name, self.folder / "run", self.programs)
        self.repository.restore(server.data, until=until)
        return server

    def close(self) -> None:
        """End every process, remove the folder."""
        _end(self.folder, self.programs)


def isolated(server: Server) -> tuple[str, ...]:
    """Options of a restored server. Its files tell the way to the archive: what restored it wrote that."""
    return "archive_mode=off", "synchronous_standby_names=", f"port={server.port}"


def _end(folder: Path, programs: Programs) -> None:
    for pid_file in (folder / "pg").glob("*/postmaster.pid"):
        Server(pid_file.parent.name, 0, pid_file.parent, folder, programs).kill()
    shutil.rmtree(folder, ignore_errors=True)


def _end_orphans(programs: Programs) -> None:
    """End the labs of processes that were killed: servers are nobody's children, so nothing else does."""
    for owner in Path(PLACE).glob(f"{PREFIX}*/owner"):
        with suppress(ValueError, OSError):
            if not psutil.pid_exists(int(owner.read_text())):
                _end(owner.parent, programs)


@contextmanager
def laboratory(
    *,
    archive_timeout: int = 60,
    standbys: int = 0,
    settings: Mapping[str, str] | None = None,
    repository: Mapping[str, str] | None = None,
) -> Iterator[Lab]:
    """A lab for the time of the block. `repository`: options of where it lies; None: in the lab's folder.

    Raises LookupError where programs are missing.
    """
    programs = find()
    _end_orphans(programs)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    folder.chmod(0o755)
    (folder / "owner").write_text(str(os.getpid()))
    for name in ("pg", "run"):
        (folder / name).mkdir(mode=0o700)
        if programs.user is not None:
            os.chown(folder / name, programs.user, programs.user)
    lab = Lab(folder, programs, Repository(folder, programs, repository or {}))
    try:
        lab.repository.prepare()
        lab.found(archive_timeout=archive_timeout, settings=settings or {})
        lab.add_standbys(*(f"s{number + 1}" for number in range(standbys)))
        yield lab
    finally:
        lab.close()
