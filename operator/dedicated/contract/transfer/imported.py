"""The fact that an instance began with data from elsewhere (`spec.from`)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from dedicated.api.source import SourceKind


@dataclass(frozen=True, slots=True)
class Imported:
    """An incarnation began with data from elsewhere (`spec.from`), found whole and opened by its masterkey.

    `cluster` is the database that has it, empty: an external one. `place` is where it came from, empty where
    that is not known; `point` up to when it holds what was committed.
    """

    name: str
    at: datetime
    by: str
    incarnation: str
    source: SourceKind
    origin: str
    found: str
    started: datetime
    ended: datetime
    place: str = ""
    cluster: str = ""
    point: datetime | None = None
    manifest_sha256: str = ""
    size: int = 0
    expected: timedelta | None = None
    brought: bool = False
    """Brought back after a disaster: of a database that stood in a cluster that is lost."""
