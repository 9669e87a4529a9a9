"""A bucket in memory, behind the same questions: objects, uploads in parts, and how often each was sent."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast
from urllib.parse import parse_qs

from dedicated.probes.objects import Access, Answer, Objects


class Ask(Protocol):
    """`Objects.ask`."""

    def __call__(
        self,
        query: str = "",
        *,
        method: str = "GET",
        key: str = "",
        body: bytes = b"",
        span: tuple[int, int] | None = None,
        seconds: float = 0,
    ) -> Awaitable[Answer]:
        """One request."""


@dataclass
class Bucket:
    """What a store holds. `sent` counts the requests that put bytes: by object, and by part of one."""

    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    begun: int = 0

    async def ask(
        self,
        query: str = "",
        *,
        method: str = "GET",
        key: str = "",
        body: bytes = b"",
        span: tuple[int, int] | None = None,
        seconds: float = 0,  # noqa: ARG002 - the real one's
    ) -> Answer:
        """As S3 answers, and at once: an upload that was ended is not known any more."""
        told = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        match method:
            case "PUT" if "uploadId" in told:
                return self._part(key, told, body)
            case "PUT":
                self.sent[key] += 1
                self.objects[key] = body
                return Answer(200, b"", {"ETag": "e"})
            case "POST" if "uploads" in told:
                self.begun += 1
                self.uploads[f"u{self.begun}"] = {}
                return Answer(200, f"<R><UploadId>u{self.begun}</UploadId></R>".encode())
            case "POST":
                return self._ended(key, told["uploadId"])
        if key not in self.objects:
            return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return Answer(200, self.objects[key][slice(*(span or (None, None)))])

    def _part(self, key: str, told: dict[str, str], body: bytes) -> Answer:
        parts = self.uploads.get(told["uploadId"])
        if parts is None:
            return Answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        self.sent[f"{key}#{told['partNumber']}"] += 1
        parts[int(told["partNumber"])] = body
        return Answer(200, b"", {"ETag": f"e{told['partNumber']}"})

    def _ended(self, key: str, upload: str) -> Answer:
        parts = self.uploads.pop(upload, None)
        if parts is None:
            return Answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        return Answer(200, b"<R><ETag>e</ETag></R>")


@dataclass
class _Door:
    ask: Ask


def opening(ask: Ask) -> Callable[[str, Access], object]:
    """`open_objects` onto a bucket by its `ask`."""

    @asynccontextmanager
    async def open_objects(_: str, __: Access) -> AsyncIterator[Objects]:
        yield cast(Objects, _Door(ask))

    return open_objects
