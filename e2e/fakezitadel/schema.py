"""`init`: role, database and grant with the admin's connection, then the objects with the service user's.

What exists is kept as it is: no password is updated, no owner changed.
"""

import psycopg
from psycopg import sql

from fakezitadel.database import BASE, Connection, connect
from fakezitadel.runtime import FatalError, Runtime, log
from fakezitadel.settings import Settings

OBJECTS = """
create schema if not exists system;
create schema if not exists projections;
create schema if not exists eventstore;
create table if not exists system.encryption_keys (id text primary key, key text not null);
create table if not exists eventstore.events2 (
  instance_id text not null, aggregate_type text not null, aggregate_id text not null,
  event_type text not null, "sequence" bigint not null, revision smallint not null,
  created_at timestamptz not null, payload jsonb, creator text not null, "owner" text not null,
  "position" decimal not null, in_tx_order integer not null,
  primary key (instance_id, aggregate_type, aggregate_id, "sequence"));
create table if not exists eventstore.unique_constraints (
  instance_id text not null, unique_type text not null, unique_field text not null,
  primary key (instance_id, unique_type, unique_field));
create table if not exists projections.current_states (
  projection_name text not null, instance_id text not null, last_updated timestamptz, "position" decimal,
  primary key (projection_name, instance_id));
create table if not exists projections.failed_events (
  projection_name text not null, instance_id text not null, aggregate_type text not null,
  aggregate_id text not null, failed_sequence bigint not null, failure_count smallint, error text,
  last_failed timestamptz, primary key (projection_name, aggregate_type, aggregate_id, failed_sequence));
"""


def init(settings: Settings, runtime: Runtime, *, part: str = "") -> None:
    """Everything, or one part: user, database, grant or schema."""
    if part != "schema":
        if settings.text(f"{BASE}.DSN"):
            raise FatalError("init with Database.postgres.DSN cannot provision: use `init schema`")
        with connect(settings, runtime, admin=True) as connection:
            _provision(connection, settings, part)
    if part in {"", "schema"}:
        with connect(settings, runtime) as connection, connection.transaction():
            # `if not exists` does not keep two concurrent inits from colliding.
            connection.execute("select pg_advisory_xact_lock(hashtextextended('init', 0))")
            connection.execute(OBJECTS)
    log(f"init {part or 'done'}")


def _provision(connection: Connection, settings: Settings, part: str) -> None:
    user = sql.Identifier(settings.text(f"{BASE}.User.Username"))
    database = sql.Identifier(settings.text(f"{BASE}.Database"))
    password = sql.Literal(settings.text(f"{BASE}.User.Password"))
    statements = {
        "user": sql.SQL("create role {} login password {}").format(user, password),
        "database": sql.SQL("create database {} owner {}").format(database, user),
        "grant": sql.SQL("grant connect, create on database {} to {}").format(database, user),
    }
    for name, statement in statements.items():
        if part not in {"", name}:
            continue
        try:
            connection.execute(statement)
        except (psycopg.errors.DuplicateObject, psycopg.errors.DuplicateDatabase):
            log(f"{name} exists, kept")
