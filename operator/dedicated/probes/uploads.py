"""A file into a store, part by part, so that what was sent is not sent again; and read back, piece by piece.

Each part is signed with its SHA-256 and carries its MD5, which the store checks. What it then has is read
back and hashed all the same: an ETag is a store's word, and of many stores no checksum of anything.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from dedicated.probes.objects import BODY_LIMIT, Answer, NoObjectsError, Objects, texts

PART = 8 * 1024 * 1024
"""Bytes of a part, at least. A store takes 10,000 parts."""
MOST_PARTS = 9_000
SLOWEST = 256 * 1024
"""Bytes per second, below which a request is given up."""


@dataclass(frozen=True, slots=True)
class Upload:
    """How far an upload is: the store's name of it, and the tags of the parts that it has, in order."""

    id: str = ""
    tags: tuple[str, ...] = field(default=())


async def send(
    bucket: Objects, key: str, file: Path, *, known: Upload, sent: Callable[[Upload, int], None]
) -> None:
    """Send a file, from where `known` says on. `sent` is told after each part, with its bytes.

    Raises NoObjectsError, and OSError of the file.
    """
    size = file.stat().st_size  # noqa: ASYNC240 - a local file, of which a part is read at a time
    if size <= PART:
        _checked(await _put(bucket, key, file.read_bytes()))  # noqa: ASYNC240
        sent(Upload(), size)
        return
    upload = known if known.id else Upload(await _begun(bucket, key))
    part = max(PART, -(-size // MOST_PARTS))
    with file.open("rb") as source:
        source.seek(len(upload.tags) * part)
        while piece := source.read(part):
            number = len(upload.tags) + 1
            query = f"partNumber={number}&uploadId={quote(upload.id, safe='')}"
            answer = _checked(await _put(bucket, key, piece, query))
            upload = Upload(upload.id, (*upload.tags, answer.headers.get("ETag", "")))
            sent(upload, len(piece))
    await _ended(bucket, key, upload)


async def read_back(bucket: Objects, key: str, size: int, *, read: Callable[[int], None]) -> str:
    """SHA-256 of an object of so many bytes, as the store hands it out; empty where it has none, or another
    size. Raises NoObjectsError."""
    found, begin = hashlib.sha256(), 0
    while begin < size:
        end = min(size, begin + BODY_LIMIT)
        answer = await bucket.ask(key=key, span=(begin, end), seconds=_seconds(end - begin))
        if answer.status == 404 or len(answer.body) != end - begin:
            return ""
        _checked(answer)
        found.update(answer.body)
        read(end - begin)
        begin = end
    return found.hexdigest()


async def _put(bucket: Objects, key: str, body: bytes, query: str = "") -> Answer:
    return await bucket.ask(query, method="PUT", key=key, body=body, seconds=_seconds(len(body)))


async def _begun(bucket: Objects, key: str) -> str:
    answer = _checked(await bucket.ask("uploads=", method="POST", key=key))
    return next(texts(answer.body, "UploadId"), "")


async def _ended(bucket: Objects, key: str, upload: Upload) -> None:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
        for number, tag in enumerate(upload.tags, 1)
    )
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    query = f"uploadId={quote(upload.id, safe='')}"
    answer = _checked(await bucket.ask(query, method="POST", key=key, body=body, seconds=300))
    # A store may begin its answer with 200 before it knows how it ends.
    if (code := next(texts(answer.body, "Code"), "")) or not next(texts(answer.body, "ETag"), ""):
        raise NoObjectsError(code or "NotCompleted")


def _checked(answer: Answer) -> Answer:
    if answer.status >= 300:
        raise NoObjectsError(answer.code)
    return answer


def _seconds(size: int) -> float:
    return 15.0 + size / SLOWEST
