"""The facts of an instance's end (T-1), as values; see `contract.facts`."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeletionConfirmed:
    """A person confirms that this incarnation of the instance may be deleted (T-1)."""

    name: str
    at: datetime
    by: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class DeletionWithdrawn:
    """A person takes back that this incarnation may be deleted, whoever confirmed it."""

    name: str
    at: datetime
    by: str
    incarnation: str


@dataclass(frozen=True, slots=True)
class FinalBackup:
    """The full backup that an incarnation's deletion waited for has completed; `object` is the engine's."""

    name: str
    at: datetime
    by: str
    incarnation: str
    object: str
    label: str = ""
