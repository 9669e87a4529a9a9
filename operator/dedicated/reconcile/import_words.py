"""What the instance's status tells of an import, and where it fails, who must act."""

from datetime import datetime

from dedicated.api.conditions import rfc3339, shorten
from dedicated.api.instance_restore import MESSAGE_LENGTH
from dedicated.api.json import Manifest
from dedicated.api.source import Source
from dedicated.api.status_import import ImportPhase
from dedicated.contract.transfer.imported import Imported
from dedicated.contract.transfer.importing import origin_of, place_of


def import_status(
    source: Source,
    phase: ImportPhase,
    message: str = "",
    *,
    party: str = "",
    at: datetime | None = None,
    end: datetime | None = None,
) -> Manifest:
    """Of one that is not on record. `party` must act; it was begun `at`, and is expected to `end`."""
    told = {
        "origin": origin_of(source),
        "place": place_of(source),
        "message": shorten(message, MESSAGE_LENGTH),
        "responsible": party,
        "startedAt": rfc3339(at) if at else "",
        "expectedEnd": rfc3339(end) if end else "",
    }
    return {"source": source.kind, "phase": phase, **{key: text for key, text in told.items() if text}}


def status_on_record(source: Source, fact: Imported | None) -> Manifest:
    """Of one that is."""
    if fact is None:
        return import_status(source, "Imported")
    told = {
        "origin": fact.origin,
        "place": fact.place,
        "message": fact.found,
        "startedAt": rfc3339(fact.started),
        "importedAt": rfc3339(fact.at),
    }
    return {"source": fact.source, "phase": "Imported", **{key: text for key, text in told.items() if text}}
