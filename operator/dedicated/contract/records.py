"""Facts as ContractRecords: how one is named and read, and when no further one is made.

A record is made before the repair it tells of, since afterwards managedFields no longer knows. Its name
follows from the fact, so that an operator that ends in between neither loses nor doubles it.

Somebody who edits in a loop must not fill the ledger: what the same hand does to the same fields of an object
within 10 minutes is one record, and an object has at most 6 records an hour. All of it is repaired.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, digest, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import RECORD
from dedicated.api.record import MANAGER_LENGTH, MODIFICATION_REPAIRED, OPERATION_LENGTH, RecordSpec
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


def manifest_of(record: Record, *, namespace: str, by: str) -> Manifest:
    """The object to create, by the user who creates it."""
    return {
        "apiVersion": RECORD.api_version,
        "kind": RECORD.kind,
        "metadata": {
            "name": record.name,
            "namespace": namespace,
            "labels": {LABEL_INSTANCE: record.instance},
        },
        "spec": {
            "instance": record.instance,
            "fact": MODIFICATION_REPAIRED,
            "by": by,
            "modification": record.modification.manifest(),
        },
    }


def record_of(manifest: Manifest) -> Record | None:
    """A record as read; None where it is of a fact, or in a form, that this version does not know."""
    try:
        spec = RecordSpec.model_validate(get_map(manifest, "spec"))
    except ValidationError:
        return None
    created = parse_time(get_str(manifest, "metadata", "creationTimestamp"))
    found = spec.modification
    if created is None or found is None:
        return None
    fact = Modification(
        object=found.object,
        manager=found.manager,
        operation=found.operation,
        at=found.at,
        fields=tuple(found.fields),
        repaired_at=rfc3339(created),
    )
    return Record(get_str(manifest, "metadata", "name"), spec.instance, fact)


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
