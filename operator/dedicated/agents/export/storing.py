"""Files sealed one by one, sent, and read back: no more than one of them is there twice at a time."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyrage

from dedicated.agents.export.dumping import ExportError
from dedicated.agents.export.keeping import Kept, keep
from dedicated.contract.transfer.export import SEALED, File
from dedicated.probes.objects import NoObjectsError, Objects
from dedicated.probes.uploads import Upload, read_back, send

PIECE = 1024 * 1024
ATTEMPTS = 5
PAUSE = 2.0
"""Seconds before a second attempt, twice as many before each further one."""
FORGOTTEN = frozenset({"NoSuchUpload", "InvalidPart", "NotCompleted"})
"""Codes for an upload that the store does not know. It may be that it was ended, by a process that was killed
before it had read the object back: what the store hands out decides."""


class Storing:
    """Stores files below a folder of a bucket; what was reached is kept in `scratch` after each part.

    `progressed` is told the bytes that went over the wire.
    """

    def __init__(
        self,
        bucket: Objects,
        *,
        folder: str,
        scratch: Path,
        recipient: str,
        kept: Kept,
        progressed: Callable[[int], None],
    ) -> None:
        self.kept = kept
        self._bucket = bucket
        self._folder = folder
        self._scratch = scratch
        self._recipient = recipient
        self._progressed = progressed

    async def store(self, name: str, source: Path) -> File:
        """Seal, send and read back one file. Raises ExportError, NoObjectsError, OSError."""
        if name in self.kept.stored:
            return self.kept.sealed[name]
        sealed = self._scratch / ("sealed-" + hashlib.sha256(name.encode()).hexdigest()[:16])
        file = self.kept.sealed.get(name)
        if file is None or not sealed.exists():
            file = await asyncio.to_thread(seal, source, sealed, name=name, recipient=self._recipient)
            uploads = {other: how for other, how in self.kept.uploads.items() if other != name}
            self._keep(replace(self.kept, sealed={**self.kept.sealed, name: file}, uploads=uploads))
        await self._again(lambda: self._stored(name, sealed, file))
        self._keep(replace(self.kept, stored=(*self.kept.stored, name)))
        sealed.unlink()
        return file

    async def put(self, name: str, data: bytes) -> None:
        """A small object as it is, not sealed. Raises NoObjectsError."""

        async def once() -> None:
            answer = await self._bucket.ask(method="PUT", key=f"{self._folder}/{name}", body=data)
            if answer.status >= 300:
                raise NoObjectsError(answer.code)

        await self._again(once)

    async def _stored(self, name: str, sealed: Path, file: File) -> None:
        key = f"{self._folder}/{name}{SEALED}"

        def sent(upload: Upload, count: int) -> None:
            self._progressed(count)
            self._keep(replace(self.kept, uploads={**self.kept.uploads, name: upload}))

        why = NoObjectsError(f"{name}: the store hands out other bytes than were sent")
        try:
            await send(self._bucket, key, sealed, known=self.kept.uploads.get(name, Upload()), sent=sent)
        except NoObjectsError as error:
            if str(error) not in FORGOTTEN:
                raise
            why = error
        if await read_back(self._bucket, key, file.sealed_size, read=self._progressed) != file.sealed_sha256:
            sent(Upload(), 0)
            raise why

    async def _again(self, once: Callable[[], object]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                await once()  # type: ignore[misc]
            except NoObjectsError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PAUSE * 2**attempt)
            else:
                return

    def _keep(self, kept: Kept) -> None:
        self.kept = kept
        keep(self._scratch, kept)


def seal(source: Path, sealed: Path, *, name: str, recipient: str) -> File:
    """Encrypt a file into another one, as a stream. Raises ExportError for no recipient, OSError."""
    try:
        to = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise ExportError("the recipient is no age key: its checksum differs") from None
    with source.open("rb") as plain, sealed.open("wb") as out:
        pyrage.encrypt_io(plain, out, [to])
    return File(name, source.stat().st_size, _sha256(source), sealed.stat().st_size, _sha256(sealed))


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()
