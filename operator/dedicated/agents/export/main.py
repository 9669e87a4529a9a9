"""The process: dump, prove, store, write the manifest, end. Its exit code says whether to try again."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from dedicated.agents.escrow.material import MaterialError
from dedicated.agents.export import bundle, dumping
from dedicated.agents.export.dumping import ExportError
from dedicated.agents.export.keeping import Kept, keep, recall
from dedicated.agents.export.settings import Settings
from dedicated.agents.export.storing import Storing
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.export import (
    FORMAT,
    KEYS,
    MANAGER,
    MANIFEST,
    README,
    REPORT,
    Database,
    File,
    Manifest,
    Report,
    Step,
    Took,
    failed,
    manifest_json,
    report_json,
)
from dedicated.contract.export_readme import readme
from dedicated.parts.database.engine import USER
from dedicated.probes.database import DatabaseError
from dedicated.probes.objects import NoObjectsError, open_objects

TELL_SECONDS = 5.0
RETRY, ATTEMPTS = 5.0, 60
"""Seconds between two attempts to write the last word, and how many."""
CAUSES = (ExportError, MaterialError, DatabaseError, NoObjectsError, OwnObjectError, OSError)
"""Why it could not be made; what is not made can be tried again."""

logger = logging.getLogger(__name__)


async def run(settings: Settings, *, now: Callable[[], datetime]) -> bool:
    """Make the export, or go on with it; whether it is completed. Why not is in the log and the record."""
    os.umask(0o007)
    export = _Export(settings, now)
    try:
        async with export.telling():
            await export.make()
    except CAUSES as error:
        # A text of the system's may hold a path, never what is in a file.
        cause = str(error) if not isinstance(error, OSError) else f"{type(error).__name__}: {error.strerror}"
        logger.error("not exported", extra={"cause": cause})
        export.report = failed(export.report, cause, at=now())
    try:
        await export.last_word()
    except OwnObjectError as error:  # another attempt finds all of it stored
        logger.error("the last word cannot be written", extra={"cause": str(error)})
        return False
    return export.report.step == "Completed"


class _Export:
    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._kept = recall(settings.scratch, export=settings.export, now=now())
        self.report = Report(settings.export, now(), "Dumping", self._kept.started)
        self._record = OwnConfigMap(
            settings.api_server, settings.credentials, settings.namespace, settings.record, MANAGER
        )

    async def make(self) -> None:
        """All of it. Raises what is in `CAUSES`."""
        database = self._kept.dumped or await self._dump()
        self.report = replace(
            self.report,
            snapshot=database.at,
            database_bytes=database.size,
            dump_bytes=sum(path.stat().st_size for path in dumping.files(self._settings.scratch)),
            rows=sum(table.rows for table in database.tables),
        )
        if not self._kept.verified:
            await self._prove(database)
        await self._store(database)

    async def _dump(self) -> Database:
        begun = self._step("Dumping")
        database = await dumping.dumped(
            self._settings.scratch, self._settings.connection, told=self._progress
        )
        self._keep(replace(self._kept, dumped=database, took=Took(dump=time.monotonic() - begun)))
        return database

    async def _prove(self, database: Database) -> None:
        begun = self._step("Verifying")
        found = await dumping.proven(self._settings.scratch, database, told=self._progress)
        if found:
            raise ExportError(f"imported, it is not what was exported: {found[0]} ({len(found)} in all)")
        took = replace(self._kept.took, verify=time.monotonic() - begun)
        self._keep(replace(self._kept, verified=True, took=took))

    async def _store(self, database: Database) -> None:
        begun, settings, scratch = self._step("Storing"), self._settings, self._settings.scratch
        keys = await bundle.packed(settings, at=database.at)
        (scratch / KEYS).write_bytes(keys.data)
        sources = {
            str(path.relative_to(scratch)): path for path in (*dumping.files(scratch), scratch / KEYS)
        }
        self._progress(0, 2 * sum(path.stat().st_size for path in sources.values()))
        async with open_objects(settings.bucket, settings.access) as bucket:
            storing = Storing(
                bucket,
                folder=settings.folder,
                scratch=scratch,
                recipient=settings.recipient,
                kept=self._kept,
                progressed=self._moved,
            )
            files = [await storing.store(name, path) for name, path in sources.items()]
            self._kept = storing.kept
            manifest = self._manifest(database, tuple(files), fingerprint=keys.fingerprint)
            data = manifest_json(manifest)
            await storing.put(README, readme(manifest, database=USER, keys=keys.paths).encode())
            await storing.put(MANIFEST, data)
        self._completed(data, files, took=time.monotonic() - begun)

    def _completed(self, manifest: bytes, files: list[File], *, took: float) -> None:
        self.report = replace(
            self.report,
            step="Completed",
            written=self._now(),
            took=replace(self._kept.took, store=took),
            stored_bytes=sum(file.sealed_size for file in files),
            manifest=f"{self._settings.folder}/{MANIFEST}",
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
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

    def _step(self, step: Step) -> float:
        logger.info("step", extra={"step": step})
        self.report = replace(self.report, step=step, written=self._now(), done=0, total=0)
        return time.monotonic()

    def _progress(self, done: int, total: int) -> None:
        self.report = replace(self.report, done=done, total=total, written=self._now())

    def _moved(self, count: int) -> None:
        done = min(self.report.total, self.report.done + count)
        self.report = replace(self.report, done=done, written=self._now())

    def _keep(self, kept: Kept) -> None:
        self._kept = kept
        keep(self._settings.scratch, kept)

    @asynccontextmanager
    async def telling(self) -> AsyncIterator[None]:
        """Write the report now and then for the time of the block. A failure holds up nothing."""
        task = asyncio.create_task(self._tell(), name="telling")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self) -> None:
        written: Report | None = None
        while True:
            if self.report != written:
                try:
                    await self._write()
                    written = self.report
                except OwnObjectError as error:
                    logger.warning("the report cannot be written", extra={"cause": str(error)})
            await asyncio.sleep(TELL_SECONDS)

    async def last_word(self) -> None:
        """Write the report. Raises OwnObjectError after many attempts."""
        for attempt in range(ATTEMPTS):
            try:
                await self._write()
            except OwnObjectError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(RETRY)
            else:
                return

    async def _write(self) -> None:
        await self._record.write({REPORT: report_json(self.report)})
