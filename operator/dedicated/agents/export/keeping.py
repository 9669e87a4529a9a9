"""What an export has reached, beside its dump: so that one that was killed goes on where it was."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dedicated.contract.transfer.export import Database, File, Took
from dedicated.probes.uploads import Upload

FILE = "state.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """`dumped` once the dump is complete, with what it holds; `verified` once its import was found equal.

    `sealed` are files that are sealed, `uploads` how far the one is that is being sent, `stored` names of
    those that the store handed out again as they were sent.
    """

    export: str
    started: datetime
    dumped: Database | None = None
    verified: bool = False
    sealed: Mapping[str, File] = field(default_factory=dict)
    uploads: Mapping[str, Upload] = field(default_factory=dict)
    stored: tuple[str, ...] = ()
    took: Took = field(default_factory=Took)


_ADAPTER = TypeAdapter(Kept)


def recall(scratch: Path, *, export: str, now: datetime) -> Kept:
    """What is kept of this export; a new one where nothing is."""
    try:
        found = _ADAPTER.validate_json((scratch / FILE).read_bytes())
    except (OSError, ValidationError):
        return Kept(export, now)
    return found if found.export == export else Kept(export, now)


def keep(scratch: Path, kept: Kept) -> None:
    """Write it down, whole or not at all. Raises OSError."""
    new = scratch / f"{FILE}.new"
    with new.open("wb") as file:
        file.write(_ADAPTER.dump_json(kept))
        file.flush()
        os.fsync(file.fileno())
    new.rename(scratch / FILE)
