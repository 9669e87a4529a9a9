"""What a client was answered, and when: the raw material of every judgement."""

import re
import time
from dataclasses import dataclass

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_REASON = re.compile(rb'"reason" *: *"(\w+)"')


@dataclass(slots=True)
class Answer:
    """One request: asked at `sent`, answered at `done` (monotonic seconds). Status 0: it broke."""

    sent: float
    done: float = 0.0
    status: int = 0
    head: bytes = b""
    body: bytes = b""

    @property
    def admitted(self) -> bool:
        """Whether it was let through."""
        return self.status not in (0, 429)

    @property
    def reason(self) -> str:
        """Why it was refused: `limited` or `banned`; empty where it was not."""
        found = _REASON.search(self.body) if self.status == 429 else None
        return found[1].decode() if found else ""

    def header(self, name: str) -> str | None:
        """The value of a header of the answer."""
        found = re.search(rb"(?im)^" + re.escape(name.encode()) + rb": *(.*?)\r?$", self.head)
        return found[1].decode("latin-1") if found else None


def take(buffer: bytearray, answer: Answer) -> bool:
    """Cut one HTTP/1.1 answer off the buffer, if it is whole. No chunks: none of the back ends sends any."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(buffer[:end])
    status = int(head[9:12])
    length = 0
    if status not in (204, 304) and (found := _LENGTH.search(head)):
        length = int(found[1])
    whole = end + 4 + length
    if len(buffer) < whole:
        return False
    answer.head, answer.status, answer.body = head, status, bytes(buffer[end + 4 : whole])
    answer.done = time.monotonic()
    del buffer[:whole]
    return True
