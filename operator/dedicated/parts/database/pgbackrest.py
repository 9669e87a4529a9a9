"""What pgBackRest says of its repository, as facts: `info` and `repo-ls` in JSON, and the text of `verify`.

Its own judgements are left aside: it calls archives with holes healthy. An entry in a form that is not known
is left out, so that it promises nothing. Of `verify` only the text says what is damaged: its exit status is
0 all the same, and of what is missing it says nothing.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import get_args

from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.contract.recovery.repository import Archive, Backup, BackupKind, Damage, archive_in
from dedicated.contract.recovery.wal import SEGMENT, position, segment_in

KINDS: dict[str, BackupKind] = {"full": "full", "diff": "differential", "incr": "incremental"}
assert set(KINDS.values()) == set(get_args(BackupKind))
FOLDER = 16
"""Digits of a segment's name that its folder is named by."""

BACKUP_STATUS = re.compile(r"^ *backup: (\S+), status: ([^,\n]+)", re.MULTILINE)
SOUND = frozenset({"valid", "in-progress"})
NOTHING_BAD = re.compile(r"^ *status: ok$", re.MULTILINE)
INVALID_FILE = re.compile(r"INFO: invalid [a-z]+ '?([^' :\n]+)")
FILES = "\n[target:file]\n"


def backups_in(info: JsonValue, archive_id: str, *, size: int = SEGMENT) -> tuple[Backup, ...]:
    """The backups of a stanza whose log is in an archive such as `15-1`; `info` is the command's answer.

    A repository may hold backups of an earlier system; these have another archive.
    """
    stanza = next(iter(info), None) if isinstance(info, list) else None
    database = archive_id.rpartition("-")[2]
    listed = (get_map(item) for item in get_list(stanza, "backup"))
    ours = (item for item in listed if str(get_int(item, "database", "id")) == database)
    return tuple(backup for item in ours if (backup := _backup(item, size)) is not None)


def archive_of(listing: Manifest, *, size: int = SEGMENT) -> Archive:
    """The archive, from what `repo-ls --recurse` lists below it. An empty file is no segment."""
    return archive_in(_names(listing), size=size)


def damage_in(text: str, *, size: int = SEGMENT) -> Damage | None:
    """What `verify --output=text --verbose --log-level-console=info` found; None where it says nothing."""
    statuses = BACKUP_STATUS.findall(text)
    if not statuses and not NOTHING_BAD.search(text):
        return None
    names = (name for path in INVALID_FILE.findall(text) for name in [path.rpartition("/")[2]])
    segments = (segment_in(name, size=size) for name in names)
    return Damage(
        backups=frozenset(label for label, status in statuses if status not in SOUND),
        segments=frozenset(segment for segment in segments if segment is not None),
    )


def unreadable_by(info: JsonValue, program: str) -> str:
    """The newest version that made one of the backups, where it is newer than the program's; else empty.

    An older program calls forms that it does not know damaged. `program` is what its `version` prints.
    """
    stanzas = info if isinstance(info, list) else []
    backups = [item for stanza in stanzas for item in get_list(stanza, "backup")]
    made = max((_version(get_str(item, "backrest", "version")) for item in backups), default=())
    return ".".join(map(str, made)) if made > _version(program) else ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _names(listing: Manifest) -> Iterator[str]:
    for path in listing:
        folder, _, name = path.rpartition("/")
        if get_str(listing, path, "type") != "file" or get_int(listing, path, "size") <= 0:
            continue
        if folder in {"", name[:FOLDER]}:
            yield name


def _backup(item: Manifest, size: int) -> Backup | None:
    first = segment_in(get_str(item, "archive", "start"), size=size)
    last = segment_in(get_str(item, "archive", "stop"), size=size)
    kind, label = KINDS.get(get_str(item, "type")), get_str(item, "label")
    started, stopped = (get_int(item, "timestamp", edge) for edge in ("start", "stop"))
    try:
        start, end = (position(get_str(item, "lsn", edge)) for edge in ("start", "stop"))
    except ValueError:
        return None
    if first is None or last is None or kind is None or not (label and 0 < started <= stopped):
        return None
    references = [name for name in get_list(item, "reference") if isinstance(name, str)]
    prior = get_str(item, "prior")
    return Backup(
        label=label,
        kind=kind,
        started=datetime.fromtimestamp(started, UTC),
        completed=datetime.fromtimestamp(stopped, UTC),
        first=first,
        last=last,
        start=start,
        end=end,
        needs=tuple(sorted({*references, *([prior] if prior else [])})),
        failed=item.get("error") is not False,
        stored=get_int(item, "info", "repository", "delta"),
        database=get_int(item, "info", "size"),
    )


def files_in(manifest: str, label: str) -> frozenset[str]:
    """Objects that a backup's manifest tells of, as LABEL/NAME without what packing appends to a name.

    What lies in another backup is named by that one's label. An empty file is stored only where files are not
    bundled, and is not looked for. Raises ValueError where a line cannot be read: then nothing is known.
    """
    _, found, rest = manifest.partition(FILES)
    if not found:
        raise ValueError(f"the manifest of {label} names no files")
    told = (line for line in rest.partition("\n[")[0].splitlines() if line)
    return frozenset(name for line in told if (name := _stored_in(line, label)))


def _stored_in(line: str, label: str) -> str:
    """Where the file of a line is stored; empty where it is not."""
    name, _, text = line.partition("={")
    try:
        said: JsonValue = json.loads("{" + text)
    except ValueError:
        raise ValueError(f"the manifest of {label} has a line that cannot be read") from None
    if get_int(said, "size") <= 0:
        return ""
    owner = get_str(said, "reference") or label
    bundle = get_int(said, "bni")
    return f"{owner}/bundle/{bundle}" if bundle else f"{owner}/{name}"
