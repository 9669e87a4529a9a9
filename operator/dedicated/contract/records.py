"""What the operator states as ContractRecords: how one is named and made, and when no further one is.

A record of a modification is made before the repair it tells of, since afterwards managedFields no longer
knows. Names follow from the facts, so that an operator that ends in between neither loses nor doubles one.

Somebody who edits in a loop must not fill the ledger: what the same hand does to the same fields of an object
within 10 minutes is one record, and an object has at most 6 records an hour. All of it is repaired.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, digest
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import RECORD
from dedicated.api.record import MANAGER_LENGTH, MODIFICATION_REPAIRED, OPERATION_LENGTH, Fact
from dedicated.contract.modifications import Modification, bounded

SAME_HAND = timedelta(minutes=10)
WINDOW = timedelta(hours=1)
MOST_IN_WINDOW = 6
"""Records of one object in a window."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a modification, made or to be made (then its modification has no `repaired_at`)."""

    name: str
    instance: str
    modification: Modification


def record_for(instance: str, fact: Modification, *, uid: str, moment: str) -> Record:
    """The record to make of a modification of the object with this uid; `moment` tells it from the same
    change made again."""
    told = [uid, fact.manager, fact.operation, moment, *fact.fields]
    return Record(f"{instance}-mod-{digest([*told])}", instance, fact)


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact of the operator's that is to be recorded; `fields` are those of the fact.

    Its name follows from the fact, so that it is recorded once, whatever ends in between.
    """

    name: str
    instance: str
    fact: Fact
    fields: Manifest = field(default_factory=dict)


def statement_of(record: Record) -> Statement:
    """The statement of a modification."""
    fields: Manifest = {"modification": record.modification.manifest()}
    return Statement(record.name, record.instance, MODIFICATION_REPAIRED, fields)


def service_started(instance: str) -> Statement:
    """The statement that an instance is Ready for the first time: its months begin (M-7)."""
    return Statement(f"{instance}-service-started", instance, "ServiceStarted")


def failed_over(instance: str, start: datetime, end: datetime) -> Statement:
    """The statement that the database failed over: no commit from the last heartbeat before it to the first
    one after it (B-5)."""
    fields: Manifest = {"stretch": {"start": rfc3339(start), "end": rfc3339(end)}}
    return Statement(f"{instance}-failed-over-{end:%Y%m%d%H%M%S}", instance, "FailedOver", fields)


def database_removed(instance: str, *, cluster: str, uid: str, restore: str) -> Statement:
    """The statement that a database is no longer needed; it is deleted afterwards, and never before."""
    fields: Manifest = {"removed": {"cluster": cluster, "uid": uid, "restore": restore}}
    return Statement(f"{instance}-database-removed-{uid[:8]}", instance, "DatabaseRemoved", fields)


def manifest_of(statement: Statement, *, namespace: str, by: str) -> Manifest:
    """The object to create, by the user who creates it."""
    return {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {
            "name": statement.name,
            "namespace": namespace,
            "labels": {LABEL_INSTANCE: statement.instance},
        },
        "spec": {
            "instance": statement.instance,
            "fact": statement.fact,
            "by": by,
            **statement.fields,
        },
    }


def is_worth(record: Record, known: Iterable[Record], *, now: datetime) -> bool:
    """Whether to make the record, given those there are."""
    fact, recent = record.modification, 0
    for other in known:
        if other.name == record.name:
            return False
        if other.modification.object != fact.object:
            continue
        made = parse_time(other.modification.repaired_at)
        age = now - made if made is not None else WINDOW
        if age < SAME_HAND and is_same_hand(other.modification, fact):
            return False
        recent += age < WINDOW
    return recent < MOST_IN_WINDOW


def is_same_hand(recorded: Modification, fact: Modification) -> bool:
    """Whether both are the same change by the same manager, at whatever time."""
    manager, operation = fact.manager[:MANAGER_LENGTH], fact.operation[:OPERATION_LENGTH]
    found = (fact.object, manager, operation, bounded(fact.fields))
    return found == (recorded.object, recorded.manager, recorded.operation, recorded.fields)
