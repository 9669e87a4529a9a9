"""No modification but with prior instruction (O-4): what others did to managed objects.

The operator repairs what got past, and keeps who, what and when on the repaired object itself, so that the
status can be wiped and still tell the same.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.conditions import UNMODIFIED, Condition, parse_time, rfc3339, shorten
from dedicated.api.json import JsonValue, Manifest, get_list, get_str

SHOWN_FOR = timedelta(hours=24)
"""How long a repaired modification keeps `Unmodified` False, so that people see it."""
LIMIT = 20
FIELDS_LIMIT = 10
FIELD_LENGTH = 256
YEARS = range(2000, 9000)
"""Of a time that can be meant."""


@dataclass(frozen=True, slots=True)
class Modification:
    """A change of a managed object by somebody else; `at` is the API server's time of it, RFC 3339."""

    object: str
    manager: str
    operation: str
    at: str
    fields: tuple[str, ...]

    def annotation(self) -> str:
        """The modification as kept on the repaired object."""
        return json.dumps(
            {
                "manager": self.manager,
                "operation": self.operation,
                "at": self.at,
                "fields": list(bounded(self.fields)),
            },
            sort_keys=True,
        )

    def manifest(self) -> Manifest:
        """The modification as an item of `status.modifications`."""
        fields: list[JsonValue] = list(bounded(self.fields))
        found: Manifest = {
            "object": self.object,
            "manager": self.manager[:128],
            "operation": self.operation[:32],
            "fields": fields,
        }
        if self.at:
            found["at"] = self.at
        return found


def from_annotation(text: str, *, of: str) -> Modification | None:
    """The modification kept in an annotation; None where it is absent or not ours to read.

    Anyone who may edit the object may have written it: what the status cannot hold is not taken over.
    """
    try:
        kept = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(kept, dict):
        return None
    at = parse_time(get_str(kept, "at"))
    if at is None or at.year not in YEARS:
        return None
    fields = tuple(item for item in get_list(kept, "fields") if isinstance(item, str))
    return Modification(
        object=of,
        manager=get_str(kept, "manager"),
        operation=get_str(kept, "operation"),
        at=rfc3339(at),
        fields=bounded(fields),
    )


def bounded(fields: Sequence[str]) -> tuple[str, ...]:
    """The first fields, each short enough for a status."""
    return tuple(shorten(item, FIELD_LENGTH) for item in fields[:FIELDS_LIMIT])


def newest(modifications: Iterable[Modification]) -> tuple[Modification, ...]:
    """The newest modifications first; bounded."""
    return tuple(sorted(modifications, key=lambda item: (item.at, item.object), reverse=True)[:LIMIT])


def judge(modifications: tuple[Modification, ...], *, now: datetime) -> tuple[Condition, datetime | None]:
    """The condition `Unmodified`, and when it changes by itself. `modifications` are the newest first."""
    if not modifications:
        nothing = "no managed object was changed by others"
        return Condition(UNMODIFIED, "True", "NoModification", nothing), None
    last = modifications[0]
    text = (
        f"{last.object}: {', '.join(last.fields[:3])} by {last.manager} ({last.operation})"
        f"{f' at {last.at}' if last.at else ''}; repaired"
    )
    at = parse_time(last.at)
    until = at + SHOWN_FOR if at is not None else None
    if until is not None and now >= until:
        return Condition(UNMODIFIED, "True", "Repaired", f"last modification: {text}"), None
    return Condition(UNMODIFIED, "False", "ModificationRepaired", text), until
