"""A logical export (X-1): what it holds, what is wrong with one, how far one is, and how long one takes.

`manifest.json` is written last: a folder without it is no export. It names every object with the SHA-256 of
what was sealed and of what it holds, and every table with its rows and a checksum that knows no order, so
that a flipped byte, a missing object and a missing row are each told by name. It is no secret: it has names
and figures, so a provider can check an export that only the customer can open.

Limits: the checksum of a table is a sum of parts of MD5 of its rows' text: it finds accidents, not a forger
(who cannot seal to the recipient unseen, as the manifest's own SHA-256 stands in the status).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter, ValidationError

FORMAT = "dedicated.zitadel.com/export/v1"
MANIFEST, README = "manifest.json", "README.md"
DUMP, ROLES, KEYS = "dump", "roles.sql", "keys.tar.gz"
"""Folder of the dump, and files beside it: the same where it is made and where it is stored."""
SEALED = ".age"
NAME = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]{0,199}(/[A-Za-z0-9][-._A-Za-z0-9]{0,199}){0,3}")
MANAGER, REPORT = "dedicated-export", "report"
"""Field manager of what the process writes into its record, and the key."""
MB = 1_000_000
BASE = timedelta(seconds=30)
"""What an export takes besides its data: pods, an empty server, small objects."""

Step = Literal["Dumping", "Listing", "Verifying", "Storing", "Completed", "Failed"]
Phase = Literal["Pending", "Dumping", "Listing", "Verifying", "Storing", "Completed", "Failed"]
Code = Literal[
    "NoManifest", "FileMissing", "FileDamaged", "FileNotOpened", "FileUnknown", "OtherMajor", "OtherZitadel",
    "TableMissing", "TableUnknown", "RowsDiffer", "ContentDiffers",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """A file, and the object that it is sealed in: `name` with `.age`. Sizes are bytes."""

    name: str
    size: int
    sha256: str
    sealed_size: int
    sealed_sha256: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows, and the sum over them that their order does not change."""

    schema: str
    name: str
    rows: int
    checksum: str

    @property
    def full_name(self) -> str:
        """With its schema."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Database:
    """What was dumped, as of its snapshot: `major` is PostgreSQL's, `size` in bytes, roles are those that
    own something or were granted something."""

    major: int
    at: datetime
    size: int
    roles: tuple[str, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`manifest.json`. `fingerprint` is the masterkey's salted one."""

    format: str
    export: str
    instance: str
    namespace: str
    incarnation: str
    zitadel: str
    fingerprint: str
    recipient: str
    database: Database
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong, with the name of what it is about."""

    code: Code
    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that each step took; 0 where it was not done yet."""

    dump: float = 0
    verify: float = 0
    store: float = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What the process tells. `done` of `total` are bytes of the step; `cause` says why it failed.

    `export` is the uid of the order: the report of another one says nothing. Of a physical export `objects`
    have addresses that expire.
    """

    export: str
    written: datetime
    step: Step
    started: datetime
    done: int = 0
    total: int = 0
    snapshot: datetime | None = None
    database_bytes: int = 0
    dump_bytes: int = 0
    stored_bytes: int = 0
    rows: int = 0
    objects: int = 0
    object_bytes: int = 0
    expires: datetime | None = None
    took: Took = field(default_factory=Took)
    manifest: str = ""
    manifest_sha256: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second of the database's size. Defaults: `pg_dump` 132, import 47 MB/s, as measured; to the
    store and back 100, which is a dump of a seventh at 30 MB/s, sent and read."""

    dump: float = 132 * MB
    verify: float = 47 * MB
    store: float = 100 * MB

    def estimate(self, size: int) -> timedelta:
        """For a database of so many bytes."""
        seconds = size / self.dump + size / self.verify + size / self.store
        return BASE + timedelta(seconds=seconds)

    def learned(self, size: int, took: Took) -> "Rates":
        """As an export that was completed had them; of a database of under 100 MB nothing is learned."""
        if size < 100 * MB:
            return self
        return Rates(
            dump=size / took.dump if took.dump else self.dump,
            verify=size / took.verify if took.verify else self.verify,
            store=size / took.store if took.store else self.store,
        )


_MANIFEST = TypeAdapter(Manifest)
_REPORT = TypeAdapter(Report)


def manifest_json(manifest: Manifest) -> bytes:
    """The same bytes for the same manifest."""
    return _MANIFEST.dump_json(manifest, indent=2) + b"\n"


def read_manifest(data: bytes) -> Manifest:
    """Raises ValueError where it is none of this format, or names what lies outside of its folder."""
    try:
        found = _MANIFEST.validate_json(data)
    except ValidationError:
        raise ValueError(f"{MANIFEST} is of another version, or none") from None
    if found.format != FORMAT:
        raise ValueError(f"{MANIFEST}: format {found.format[:100]!r} is not known, {FORMAT} is")
    for file in found.files:
        if NAME.fullmatch(file.name) is None or ".." in file.name:
            raise ValueError(f"{MANIFEST}: {file.name[:100]!r} is no name of a file")
    return found


def report_json(report: Report) -> str:
    """One line."""
    return _REPORT.dump_json(report, exclude_defaults=True).decode()


def read_report(data: Mapping[str, str], *, export: str) -> Report | None:
    """The report in a record, if it is of this order."""
    try:
        found = _REPORT.validate_json(data.get(REPORT, ""))
    except ValidationError:
        return None
    return found if found.export == export else None


def table_findings(wanted: Sequence[Table], found: Sequence[Table]) -> Iterator[Flaw]:
    """What an imported database has otherwise than the one that was exported."""
    there = {table.full_name: table for table in found}
    for table in wanted:
        other = there.pop(table.full_name, None)
        if other is None:
            yield Flaw("TableMissing", table.full_name, f"it is not there; {table.rows} rows are lost")
        elif other.rows != table.rows:
            yield Flaw("RowsDiffer", table.full_name, f"{other.rows} rows, {table.rows} were exported")
        elif other.checksum != table.checksum:
            yield Flaw("ContentDiffers", table.full_name, f"as many rows ({table.rows}), other content")
    for name in sorted(there):
        yield Flaw("TableUnknown", name, "it is not in the export")


def version_findings(manifest: Manifest, *, major: int, zitadel: str) -> Iterator[Flaw]:
    """Why a server of this major version, or ZITADEL of this version, should not take the export over."""
    if major < manifest.database.major:
        text = f"PostgreSQL {major} is older than {manifest.database.major}, which made the dump"
        yield Flaw("OtherMajor", str(major), text)
    if manifest.zitadel and zitadel != manifest.zitadel:
        text = f"start {manifest.zitadel} first: its setup belongs to this database; then upgrade"
        yield Flaw("OtherZitadel", zitadel, text)


def phase_of(report: Report | None, *, failed: str) -> tuple[Phase, str]:
    """The phase and why, of all that can be seen: a report, and why the Job gave up (empty: it did not)."""
    if report is not None and report.step == "Completed":
        return "Completed", ""
    if failed:
        return "Failed", (report.cause if report else "") or failed
    if report is None:
        return "Pending", "its pod has not reported yet"
    if report.step == "Failed":
        return "Failed", report.cause
    return report.step, report.cause


def expected_end(report: Report, rates: Rates, *, now: datetime) -> datetime | None:
    """When it will be completed; None before the size is known."""
    if not report.database_bytes:
        return None
    return max(report.started + rates.estimate(report.database_bytes), now)


def failed(report: Report, cause: str, *, at: datetime) -> Report:
    """The last word of a process that gives up."""
    return replace(report, step="Failed", cause=cause, written=at)
