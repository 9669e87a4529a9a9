"""A physical export: the repository is listed, each object addressed, every address tried, the list sealed.

Nothing of it is kept over a process that is killed: it is done within minutes, and addresses that are older
than the manifest says would be of less use. The next process begins anew under the same names.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dedicated.agents.export import bundle
from dedicated.agents.export.bundle import Packed
from dedicated.agents.export.dumping import ExportError
from dedicated.agents.export.keeping import Kept
from dedicated.agents.export.settings import Settings, Source
from dedicated.agents.export.storing import Storing
from dedicated.agents.export.telling import Telling
from dedicated.agents.recovery.repositories import PgBackRestRepository
from dedicated.contract.recovery.wal import SEGMENT
from dedicated.contract.transfer.export import KEYS, MANIFEST, README, File
from dedicated.contract.transfer.physical_export import (
    ADDRESSES,
    FORMAT,
    REPOSITORY,
    Addressed,
    Chosen,
    NothingToExportError,
    PhysicalManifest,
    Place,
    addressed,
    chosen,
    curl_config,
    physical_json,
)
from dedicated.contract.transfer.physical_readme import physical_readme
from dedicated.parts.database import pgbackrest
from dedicated.parts.database.engine import USER
from dedicated.probes.objects import NoObjectsError, Objects, open_objects
from dedicated.probes.repository import PgBackRest


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be addressed, and by which program it was read."""

    selected: Chosen
    place: Place
    objects: tuple[Addressed, ...]
    program: str


async def make(settings: Settings, source: Source, telling: Telling) -> None:
    """All of it. Raises ExportError, MaterialError, NoObjectsError, RepositoryError, NothingToExportError,
    OSError."""
    telling.step("Listing")
    async with open_objects(source.bucket, source.access) as repository:
        found = await _found(source, repository, now=telling.now())
        total = sum(one.size for one in found.objects)
        telling.report = replace(
            telling.report,
            snapshot=found.selected.reached.committed,
            objects=len(found.objects),
            object_bytes=total,
        )
        telling.step("Verifying")
        telling.progress(0, total)
        written = telling.now().replace(microsecond=0)
        addresses = await _addresses(source, repository, found.objects, written, telling)
        infos = {name: await _read(source, repository, name) for name in found.place.infos}
    keys = await bundle.packed(settings, at=written)
    files = {
        ADDRESSES: curl_config(addresses).encode(),
        KEYS: keys.data,
        **{f"{REPOSITORY}/{name}": data for name, data in infos.items()},
    }
    await _stored(settings, source, telling, found, keys, files, written=written)


async def _found(source: Source, repository: Objects, *, now: datetime) -> _Found:
    """What a restore needs, held against what there is."""
    probe = PgBackRest(source.configuration, source.stanza, source.program, environment=source.environment)
    program = re.sub(r"[^.0-9]", "", await probe.version())
    info = await probe.info()
    if newer := pgbackrest.unreadable_by(info, program):
        raise ExportError(f"backups are made by pgBackRest {newer}, and this is {program}")
    archive_id = (await probe.read()).archive_id
    if not archive_id:
        raise NothingToExportError("the repository holds no archive")
    place = Place(source.stanza, archive_id)
    listing = await PgBackRestRepository(probe).listing(at=now, archived_before=None, segment_size=SEGMENT)
    selected = chosen(listing, now=now)
    label = selected.backup.label
    try:
        files = pgbackrest.files_in(await probe.manifest(label), label)
    except ValueError as error:
        raise ExportError(str(error)) from None
    root = f"{source.folder}/".removeprefix("/")
    sizes = {
        name.removeprefix(root): size
        for folder in (place.archive, place.backup(label))
        async for name, size in repository.sizes(root + folder)
    }
    return _Found(selected, place, addressed(selected, place, sizes, files), program)


async def _addresses(
    source: Source,
    repository: Objects,
    objects: tuple[Addressed, ...],
    written: datetime,
    telling: Telling,
) -> dict[str, str]:
    """An address of each object, by name, every one of them tried without a key."""
    found: dict[str, str] = {}
    for one in objects:
        address = await repository.address(_key(source, one.name), at=written, valid_for=source.valid_for)
        try:
            size = await repository.reached(address)
        except NoObjectsError as error:
            raise ExportError(f"{one.name}: its address is not answered: {error}") from None
        if size != one.size:
            raise ExportError(f"{one.name}: its address leads to {size} bytes, {one.size} were listed")
        found[one.name] = address
        telling.moved(one.size)
    return found


async def _read(source: Source, repository: Objects, name: str) -> bytes:
    try:
        return await repository.read(_key(source, name))
    except NoObjectsError as error:
        raise ExportError(f"{name}: {error}") from None


async def _stored(
    settings: Settings,
    source: Source,
    telling: Telling,
    found: _Found,
    keys: Packed,
    contents: Mapping[str, bytes],
    *,
    written: datetime,
) -> None:
    """Seal and store the files, the README, and the manifest last."""
    telling.step("Storing")
    telling.progress(0, 2 * sum(len(data) for data in contents.values()))
    async with open_objects(settings.bucket, settings.access) as bucket:
        storing = Storing(
            bucket,
            folder=settings.folder,
            scratch=settings.scratch,
            recipient=settings.recipient,
            kept=Kept(settings.export, written),
            progressed=telling.moved,
        )
        files = [await storing.store(name, _plain(settings, name, data)) for name, data in contents.items()]
        manifest = _manifest(settings, source, found, tuple(files), keys.fingerprint, written)
        data = physical_json(manifest)
        readme = physical_readme(manifest, passphrase=source.passphrase, keys=keys.paths, owner=USER)
        await storing.put(README, readme.encode())
        await storing.put(MANIFEST, data)
    telling.report = replace(
        telling.report,
        step="Completed",
        written=telling.now(),
        stored_bytes=sum(file.sealed_size for file in files),
        expires=manifest.expires,
        manifest=f"{settings.folder}/{MANIFEST}",
        manifest_sha256=hashlib.sha256(data).hexdigest(),
    )


def _plain(settings: Settings, name: str, data: bytes) -> Path:
    """A file to be sealed. It goes with the pod."""
    path = settings.scratch / "plain" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _manifest(
    settings: Settings,
    source: Source,
    found: _Found,
    files: tuple[File, ...],
    fingerprint: str,
    written: datetime,
) -> PhysicalManifest:
    return PhysicalManifest(
        format=FORMAT,
        export=settings.export,
        instance=settings.instance,
        namespace=settings.namespace,
        incarnation=settings.uid,
        zitadel=settings.zitadel,
        fingerprint=fingerprint,
        recipient=settings.recipient,
        engine="pgBackRest",
        program=found.program,
        major=found.place.major,
        stanza=source.stanza,
        cipher=bool(source.passphrase),
        backup=found.selected.backup.label,
        database_bytes=found.selected.backup.database,
        reached=found.selected.reached,
        written=written,
        expires=written + source.valid_for,
        objects=found.objects,
        files=files,
    )


def _key(source: Source, name: str) -> str:
    return f"{source.folder}/{name}".removeprefix("/")
