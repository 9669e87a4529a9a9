"""No modification but with prior instruction (O-4): what others did to managed objects.

The operator repairs what got past. Who, what and when is kept in a ContractRecord (see `contract.records`),
so that the status can be wiped and still tell the same.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import UNMODIFIED, Condition, parse_time, shorten
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.record import FIELD_LENGTH, FIELDS_LIMIT, MANAGER_LENGTH, OPERATION_LENGTH

SHOWN_FOR = timedelta(hours=24)
"""How long a repaired modification keeps `Unmodified` False, so that people see it."""
LIMIT = 20


@dataclass(frozen=True, slots=True)
class Modification:
    """A change of a managed object by somebody else.

    `at` is when it was made, `repaired_at` the time of its record (empty: not recorded yet); both RFC 3339.
    """

    object: str
    manager: str
    operation: str
    at: str
    fields: tuple[str, ...]
    repaired_at: str = ""

    def manifest(self) -> Manifest:
        """The modification as its record and `status.modifications` tell it."""
        fields: list[JsonValue] = list(bounded(self.fields))
        return {
            "object": self.object,
            "manager": self.manager[:MANAGER_LENGTH],
            "operation": self.operation[:OPERATION_LENGTH],
            "at": self.at,
            "fields": fields,
        }

    def status(self) -> Manifest:
        """The modification as an item of `status.modifications`."""
        return {**self.manifest(), "repairedAt": self.repaired_at}


def bounded(fields: Sequence[str]) -> tuple[str, ...]:
    """The first fields, each short enough for a status."""
    return tuple(shorten(item, FIELD_LENGTH) for item in fields[:FIELDS_LIMIT])


def newest(modifications: Iterable[Modification]) -> tuple[Modification, ...]:
    """The newest modifications first, by the time of their record; bounded."""
    return tuple(
        heapq.nlargest(LIMIT, modifications, key=lambda item: (item.repaired_at, item.at, item.object))
    )


def judge(modifications: tuple[Modification, ...], *, now: datetime) -> tuple[Condition, datetime | None]:
    """The condition `Unmodified`, and when it changes by itself. `modifications` are the newest first."""
    if not modifications:
        nothing = "no managed object was changed by others"
        return Condition(UNMODIFIED, "True", "NoModification", nothing), None
    last = modifications[0]
    text = (
        f"{last.object}: {', '.join(last.fields[:3])} by {last.manager} ({last.operation}) "
        f"at {last.at}; repaired"
    )
    repaired_at = parse_time(last.repaired_at)
    until = repaired_at + SHOWN_FOR if repaired_at is not None else None
    if until is not None and now >= until:
        return Condition(UNMODIFIED, "True", "Repaired", f"last modification: {text}"), None
    return Condition(UNMODIFIED, "False", "ModificationRepaired", text), until
