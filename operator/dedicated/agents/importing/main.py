"""The process: look, read, load, compare, open the keys, end. Its exit code says whether it is imported."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from dedicated.agents.export.dumping import ExportError, asked, reckoned
from dedicated.agents.importing.reading import NotImportedError, name_of, read
from dedicated.agents.importing.settings import Settings
from dedicated.agents.record import Record
from dedicated.agents.verify.opening import LIMIT, TYPES
from dedicated.agents.verify.opening import opened as opened_by
from dedicated.cluster.own_object import OwnConfigMap, OwnObjectError
from dedicated.contract.transfer.export import Database, table_findings
from dedicated.contract.transfer.import_report import MANAGER, REPORT, Report, Step, failed, report_json
from dedicated.probes import copy, target
from dedicated.probes.copy import DamagedError
from dedicated.probes.database import DatabaseError
from dedicated.probes.exported import exported
from dedicated.probes.target import MARK

logger = logging.getLogger(__name__)


async def run(settings: Settings, *, now: Callable[[], datetime]) -> bool:
    """Import, or find it done; whether it is. Why not is in the log and the record."""
    process = _Import(settings, now)
    try:
        async with process.record.written_along():
            await process.make()
    except NotImportedError as error:
        process.give_up(error)
    except DatabaseError as error:
        process.give_up(NotImportedError("TargetUnreachable", f"the instance's database: {error}"))
    except (DamagedError, ExportError, OSError) as error:
        # A text of the system's may hold a path, never what is in a file.
        told = f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else str(error)
        process.give_up(NotImportedError("ImportFailed", told))
    try:
        await process.record.last_word()
    except OwnObjectError as error:  # another attempt finds all of it there
        logger.error("the last word cannot be written", extra={"cause": str(error)})
        return False
    return process.report.step == "Completed"


class _Import:
    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self.report = Report(settings.uid, now(), "Reading", now())
        own = OwnConfigMap(
            settings.api_server, settings.credentials, settings.namespace, settings.record, MANAGER
        )
        self.record = Record(own, REPORT, lambda: report_json(self.report))

    async def make(self) -> None:
        """All of it. Raises NotImportedError, DatabaseError, DamagedError, ExportError, OSError."""
        settings, name = self._settings, name_of(self._settings)
        async with target.opened(settings.target) as there:
            found = await there.look()
        if found.state == "Foreign" or (found.state == "Complete" and found.source != name):
            text = "the instance's database has tables that are none of this import: it is not touched"
            raise NotImportedError("TargetNotEmpty", text)
        if found.state == "Complete":
            await self._open_keys()
            self._step("Completed")
            return
        self._step("Reading")
        database = await read(settings, major=found.major, told=self._progress, sized=self._sized)
        self.report = replace(self.report, snapshot=database.at)
        await self._load(database)
        await self._compare(database)
        await self._open_keys()
        async with target.opened(settings.target) as there:
            await there.end(name)
        self._step("Completed")

    async def _load(self, database: Database) -> None:
        """Into the database, which is emptied first where an import was begun."""
        self._step("Importing")
        scratch = self._settings.scratch
        async with target.opened(self._settings.target) as there:
            before = await there.begin()
        skipped = scratch / "load.skip"
        skipped.write_text("".join(f" SCHEMA - {schema} \n" for schema in before))
        skipped.chmod(0o640)
        self._progress(0, database.size)
        try:
            async with asked(scratch, "load", "-", "-"):
                pass
        except ExportError as error:
            raise NotImportedError("ImportFailed", str(error)) from None

    async def _compare(self, database: Database) -> None:
        self._step("Verifying")
        async with exported(self._settings.target) as copied:
            found = await reckoned(copied, told=self._progress, without=MARK)
        flaws = [*table_findings(database.tables, found)]
        if flaws:
            text = f"imported, it is not what the source has: {flaws[0]} ({len(flaws)} in all)"
            raise NotImportedError("ContentDiffers", text)
        rows = sum(table.rows for table in found)
        self.report = replace(self.report, tables=len(found), rows=rows)

    async def _open_keys(self) -> None:
        masterkey = await asyncio.to_thread(_read, self._settings.masterkey)
        async with copy.opened(self._settings.target) as found:
            events, stored = await found.events(), await found.encryption_keys()
            payloads = await found.sealed(TYPES, limit=LIMIT)
        if events is None:
            raise NotImportedError("NotZitadel", "there is no event store in what was imported")
        keys = opened_by(stored, payloads, masterkey=masterkey)
        self.report = replace(self.report, keys=keys.keys, keys_opened=keys.opened)
        if keys.opened < keys.keys:
            text = f"the masterkey opens {keys.opened} of {keys.keys} encryption keys: it is not theirs"
            raise NotImportedError("WrongMasterkey", text)

    def give_up(self, error: NotImportedError) -> None:
        """Tell why."""
        logger.error("not imported", extra={"code": error.code, "cause": str(error)})
        self.report = failed(self.report, error.code, str(error), at=self._now())

    def _sized(self, size: int) -> None:
        self.report = replace(self.report, size=size)

    def _step(self, step: Step) -> None:
        logger.info("step", extra={"step": step})
        self.report = replace(self.report, step=step, written=self._now(), done=0, total=0)

    def _progress(self, done: int, total: int) -> None:
        self.report = replace(self.report, done=done, total=total, written=self._now())


def _read(file: Path) -> bytes:
    return file.read_bytes()
