"""What barman-cloud keeps in an object store, as facts: names below a server's folder, and `backup.info`.

```
<server>/wals/00000001000000A3/00000001000000A300000042.gz
<server>/wals/00000002.history.gz
<server>/base/<id>/backup.info, data.tar.gz
```

barman-cloud 3.19 makes full backups alone. `backup.info` is written last; without `status=DONE` a backup is
none. An entry in a form that is not known is left out, so that it promises nothing.
Limit: histories that are compressed with lz4, snappy or zstd cannot be read by Python itself: then nothing is
promised over a change of the timeline. So the operator has the log compressed with gzip.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator, Mapping

from dedicated.api.conditions import parse_time
from dedicated.contract.recovery.repository import Archive, Backup, archive_in
from dedicated.contract.recovery.wal import SEGMENT, Ancestor, ancestry, history_in, position, segment_in

FOLDER = 16
"""Digits of a segment's name that its folder is named by."""
HISTORY_LIMIT = 64 * 1024
"""Bytes of a history, when it is unpacked."""
GZIP = 16 + zlib.MAX_WBITS


def archive_of(sizes: Mapping[str, int], *, size: int = SEGMENT) -> Archive:
    """The archive, from the names below the server's folder. An empty object is no segment."""
    return archive_in(_archived(sizes), size=size)


def ancestors_in(name: str, content: bytes) -> tuple[Ancestor, ...]:
    """What a history tells; nothing where it cannot be read."""
    timeline = history_in(_below_wals(name))
    text = _unpacked(name, content)
    if timeline is None or text is None:
        return ()
    try:
        return ancestry(timeline, text.decode())
    except ValueError:
        return ()


def backups_in(
    infos: Mapping[str, str], sizes: Mapping[str, int], *, size: int = SEGMENT
) -> tuple[Backup, ...]:
    """The backups that were completed, from the texts of `backup.info` by name."""
    found = (_backup(name.split("/")[1], text, sizes, size) for name, text in infos.items())
    return tuple(backup for backup in found if backup is not None)


def _archived(sizes: Mapping[str, int]) -> Iterator[str]:
    for path, stored in sizes.items():
        folder, _, name = _below_wals(path).rpartition("/")
        if stored > 0 and name and folder in {"", name[:FOLDER]}:
            yield name


def _below_wals(name: str) -> str:
    return name.removeprefix("wals/") if name.startswith("wals/") else ""


def _backup(label: str, text: str, sizes: Mapping[str, int], size: int) -> Backup | None:
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    first, last = (segment_in(said.get(key, ""), size=size) for key in ("begin_wal", "end_wal"))
    started, completed = (parse_time(said.get(key, "")) for key in ("begin_time", "end_time"))
    try:
        start, end = (position(said.get(key, "")) for key in ("begin_xlog", "end_xlog"))
    except ValueError:
        return None
    if said.get("status") != "DONE" or first is None or last is None:
        return None
    if started is None or completed is None or not (label and started <= completed):
        return None
    parent = said.get("parent_backup_id", "None")
    database = said.get("cluster_size", "")
    return Backup(
        label=label,
        kind="full" if parent == "None" else "incremental",
        started=started,
        completed=completed,
        first=first,
        last=last,
        start=start,
        end=end,
        needs=() if parent == "None" else (parent,),
        failed=said.get("error") != "None",
        stored=sum(stored for name, stored in sizes.items() if name.startswith(f"base/{label}/")),
        database=int(database) if database.isdecimal() else 0,
    )


def _unpacked(name: str, content: bytes) -> bytes | None:
    """A history's text, by the end of its name; None where it cannot be unpacked, or is too long."""
    try:
        match name.rpartition(".")[2]:
            case "history":
                found, whole = content[:HISTORY_LIMIT], len(content) <= HISTORY_LIMIT
            case "gz":
                gz = zlib.decompressobj(GZIP)
                found, whole = gz.decompress(content, HISTORY_LIMIT), gz.eof
            case "bz2":
                bz = bz2.BZ2Decompressor()
                found, whole = bz.decompress(content, HISTORY_LIMIT), bz.eof
            case "xz":
                xz = lzma.LZMADecompressor()
                found, whole = xz.decompress(content, HISTORY_LIMIT), xz.eof
            case _:
                return None
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return None
    return found if whole else None
