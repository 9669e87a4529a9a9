"""A database of the lab with what ZITADEL's holds: events, encryption keys, an asset."""

import asyncio
import base64
import json
import os

import psycopg

from dedicated.contract.transfer.export import Table
from dedicated.probes.exported import exported
from lab.laboratory import Lab
from lab.sealed import KEYS, MASTERKEY, encrypt, web_key

SCHEMA = """
create role zitadel_owner login;
create schema eventstore authorization zitadel_owner;
create schema system authorization zitadel_owner;
create table eventstore.events2 (
  instance_id text not null, aggregate_type text not null, aggregate_id text not null,
  event_type text not null,
  "sequence" bigint not null, created_at timestamptz not null, payload jsonb, "position" decimal not null,
  primary key (instance_id, aggregate_type, aggregate_id, "sequence"));
create index on eventstore.events2 (instance_id, "position");
create table system.encryption_keys (id text primary key, key text not null);
create table system.assets (name text primary key, data bytea, hash text);
alter table eventstore.events2 owner to zitadel_owner;
alter table system.encryption_keys owner to zitadel_owner;
alter table system.assets owner to zitadel_owner;
"""
FILL = """
insert into eventstore.events2
select 'inst'||(g%%5), 'user', (300000000000000000+g/7)::text, 'user.human.'||(g%%40), g,
       now()-((%(rows)s-g)||' ms')::interval,
       jsonb_build_object('n', g, 'email', md5(random()::text)||'@example.com',
                          'a', md5(random()::text), 'b', md5(random()::text),
                          'text', 'changed profile of the user with a usual text'),
       1700000000+g::numeric/1000
  from generate_series(1, %(rows)s) g"""
ASSET = """
insert into system.assets
select 'logo', string_agg(decode(md5(random()::text), 'hex'), ''), 'h' from generate_series(1, %s)"""
DATABASE = "zitadel"


def fill(lab: Lab, *, rows: int, asset_mb: int = 0) -> None:
    """A database as ZITADEL has it: events, keys under the masterkey, an asset that does not compress."""
    lab.primary.ask(f"create database {DATABASE}")
    with connected(lab) as connection:
        connection.execute(SCHEMA)
        connection.execute(FILL, {"rows": rows})
        connection.execute(ASSET, (asset_mb * 65536 + 1,))
        made = {name: os.urandom(32) for name in KEYS}
        for name, key in made.items():
            row = (name, base64.urlsafe_b64encode(encrypt(key, MASTERKEY)).decode())
            connection.execute("insert into system.encryption_keys values (%s, %s)", row)
        payload = json.dumps(web_key(made["oidcKey"], key_id="oidcKey"))
        connection.execute(
            "insert into eventstore.events2 values "
            "('inst0', 'web_key', '1', 'web_key.added', 1, now(), %s::jsonb, 1)",
            (payload,),
        )


def connected(lab: Lab, port: int = 0, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
    """A session of its superuser."""
    where = f"host=127.0.0.1 port={port or lab.primary.port} user=postgres dbname={database}"
    return psycopg.connect(where, autocommit=True)


def tables_of(port: int, database: str = DATABASE) -> tuple[Table, ...]:
    """Rows and checksum of each table of a server on this machine."""
    async def ask() -> tuple[Table, ...]:
        where = f"host=127.0.0.1 port={port} user=postgres dbname={database}"
        async with exported(where) as session:
            return tuple(
                [
                    Table(schema, name, *(await session.rows(schema, name)))
                    for schema, name, _ in await session.tables()
                ]
            )

    return asyncio.run(ask())
