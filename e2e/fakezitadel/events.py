"""The eventstore: one append-only table, and the unique constraints that events take and free."""

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from fakezitadel.database import Connection
from fakezitadel.runtime import Json


class ConflictError(Exception):
    """A unique constraint is taken already."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What an event is about."""

    instance: str
    type: str
    id: str
    owner: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event as read back."""

    type: str
    sequence: int
    payload: dict[str, Any]


_INSERT = """
insert into eventstore.events2 (instance_id, aggregate_type, aggregate_id, event_type, "sequence", revision,
  created_at, payload, creator, "owner", "position", in_tx_order)
select %(instance)s, %(type)s, %(id)s, %(event)s,
  coalesce((select max("sequence") from eventstore.events2 where instance_id = %(instance)s
    and aggregate_type = %(type)s and aggregate_id = %(id)s), 0) + 1,
  1, now(), %(payload)s, %(creator)s, %(owner)s, extract(epoch from now()),
  coalesce((select max(in_tx_order) from eventstore.events2
    where "position" = extract(epoch from now())), 0) + 1
returning "sequence"
"""


def push(
    connection: Connection, about: Aggregate, event: str, payload: dict[str, Json], *, creator: str = "system"
) -> int:
    """Append one event, inside the caller's transaction. Returns its sequence within the aggregate."""
    # Two writers of one aggregate would compute the same sequence.
    lock = f"{about.instance}/{about.type}/{about.id}"
    connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
    row = connection.execute(
        _INSERT,
        {
            "instance": about.instance,
            "type": about.type,
            "id": about.id,
            "owner": about.owner,
            "event": event,
            "payload": json.dumps(payload),
            "creator": creator,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def newest(about: Aggregate, connection: Connection) -> str:
    """The type of an aggregate's last event; empty if it has none."""
    row = connection.execute(
        "select event_type from eventstore.events2 where instance_id = %s and aggregate_type = %s"
        ' and aggregate_id = %s order by "sequence" desc limit 1',
        (about.instance, about.type, about.id),
    ).fetchone()
    return str(row[0]) if row else ""


def of_type(connection: Connection, event: str) -> list[Event]:
    """All events of one type, of any instance."""
    rows = connection.execute(
        'select event_type, "sequence", payload from eventstore.events2 where event_type = %s', (event,)
    ).fetchall()
    return [Event(*row) for row in rows]


def take(connection: Connection, unique_type: str, field: str) -> None:
    """Take a global unique constraint; ConflictError if it is taken (the transaction is lost then)."""
    try:
        connection.execute(
            "insert into eventstore.unique_constraints (instance_id, unique_type, unique_field)"
            " values ('', %s, %s)",
            (unique_type, field),
        )
    except psycopg.errors.UniqueViolation as error:
        raise ConflictError(f"{unique_type}/{field}") from error


def free(connection: Connection, unique_type: str, field: str) -> None:
    """Give a global unique constraint back."""
    connection.execute(
        "delete from eventstore.unique_constraints"
        " where instance_id = '' and unique_type = %s and unique_field = %s",
        (unique_type, field),
    )
