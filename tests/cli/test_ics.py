"""iCalendar files follow RFC 5545, read back by its rules on lines and text."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dedicated.cli.ics import Event, calendar_file

START = datetime(2026, 12, 13, 1, tzinfo=UTC)
STAMP = datetime(2026, 11, 28, 9, tzinfo=UTC)


def unfolded(text: str) -> list[str]:
    """Content lines (RFC 5545, 3.1)."""
    return text.replace("\r\n ", "").removesuffix("\r\n").split("\r\n")


def unescaped(text: str) -> str:
    """The text of a value (RFC 5545, 3.3.11)."""
    found, escaped = "", False
    for character in text:
        if escaped:
            found += {"n": "\n", "N": "\n"}.get(character, character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            assert character not in ",;"
            found += character
    return found


def values(text: str) -> dict[str, str]:
    """Name -> value; of what stands twice, the last."""
    return dict(line.split(":", 1) for line in unfolded(text))


def test_an_event_has_what_the_standard_asks() -> None:
    event = Event("slot 1", START, "Maintenance may run", START + timedelta(hours=4))
    assert calendar_file([event], owner="acme/acme", stamp=STAMP).split("\r\n") == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//dedicated-operator//calendar//EN",
        "NAME:acme/acme",
        "BEGIN:VEVENT",
        "UID:71727718b4964bda@dedicated.zitadel.com",
        "DTSTAMP:20261128T090000Z",
        "DTSTART:20261213T010000Z",
        "DTEND:20261213T050000Z",
        "SUMMARY:Maintenance may run",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=300))
def test_any_text_comes_back(text: str) -> None:
    file = calendar_file([Event("x", START, f"<{text}>", description=f"<{text}>")], owner="a/b", stamp=STAMP)
    assert all(len(line.encode()) <= 75 for line in file.split("\r\n"))
    assert unescaped(values(file)["SUMMARY"]) == f"<{text}>"
    assert unescaped(values(file)["DESCRIPTION"]) == f"<{text}>"


def test_lines_of_a_text_stay_in_its_value() -> None:
    file = calendar_file([Event("x", START, "one\r\ntwo\nEND:VEVENT")], owner="a/b", stamp=STAMP)
    assert unescaped(values(file)["SUMMARY"]) == "one\ntwo\nEND:VEVENT"
    assert unfolded(file).count("END:VEVENT") == 1


def test_an_event_made_again_is_the_same_event() -> None:
    def uid(owner: str, subject: str, stamp: datetime) -> str:
        return values(calendar_file([Event(subject, START, "s")], owner=owner, stamp=stamp))["UID"]

    known = uid("acme/acme", "slot 1", STAMP)
    assert uid("acme/acme", "slot 1", STAMP + timedelta(days=1)) == known
    assert uid("acme/acme", "slot 2", STAMP) != known
    assert uid("globex/acme", "slot 1", STAMP) != known
