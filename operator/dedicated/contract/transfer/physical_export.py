"""A physical export (X-1): what of the engine's repository it lets be read, and until when.

What a restore of the newest full backup to the end of the log needs, and no more: the backup, the segments
from its first one on, the histories of timelines. Not of a differential one, which may be expired a day or
two later, while a full one is kept for `retention.days`. Each object has an address that anybody can read
until it expires; the addresses are sealed to the customer, since whoever holds one has its right. What says
which backups there are (`backup.info`, `archive.info`) is written anew with each backup: it goes along as it
was, so that what is fetched a day later fits together.

`manifest.json` is written last, is no secret, and is of another format than that of a logical export, so that
neither is taken for the other.

Limits: of a backup's objects the repository has no checksum outside of the backup's own manifest, which
pgBackRest checks when it restores; of a segment it has that of its content. Addresses that are valid for
longer than `retention.days` may lead to what is expired.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from dedicated.contract.recovery.chain import chain
from dedicated.contract.recovery.points import Recoverability, recoverability
from dedicated.contract.recovery.repository import Backup, Listing
from dedicated.contract.recovery.sampling import Memory
from dedicated.contract.recovery.wal import (
    Segment,
    history_in,
    position_text,
    segment_in,
    segment_name,
)
from dedicated.contract.transfer.export import MANIFEST, NAME, File, Flaw

FORMAT = "dedicated.zitadel.com/physical-export/v1"
ADDRESSES, REPOSITORY = "addresses.curl", "repository"
"""The sealed list of addresses, as curl reads it, and the folder that it fetches into."""
INFOS = ("backup.info", "archive.info")
OBJECT = re.compile(r"(?!.*\.\.)[A-Za-z0-9][-+._@/A-Za-z0-9]{0,500}")
SHA1 = re.compile(r"-([0-9a-f]{40})(?:\.[a-z0-9]+)?")
PACKED = re.compile(r"\.(gz|zst|lz4|bz2|pgbi)")
"""What pgBackRest appends to the name of a file that it packed."""
BACKUP_MANIFEST = "backup.manifest"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a repository a database is: its stanza, and the archive of its system, such as `17-1`."""

    stanza: str
    archive_id: str

    @property
    def archive(self) -> str:
        """Folder of the log."""
        return f"archive/{self.stanza}/{self.archive_id}/"

    @property
    def major(self) -> int:
        """PostgreSQL's major version; 0 where it is not told."""
        number = self.archive_id.partition("-")[0]
        return int(number) if number.isdecimal() else 0

    @property
    def infos(self) -> tuple[str, ...]:
        """What says which backups and which archive there are."""
        return tuple(f"{name.partition('.')[0]}/{self.stanza}/{name}" for name in INFOS)

    @property
    def backups(self) -> str:
        """Folder of the backups."""
        return f"backup/{self.stanza}"

    def backup(self, label: str) -> str:
        """Folder of a backup."""
        return f"{self.backups}/{label}/"


@dataclass(frozen=True, slots=True)
class Addressed:
    """An object of the repository that has an address; `name` is below the repository's folder.

    `sha1` is of a segment's content, unpacked and opened; empty of all else.
    """

    name: str
    size: int
    sha1: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a restore ends. What was committed until `committed` is in it for certain; what was committed
    between that and `position` is too, but no time is known for it."""

    timeline: int
    position: str
    committed: datetime


@dataclass(frozen=True, slots=True)
class PhysicalManifest:
    """`manifest.json`. `program` is the pgBackRest that read the repository, `cipher` whether it is
    encrypted, `backup` the label; `files` are sealed and stored beside it."""

    format: str
    export: str
    instance: str
    namespace: str
    incarnation: str
    zitadel: str
    fingerprint: str
    recipient: str
    engine: str
    program: str
    major: int
    stanza: str
    cipher: bool
    backup: str
    database_bytes: int
    reached: Reached
    written: datetime
    expires: datetime
    objects: tuple[Addressed, ...]
    files: tuple[File, ...]

    @property
    def object_bytes(self) -> int:
        """What is fetched."""
        return sum(one.size for one in self.objects)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is restored: the backup, the segments by name, and the point."""

    backup: Backup
    segments: tuple[str, ...]
    reached: Reached


class NothingToExportError(Exception):
    """The repository holds nothing that could be restored, or not all of it; the text names what is not."""


_MANIFEST = TypeAdapter(PhysicalManifest)


def chosen(listing: Listing, *, now: datetime) -> Chosen:
    """The newest full backup and its log, to the end.

    Raises NothingToExportError, also where the log has a gap.
    """
    full = tuple(backup for backup in listing.backups if backup.kind == "full")
    found = recoverability(replace(listing, backups=full), Memory(), now=now)
    if found.backup is None or found.frontier is None or found.newest is None:
        raise NothingToExportError("the repository holds no full backup that can be restored")
    if found.gaps:
        first = segment_name(Segment(found.timeline, found.gaps[0].first), size=listing.segment_size)
        count = sum(gap.count for gap in found.gaps)
        raise NothingToExportError(f"the log has a gap: {count} segments are missing, from {first} on")
    reached = Reached(found.timeline, position_text(found.frontier), found.newest)
    return Chosen(found.backup, tuple(_segments(listing, found, found.backup)), reached)


def _segments(listing: Listing, found: Recoverability, backup: Backup) -> Iterator[str]:
    """Names of the segments of a restore, each of the timeline that owns it."""
    assert found.frontier is not None
    last = found.frontier // listing.segment_size
    branches = chain(listing).branches
    ends = [*(child.first for _, child in pairwise(branches)), last]
    for branch, end in zip(branches, ends, strict=True):
        for number in range(max(branch.first, backup.first.number), min(end, last)):
            yield segment_name(Segment(branch.timeline, number), size=listing.segment_size)


def addressed(
    selected: Chosen, place: Place, sizes: Mapping[str, int], files: Iterable[str]
) -> tuple[Addressed, ...]:
    """The objects of a restore, in order of name, out of those that there are, by name and bytes.

    `files` are those that the backup's manifest tells of, as LABEL/NAME without what packing appends. Raises
    NothingToExportError with the name of what is missing.
    """
    found = {name: Addressed(name, size, _sha1(name)) for name, size in sizes.items()}
    logged = {name: one for name, one in found.items() if name.startswith(place.archive)}
    by_segment = {_base(name)[:24]: one for name, one in logged.items() if segment_in(_base(name))}
    histories = [one for name, one in logged.items() if history_in(_base(name)) is not None]
    folder = place.backup(selected.backup.label)
    kept = [one for name, one in found.items() if name.startswith(folder)]
    there = {_bare(one.name) for one in kept} | {one.name for one in kept}
    needed = {folder + BACKUP_MANIFEST, *(f"{place.backups}/{name}" for name in files)}
    missing = [place.archive + name for name in selected.segments if name not in by_segment]
    missing += sorted(needed - there)
    if missing:
        text = f"{len(missing)} objects of the repository are missing, the first is {missing[0]}"
        raise NothingToExportError(text)
    if strange := sorted(one.name for one in (*kept, *logged.values()) if not OBJECT.fullmatch(one.name)):
        raise NothingToExportError(f"an object has a name that is no name of a file: {strange[0]!r}")
    segments = [by_segment[name] for name in selected.segments]
    return tuple(sorted((*kept, *segments, *histories), key=lambda one: one.name))


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _bare(name: str) -> str:
    """A name without what packing appended."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and PACKED.fullmatch(dot + ending) else name


def _sha1(name: str) -> str:
    found = SHA1.fullmatch(_base(name)[24:]) if segment_in(_base(name)) else None
    return found[1] if found else ""


def curl_config(addresses: Mapping[str, str]) -> str:
    """Addresses by name, as a configuration of curl that fetches each to its place below `REPOSITORY`."""
    lines = (f'url = "{address}"\noutput = "{REPOSITORY}/{name}"\n' for name, address in addresses.items())
    return "".join(lines)


def physical_json(manifest: PhysicalManifest) -> bytes:
    """The same bytes for the same manifest."""
    return _MANIFEST.dump_json(manifest, indent=2) + b"\n"


def read_physical(data: bytes) -> PhysicalManifest | None:
    """The manifest; None where it is none of this format.

    Raises ValueError where it names what lies outside of its folder.
    """
    try:
        found = _MANIFEST.validate_json(data)
    except ValidationError:
        return None
    if found.format != FORMAT:
        return None
    names = [(one.name, OBJECT) for one in found.objects] + [(one.name, NAME) for one in found.files]
    for name, form in names:
        if form.fullmatch(name) is None or ".." in name:
            raise ValueError(f"{MANIFEST}: {name[:100]!r} is no name of a file")
    return found


def fetched_flaws(manifest: PhysicalManifest, sizes: Mapping[str, int]) -> Iterator[Flaw]:
    """What is otherwise in a folder that was fetched: bytes by name below `REPOSITORY`."""
    for one in manifest.objects:
        name, size = f"{REPOSITORY}/{one.name}", sizes.get(one.name)
        if size is None:
            yield Flaw("FileMissing", name, f"{one.size} bytes are missing: fetch it before the expiry")
        elif size != one.size:
            yield Flaw("FileDamaged", name, f"it has {size} bytes, {one.size} were listed")
