"""What the process of an import tells, and how long one takes.

The report is marked with the instance's uid: that of a former incarnation says nothing. `FINAL` codes are
those that only a person changes; all others are tried again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from dedicated.contract.transfer.export import MB

MANAGER, REPORT = "dedicated-import", "report"
"""Field manager of what the process writes into its record, and the key."""
BASE = timedelta(seconds=30)
"""What an import takes besides its data: pods, small objects."""

Step = Literal["Reading", "Importing", "Verifying", "Completed", "Failed"]
Code = Literal[
    "FileDamaged", "FileNotOpened", "VersionTooOld", "TargetNotEmpty", "WrongMasterkey", "NotZitadel",
    "ContentDiffers", "SourceUnreachable", "TargetUnreachable", "ImportFailed",
]  # fmt: skip
FINAL: frozenset[Code] = frozenset(
    {"FileDamaged", "FileNotOpened", "VersionTooOld", "TargetNotEmpty", "WrongMasterkey", "NotZitadel"}
)
"""What is the same at the next attempt, unless a person does something."""


@dataclass(frozen=True, slots=True)
class Report:
    """How far it is. `incarnation` is the instance's uid; `done` of `total` are bytes of the step.

    `size` is the source's, in bytes; `code` and `cause` say why it failed. The data is as of `snapshot`.
    """

    incarnation: str
    written: datetime
    step: Step
    started: datetime
    done: int = 0
    total: int = 0
    size: int = 0
    snapshot: datetime | None = None
    tables: int = 0
    rows: int = 0
    keys: int = 0
    keys_opened: int = 0
    code: Code | None = None
    cause: str = ""

    @property
    def figures(self) -> str:
        """In a few words."""
        return (
            f"{self.tables} tables with {self.rows} rows equal to the source's, "
            f"{self.keys_opened} of {self.keys} encryption keys opened"
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes of the database per second: `fetch` from a store, `dump` from a database and `load` into the new
    one as measured for exports; to `compare` both is assumed."""

    fetch: float = 200 * MB
    dump: float = 132 * MB
    load: float = 47 * MB
    compare: float = 130 * MB

    def estimate(self, size: int, *, dumped: bool) -> timedelta:
        """For a database of so many bytes; `dumped`: it is read from a running one."""
        read = self.dump if dumped else self.fetch
        return BASE + timedelta(seconds=size / read + size / self.load + size / self.compare)


_ADAPTER = TypeAdapter(Report)


def report_json(report: Report) -> str:
    """One line."""
    return _ADAPTER.dump_json(report, exclude_defaults=True).decode()


def read_report(text: str, *, incarnation: str) -> Report | None:
    """The report in a record, if it is of this incarnation."""
    try:
        found = _ADAPTER.validate_json(text)
    except ValidationError:
        return None
    return found if found.incarnation == incarnation else None


def failed(report: Report, code: Code, cause: str, *, at: datetime) -> Report:
    """The last word of a process that gives up."""
    return replace(report, step="Failed", code=code, cause=cause, written=at)
