"""One task of the escrow: pack, seal, put, write down; then end.

The record is read first, for the numbers and for what stands before in the chain; without it nothing is
written. Each object is put under a name that never was, so nothing is written over; nothing is read back: the
store checks MD5 and SHA-256 of what it took (both are sent, the latter signed), and the credentials need no
right to read. What the record names is not put again by the next attempt. Killed between a put and the
record, that one puts once more: two objects with one number, of which the record names the later.
"""

import gzip
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import pyrage

from dedicated.agents.escrow import material
from dedicated.agents.escrow.material import MaterialError
from dedicated.agents.escrow.settings import Settings
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import (
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_RESTORE,
    MAINTENANCE,
    RECORD,
    Kind,
)
from dedicated.cluster.own_object import Door, OwnConfigMap, OwnObjectError
from dedicated.contract.recovery.bundle import (
    FORMAT,
    Contents,
    Previous,
    object_name,
    opener,
    pack,
    sha256,
    sums_of,
)
from dedicated.contract.recovery.escrow import (
    MANAGER,
    REPORT,
    Report,
    Trouble,
    What,
    Written,
    from_json,
    to_json,
)
from dedicated.probes.objects import NoObjectsError, open_objects

logger = logging.getLogger(__name__)


class TaskError(Exception):
    """The task was not carried out; the text says why, without a secret."""


async def run(settings: Settings, *, now: Callable[[], datetime]) -> bool:
    """Carry the task out; whether it was. Why not is in the log, and in the record if it can be."""
    task = _Task(settings, now)
    try:
        report = await task.recall()
        if settings.bundle and not _is_written(report.bundle, settings.bundle):
            report = await task.carry_out("Bundle", settings.bundle, report)
        if settings.ledger and not _is_written(report.ledger, settings.ledger):
            await task.carry_out("Ledger", settings.ledger, report)
    except (TaskError, OwnObjectError) as error:
        logger.error("not written", extra={"cause": str(error)})
        return False
    return True


def _is_written(written: Written | None, mark: str) -> bool:
    """By an earlier attempt of this task: it failed, or was killed, at what came after."""
    return written is not None and written.mark == mark


class _Task:
    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._door = Door(settings.api_server, settings.credentials)
        name = f"{settings.instance}-escrow"
        self._record = OwnConfigMap(
            settings.api_server, settings.credentials, settings.namespace, name, MANAGER
        )

    async def recall(self) -> Report:
        """What is known of this incarnation. Raises OwnObjectError."""
        found = from_json((await self._record.read()).get(REPORT, ""))
        known = found is not None and found.incarnation == self._settings.incarnation
        return found if found is not None and known else Report(self._settings.incarnation)

    async def carry_out(self, what: What, mark: str, report: Report) -> Report:
        """Write one object and the record of it. Raises TaskError, OwnObjectError."""
        try:
            report = await self._written(what, mark, report)
        except (MaterialError, NoObjectsError, TaskError) as error:
            trouble = Trouble(what, self._now(), str(error) or type(error).__name__)
            await self._record.write({REPORT: to_json(replace(report, trouble=trouble))})
            raise TaskError(f"{what}: {error}") from None
        await self._record.write({REPORT: to_json(report)})
        return report

    async def _written(self, what: What, mark: str, report: Report) -> Report:
        settings = self._settings
        secrets, fingerprint = material.checked_secrets(
            settings.material,
            needed=settings.secrets,
            masterkey=settings.masterkey,
            identity=f"{settings.instance}-identity",
        )
        instance, ledger = await self._listed(what)
        members = {**instance, **(secrets if what == "Bundle" else ledger), **self._config_maps(what)}
        members |= material.readme(
            material.BUNDLE_README if what == "Bundle" else material.LEDGER_README,
            instance=settings.instance,
            namespace=settings.namespace,
            masterkey=f"`secrets/{settings.masterkey}`",
            masterkey_file=f"secrets/{settings.masterkey}",
        )
        before = report.bundle if what == "Bundle" else report.ledger
        contents = self._contents(what, mark, fingerprint, before, members)
        sealed = self._sealed(pack(contents, members))
        name = object_name(settings.prefix, contents, sealed)
        await self._put(name, sealed)
        logger.info("written", extra={"what": what, "object": name, "bytes": len(sealed)})
        put = Written(mark, contents.number, name, sha256(sealed), contents.at, contents.openers)
        if what == "Ledger":
            return replace(report, ledger=put, trouble=None)
        return replace(report, bundle=put, fingerprint=fingerprint, trouble=None)

    async def _listed(self, what: What) -> tuple[dict[str, bytes], dict[str, bytes]]:
        settings = self._settings
        named = f"metadata.name={settings.instance}"
        found = await self._door.list_objects(INSTANCE, settings.namespace, field_selector=named)
        instance = material.instance_member(found, incarnation=settings.incarnation)
        if what == "Bundle":
            return instance, {}
        ledger: dict[str, bytes] = {}
        for kind, folder in ((RECORD, "records"), (MAINTENANCE, "maintenances")):
            own = await self._own(kind)
            ledger |= material.members_of(own, folder=folder, kind=kind.kind)
        orders = {kind.kind: await self._own(kind) for kind in (INSTANCE_BACKUP, INSTANCE_RESTORE)}
        return instance, ledger | material.orders_member(orders)

    async def _own(self, kind: Kind) -> list[Manifest]:
        """The objects of a kind that are about the instance."""
        every = await self._door.list_objects(kind, self._settings.namespace)
        return [one for one in every if get_str(one, "spec", "instance") == self._settings.instance]

    def _config_maps(self, what: What) -> dict[str, bytes]:
        """The months with the ledger, the others with the bundle."""
        months = f"configmaps/{self._settings.instance}-measured-"
        found = material.files_below(self._settings.material, "configmaps")
        return {name: data for name, data in found.items() if name.startswith(months) == (what == "Ledger")}

    def _contents(
        self,
        what: What,
        mark: str,
        fingerprint: str,
        before: Written | None,
        members: Mapping[str, bytes],
    ) -> Contents:
        settings = self._settings
        return Contents(
            format=FORMAT,
            what=what,
            instance=settings.instance,
            namespace=settings.namespace,
            incarnation=settings.incarnation,
            number=before.number + 1 if before else 1,
            at=self._now(),
            mark=mark,
            fingerprint=fingerprint,
            masterkey=settings.masterkey,
            versions=settings.versions,
            openers=tuple(opener(role, key) for role, key in settings.recipients),
            previous=Previous(before.object, before.sha256) if before else Previous(),
            sums=sums_of(members),
        )

    def _sealed(self, packed: bytes) -> bytes:
        """Compressed, and encrypted to every recipient."""
        try:
            recipients = [pyrage.x25519.Recipient.from_str(key) for _, key in self._settings.recipients]
        except pyrage.RecipientError:
            raise TaskError("a recipient's key is no age key: its checksum differs") from None
        sealed: bytes = pyrage.encrypt(gzip.compress(packed, mtime=0), recipients)
        return sealed

    async def _put(self, name: str, sealed: bytes) -> None:
        async with open_objects(self._settings.bucket, self._settings.access) as bucket:
            answer = await bucket.ask(method="PUT", key=name, body=sealed)
        if answer.status != 200:
            raise TaskError(f"the store refuses to put: {answer.code}")
