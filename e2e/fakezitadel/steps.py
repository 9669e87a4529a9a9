"""`setup` and `setup cleanup`: named steps whose state is the newest migration event with their name.

A setup that dies in mid-step leaves `started` behind, and every later setup waits for a step that
nobody runs, without end, until `setup cleanup` ends it: this is the trap that operators must handle.
Rules of the fake: an upgrade gets work from a catalogue of versions, and an older version is refused.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg import sql

from fakezitadel import events, first, keys
from fakezitadel import instance as instances
from fakezitadel.arguments import Arguments
from fakezitadel.database import Connection, first_line
from fakezitadel.events import Aggregate, ConflictError, Event
from fakezitadel.runtime import FatalError, Json, PanicError, Runtime, log, version_key
from fakezitadel.settings import Settings

SYSTEM = Aggregate("", "system", "SYSTEM", "SYSTEM")
MIGRATION = "system.migration."
STARTED, DONE, FAILED, REPEATED = (
    MIGRATION + suffix for suffix in ("started", "done", "failed", "repeatable.done")
)
FIRST_INSTANCE = "03_default_instance"
VERSION_STEP = "projection_tables"
PROJECTIONS = ("fake_projection_1", "fake_projection_2")
CATALOGUE = (
    ("v4.15.0", ("40_fake_1", "41_fake_2")),
    ("v4.15.1", ("42_fake_1",)),
    ("v4.15.2", ("43_fake_1",)),
    ("v4.15.3", ("44_fake_1",)),
    ("v4.16.0", ("45_fake_1", "46_fake_2")),
    ("v4.16.1", ("47_fake_1",)),
    ("v4.17.0", ("48_fake_1", "49_fake_2")),
)
HANG_SECONDS = 0.1
_OF_SYSTEM = "instance_id = '' and aggregate_type = 'system' and aggregate_id = 'SYSTEM'"


@dataclass(frozen=True, slots=True)
class Step:
    """`inputs` is what a repeatable step compares with its last run; None runs once."""

    name: str
    run: Callable[[], None]
    inputs: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What the steps work with."""

    connection: Connection
    settings: Settings
    runtime: Runtime
    masterkey: bytes
    arguments: Arguments


def latest(connection: Connection, name: str = "", *, kinds: str = MIGRATION + "%") -> Event | None:
    """The newest migration event, of one step if named, of some types only if asked."""
    row = connection.execute(
        f'select event_type, "sequence", payload from eventstore.events2 where {_OF_SYSTEM}'
        " and event_type like %s and (%s::text = '' or payload->>'name' = %s)"
        ' order by "sequence" desc limit 1',
        (kinds, name, name),
    ).fetchone()
    return Event(*row) if row else None


def recorded_version(connection: Connection) -> str:
    """The version whose setup was completed last; empty before the first."""
    event = latest(connection, VERSION_STEP, kinds=REPEATED)
    return str(event.payload["lastRun"]["version"]) if event else ""


def refuse_downgrade(connection: Connection, version: str) -> None:
    """FatalError if a newer version than this has set the database up."""
    recorded = recorded_version(connection)
    if version_key(recorded) > version_key(version):
        raise FatalError(f"database was set up by {recorded}, newer than {version}: downgrade refused")


def setup(context: Setup) -> None:
    """Run all steps that are due. Waits without end for one that another setup has started."""
    connection = context.connection
    try:
        refuse_downgrade(connection, context.runtime.version)
    except psycopg.errors.UndefinedTable as error:
        raise FatalError('relation "eventstore.events" does not exist') from error
    for step in _steps(context):
        if _due(context, step):
            _execute(context, step)
    if context.arguments.init_projections:
        with connection.transaction():
            keys.ensure(connection, context.settings, context.masterkey)
        for name in PROJECTIONS:
            step = _projection(context, name)
            if _due(context, step):
                _execute(context, step)
    log("setup completed")


def cleanup(connection: Connection) -> None:
    """End the newest step that is still `started`; it is not asked whether its owner lives."""
    row = connection.execute(
        "select name from (select distinct on (payload->>'name') payload->>'name' as name, event_type,"
        f' "sequence" from eventstore.events2 where {_OF_SYSTEM} and event_type like %s'
        " order by payload->>'name', \"sequence\" desc) newest"
        ' where event_type = %s order by "sequence" desc limit 1',
        (MIGRATION + "%", STARTED),
    ).fetchone()
    if row is None:
        log("there is no stuck migration please run `zitadel setup`")
        return
    with connection.transaction():
        _fail(connection, str(row[0]), "migration canceled manually")
    log("cleanup migration")


def _steps(context: Setup) -> Iterator[Step]:
    settings, version, connection = context.settings, context.runtime.version, context.connection
    columns = "id text primary key, data jsonb not null"
    yield Step("01_fake_tables", partial(_create_table, connection, "instances", columns))
    if not (settings.flag("FirstInstance.Skip") or context.arguments.for_mirror):
        yield Step(FIRST_INSTANCE, partial(_first_instance, context))
    for since, names in CATALOGUE:
        if version_key(since) <= version_key(version):
            for name in names:
                yield Step(name, partial(_create_table, connection, f"work_{name}", "id text primary key"))
    address: dict[str, Json] = {
        "externalDomain": settings.text("ExternalDomain"),
        "externalPort": settings.number("ExternalPort"),
        "externalSecure": settings.flag("ExternalSecure"),
    }
    yield Step("config_change", partial(_move_instance, context), inputs=address)
    yield Step(VERSION_STEP, lambda: None, inputs={"version": version})


def _due(context: Setup, step: Step) -> bool:
    while True:
        event = latest(context.connection, step.name)
        match event.type if event else None:
            case "system.migration.started":
                log("migration already started, will check again in 5 seconds")
                time.sleep(context.runtime.poll_seconds)
            case "system.migration.done":
                return False
            case "system.migration.repeatable.done" if event:
                return bool(event.payload["lastRun"] != step.inputs)
            case "system.migration.failed" if context.runtime.faults.get("setup.legacyFailed"):
                raise FatalError("migration failed before")
            case _:
                return True


def _execute(context: Setup, step: Step) -> None:
    connection = context.connection
    try:
        with connection.transaction():
            events.take(connection, "migration_started", step.name)
            sequence = events.push(connection, SYSTEM, STARTED, {"name": step.name})
    except ConflictError as error:
        raise FatalError("Errors.Step.Started.AlreadyExists") from error
    log(f"verify migration {step.name}")
    try:
        _misbehave(context, step.name)
        step.run()
    except (FatalError, psycopg.Error, OSError) as error:
        reason = first_line(error)
        with connection.transaction():
            _fail(connection, step.name, reason)
        raise FatalError(f"migration failed: {step.name}: {reason}") from error
    with connection.transaction():
        _complete(connection, step, sequence)


def _complete(connection: Connection, step: Step, sequence: int) -> None:
    newest = latest(connection, step.name)
    if newest is None or newest.sequence != sequence:
        raise FatalError(f"migration {step.name} was canceled while it ran")
    if step.inputs is None:
        events.push(connection, SYSTEM, DONE, {"name": step.name})
        events.take(connection, "migration_done", step.name)
    else:
        events.push(connection, SYSTEM, REPEATED, {"name": step.name, "lastRun": step.inputs})
        events.free(connection, "migration_started", step.name)


def _fail(connection: Connection, name: str, reason: str) -> None:
    events.push(connection, SYSTEM, FAILED, {"name": name, "error": reason})
    events.free(connection, "migration_started", name)


def _misbehave(context: Setup, name: str) -> None:
    faults = context.runtime.faults
    if faults.get("setup.killAtStep") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    if faults.get("setup.panicAfterStarted") == name:
        raise PanicError(f"panic in {name}")
    delay = faults.get("setup.delay")
    if delay and delay["name"] in {name, "*"}:
        time.sleep(float(delay["seconds"]))
    while faults.get("setup.hangAtStep") == name:
        time.sleep(HANG_SECONDS)
    failure = faults.get("setup.failAtStep")
    times = int(failure.get("times", 1)) if failure and failure["name"] == name else 0
    if times and _failures(context.connection, name) < times:
        raise FatalError("failed by a fault switch")


def _failures(connection: Connection, name: str) -> int:
    row = connection.execute(
        "select count(*) from eventstore.events2 where aggregate_id = 'SYSTEM' and event_type = %s"
        " and payload->>'name' = %s",
        (FAILED, name),
    ).fetchone()
    return int(row[0]) if row else 0


def _create_table(connection: Connection, name: str, columns: str) -> None:
    table = sql.Identifier("projections", name)
    connection.execute(sql.SQL("create table if not exists {} ({})").format(table, sql.SQL(columns)))


def _first_instance(context: Setup) -> None:
    if not first.identify_machine(context.settings):
        raise PanicError("none of the enabled methods for identifying the machine succeeded")
    first.create(
        context.connection,
        context.settings,
        context.runtime,
        context.masterkey,
        lose_files=partial(_lose_files, context),
    )


def _lose_files(context: Setup) -> None:
    if context.runtime.faults.get("setup.loseFiles"):
        os.kill(os.getpid(), signal.SIGKILL)


def _move_instance(context: Setup) -> None:
    with context.connection.transaction():
        found = instances.find(context.connection)
        if found is not None:
            try:
                instances.move(context.connection, found, context.settings.text("ExternalDomain"))
            except ConflictError as error:
                raise FatalError("Errors.Instance.Domain.AlreadyExists") from error


def _projection(context: Setup, name: str) -> Step:
    fill = (
        "insert into projections.current_states (projection_name, instance_id, last_updated, \"position\")"
        " select %s, '', now(), max(\"position\") from eventstore.events2"
        " on conflict (projection_name, instance_id) do update set last_updated = now(),"
        ' "position" = excluded."position"'
    )

    def run() -> None:
        context.connection.execute(fill, (name,))

    return Step(name, run, inputs={"version": context.runtime.version})
