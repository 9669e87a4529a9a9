"""What is imported, brought beside PostgreSQL's programs and checked: an export's objects, or a new dump."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pyrage

from dedicated.agents.export.dumping import ExportError, Told, dumped
from dedicated.agents.export.folder import NotAnIdentityError, check, identity_in
from dedicated.agents.importing.settings import Settings, Stored
from dedicated.api.catalogue import version_key
from dedicated.contract.transfer.export import (
    DUMP,
    MANIFEST,
    SEALED,
    Database,
    File,
    Manifest,
    read_manifest,
)
from dedicated.contract.transfer.import_report import Code
from dedicated.probes.database import DatabaseError
from dedicated.probes.objects import BODY_LIMIT, NoObjectsError, Objects, open_objects

SEALED_FOLDER = "sealed"
"""Where the objects of an export are kept beside what is opened of them."""
SLOWEST = 256 * 1024
"""Bytes per second, below which a request is given up."""


class NotImportedError(Exception):
    """It cannot be imported; the text says why, without a secret and without a row."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


def name_of(settings: Settings) -> str:
    """What is imported, as the database says of itself in the end. What is read from a running database is
    another one for each incarnation: what it held then, nobody can compare it with again."""
    stored = settings.stored
    return f"export {stored.manifest_sha256}" if stored else f"database, for {settings.uid}"


async def read(settings: Settings, *, major: int, told: Told, sized: Callable[[int], None]) -> Database:
    """What the dump beside the programs holds. `major` is the instance's own server's; `sized` is told the
    database's bytes as soon as they are known.

    Raises NotImportedError, OSError.
    """
    if settings.stored is not None:
        return await _fetched(settings, settings.stored, major=major, told=told, sized=sized)
    try:
        database = await dumped(settings.scratch, settings.source, told=told)
    except (DatabaseError, ExportError) as error:
        raise NotImportedError("SourceUnreachable", f"the source: {error}") from None
    sized(database.size)
    _refuse_older(database, "", settings, major=major)
    return database


def _refuse_older(database: Database, zitadel: str, settings: Settings, *, major: int) -> None:
    """Raises NotImportedError where the server, or the release, is older than the data."""
    if major < database.major:
        text = f"PostgreSQL {major} is older than {database.major}, which made the dump"
        raise NotImportedError("VersionTooOld", text)
    if version_key(settings.zitadel) < version_key(zitadel):
        text = f"ZITADEL {settings.zitadel} is older than {zitadel}, which ran on the data"
        raise NotImportedError("VersionTooOld", text)


async def _fetched(
    settings: Settings, stored: Stored, *, major: int, told: Told, sized: Callable[[int], None]
) -> Database:
    folder = settings.scratch / SEALED_FOLDER
    try:
        async with open_objects(stored.bucket, stored.access) as bucket:
            manifest = await _manifest(bucket, stored)
            sized(manifest.database.size)
            _refuse_older(manifest.database, manifest.zitadel, settings, major=major)
            total = sum(file.sealed_size for file in manifest.files)
            done = 0
            for file in manifest.files:
                told(done, total)
                await _download(bucket, stored, file, folder)
                done += file.sealed_size
            told(done, total)
    except NoObjectsError as error:
        raise NotImportedError("SourceUnreachable", f"the store answers {error}") from None
    await asyncio.to_thread(_opened, settings.scratch, folder, manifest, stored)
    return manifest.database


async def _manifest(bucket: Objects, stored: Stored) -> Manifest:
    data = await bucket.read(f"{stored.folder}/{MANIFEST}")
    if hashlib.sha256(data).hexdigest() != stored.manifest_sha256:
        raise NotImportedError("FileDamaged", f"{MANIFEST} is not the one named: its SHA-256 differs")
    try:
        return read_manifest(data)
    except ValueError as error:
        raise NotImportedError("FileDamaged", str(error)) from None


async def _download(bucket: Objects, stored: Stored, file: File, into: Path) -> None:
    """One object, piece by piece; one that is there whole already is not asked for again."""
    path = into / (file.name + SEALED)
    if path.is_file() and path.stat().st_size == file.sealed_size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    key = f"{stored.folder}/{file.name}{SEALED}"
    with path.open("wb") as out:
        for begin in range(0, file.sealed_size, BODY_LIMIT):
            end = min(file.sealed_size, begin + BODY_LIMIT)
            answer = await bucket.ask(key=key, span=(begin, end), seconds=15 + (end - begin) / SLOWEST)
            if answer.status in (404, 416):
                raise NotImportedError("FileDamaged", f"FileMissing {file.name}{SEALED}: {answer.code}")
            if answer.status >= 300:
                raise NoObjectsError(answer.code)
            out.write(answer.body)


def _opened(scratch: Path, folder: Path, manifest: Manifest, stored: Stored) -> None:
    """Every object is held against its checksums, and opened into the dump."""
    try:
        identity: pyrage.x25519.Identity = identity_in(stored.identity)
    except NotAnIdentityError as error:
        raise NotImportedError("FileNotOpened", str(error)) from None
    shutil.rmtree(scratch / DUMP, ignore_errors=True)
    flaws = [*check(folder, manifest, identity, output=scratch)]
    if flaws:
        shutil.rmtree(folder, ignore_errors=True)  # the next attempt asks for all of it anew
        code: Code = "FileNotOpened" if flaws[0].code == "FileNotOpened" else "FileDamaged"
        more = f" ({len(flaws)} in all)" if len(flaws) > 1 else ""
        raise NotImportedError(code, f"{flaws[0]}{more}")
    shutil.rmtree(folder, ignore_errors=True)
    for path in (scratch / DUMP, *(scratch / DUMP).rglob("*")):
        path.chmod(0o770 if path.is_dir() else 0o640)
