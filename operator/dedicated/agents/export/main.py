"""The process: dump, prove, store, write the manifest, end. Its exit code says whether to try again."""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dedicated.agents.escrow.material import MaterialError
from dedicated.agents.export import bundle, dumping, physical
from dedicated.agents.export.dumping import ExportError
from dedicated.agents.export.keeping import Kept, keep, recall
from dedicated.agents.export.settings import Settings
from dedicated.agents.export.storing import Storing
from dedicated.agents.export.telling import Telling
from dedicated.cluster.own_object import OwnObjectError
from dedicated.contract.transfer.export import (
    FORMAT,
    KEYS,
    MANIFEST,
    README,
    Database,
    File,
    Manifest,
    Report,
    Step,
    Took,
    failed,
    manifest_json,
)
from dedicated.contract.transfer.export_readme import readme
from dedicated.contract.transfer.physical_export import NothingToExportError
from dedicated.parts.database.engine import USER
from dedicated.probes.database import DatabaseError
from dedicated.probes.objects import NoObjectsError, open_objects
from dedicated.probes.repository import RepositoryError

CAUSES = (
    ExportError, MaterialError, DatabaseError, NoObjectsError, OwnObjectError, RepositoryError,
    NothingToExportError, OSError,
)  # fmt: skip
"""Why it could not be made; what is not made can be tried again."""

logger = logging.getLogger(__name__)


async def run(settings: Settings, *, now: Callable[[], datetime]) -> bool:
    """Make the export, or go on with it; whether it is completed. Why not is in the log and the record."""
    at = now()
    kept = recall(settings.scratch, export=settings.export, now=at)
    first: Step = "Listing" if settings.repository is not None else "Dumping"
    telling = Telling(settings, Report(settings.export, at, first, kept.started), now=now)
    try:
        async with telling.record.written_along():
            if settings.repository is not None:
                await physical.make(settings, settings.repository, telling)
            else:
                await _Export(settings, kept, telling).make()
    except CAUSES as error:
        # A text of the system's may hold a path, never what is in a file.
        cause = str(error) if not isinstance(error, OSError) else f"{type(error).__name__}: {error.strerror}"
        logger.error("not exported", extra={"cause": cause})
        telling.report = failed(telling.report, cause, at=now())
    try:
        await telling.record.last_word()
    except OwnObjectError as error:  # another attempt finds all of it stored
        logger.error("the last word cannot be written", extra={"cause": str(error)})
        return False
    return telling.report.step == "Completed"


class _Export:
    def __init__(self, settings: Settings, kept: Kept, telling: Telling) -> None:
        self._settings = settings
        self._kept = kept
        self._telling = telling

    async def make(self) -> None:
        """All of it. Raises what is in `CAUSES`."""
        database = self._kept.dumped or await self._dump()
        self._telling.report = replace(
            self._telling.report,
            snapshot=database.at,
            database_bytes=database.size,
            dump_bytes=sum(path.stat().st_size for path in dumping.files(self._settings.scratch)),
            rows=sum(table.rows for table in database.tables),
        )
        if not self._kept.verified:
            await self._prove(database)
        if self._settings.bucket:
            await self._store(database)
        else:  # a drill
            self._ended(took=self._kept.took)

    async def _dump(self) -> Database:
        begun = self._telling.step("Dumping")
        database = await dumping.dumped(
            self._settings.scratch, self._settings.connection, told=self._telling.progress
        )
        self._keep(replace(self._kept, dumped=database, took=Took(dump=time.monotonic() - begun)))
        return database

    async def _prove(self, database: Database) -> None:
        begun = self._telling.step("Verifying")
        found = await dumping.proven(self._settings.scratch, database, told=self._telling.progress)
        if found:
            raise ExportError(f"imported, it is not what was exported: {found[0]} ({len(found)} in all)")
        took = replace(self._kept.took, verify=time.monotonic() - begun)
        self._keep(replace(self._kept, verified=True, took=took))

    async def _store(self, database: Database) -> None:
        begun, settings, scratch = self._telling.step("Storing"), self._settings, self._settings.scratch
        keys = await bundle.packed(settings, at=database.at)
        (scratch / KEYS).write_bytes(keys.data)
        sources = {str(path.relative_to(scratch)): path for path in (*dumping.files(scratch), scratch / KEYS)}
        self._telling.progress(0, 2 * sum(path.stat().st_size for path in sources.values()))
        async with open_objects(settings.bucket, settings.access) as bucket:
            storing = Storing(
                bucket,
                folder=settings.folder,
                scratch=scratch,
                recipient=settings.recipient,
                kept=self._kept,
                progressed=self._telling.moved,
            )
            files = [await storing.store(name, path) for name, path in sources.items()]
            self._kept = storing.kept
            manifest = self._manifest(database, tuple(files), fingerprint=keys.fingerprint)
            data = manifest_json(manifest)
            await storing.put(README, readme(manifest, database=USER, keys=keys.paths).encode())
            await storing.put(MANIFEST, data)
        self._completed(data, files, took=time.monotonic() - begun)

    def _completed(self, manifest: bytes, files: list[File], *, took: float) -> None:
        self._ended(took=replace(self._kept.took, store=took))
        self._telling.report = replace(
            self._telling.report,
            stored_bytes=sum(file.sealed_size for file in files),
            manifest=f"{self._settings.folder}/{MANIFEST}",
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        )

    def _ended(self, *, took: Took) -> None:
        self._telling.report = replace(
            self._telling.report, step="Completed", written=self._telling.now(), took=took
        )

    def _manifest(self, database: Database, files: tuple[File, ...], *, fingerprint: str) -> Manifest:
        settings = self._settings
        return Manifest(
            format=FORMAT,
            export=settings.export,
            instance=settings.instance,
            namespace=settings.namespace,
            incarnation=settings.uid,
            zitadel=settings.zitadel,
            fingerprint=fingerprint,
            recipient=settings.recipient,
            database=database,
            files=files,
        )

    def _keep(self, kept: Kept) -> None:
        self._kept = kept
        keep(self._settings.scratch, kept)
