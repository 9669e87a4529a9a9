"""Calendars as RFC 5545 files, for the programs in which people keep their dates.

Only events in UTC are written, so of the format three rules on text are needed: escapes, lines of 75 octets,
and CRLF. A library would bring recurrences and zones that this has no use for, into the operator's image.
An event's UID follows from what it is about, so that a file imported again moves events, and doubles none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dedicated.api.json import digest

OCTETS = 75
"""Of a line, its CRLF not counted."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event; without an end it is an instant. `subject` tells it from all others of the same instance."""

    subject: str
    start: datetime
    summary: str
    end: datetime | None = None
    description: str = ""
    busy: bool = False


def calendar_file(events: Sequence[Event], *, owner: str, stamp: datetime) -> str:
    """The file of an instance's events; `owner` is namespace/name, `stamp` when it was made."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//dedicated-operator//calendar//EN"]
    lines.append(f"NAME:{_escaped(owner)}")
    for event in events:
        lines += _event(event, owner, stamp)
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _event(event: Event, owner: str, stamp: datetime) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{digest([owner, event.subject])}@dedicated.zitadel.com"
    yield f"DTSTAMP:{_utc(stamp)}"
    yield f"DTSTART:{_utc(event.start)}"
    if event.end is not None:
        yield f"DTEND:{_utc(event.end)}"
    yield f"SUMMARY:{_escaped(event.summary)}"
    if event.description:
        yield f"DESCRIPTION:{_escaped(event.description)}"
    yield f"TRANSP:{'OPAQUE' if event.busy else 'TRANSPARENT'}"
    yield "END:VEVENT"


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _escaped(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "\\n".join(plain.splitlines())


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 octets, none of which ends within a character."""
    start, length = 0, 0
    for position, character in enumerate(line):
        octets = len(character.encode())
        if length + octets > OCTETS:
            yield f"{' ' if start else ''}{line[start:position]}"
            start, length = position, 1  # the space that a continued line begins with
        length += octets
    yield f"{' ' if start else ''}{line[start:]}"
