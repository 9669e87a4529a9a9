"""Kinds of text that more than one of the models hold."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from dedicated.api.conditions import parse_time


def _is_time(text: str) -> str:
    if parse_time(text) is None:
        raise ValueError("not a date and time with a zone (RFC 3339)")
    return text


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_is_time)]
ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
Words = Annotated[str, Field(min_length=1, max_length=200)]
Sentence = Annotated[str, Field(min_length=1, max_length=500)]


def instant(text: str) -> datetime:
    """The instant of a `Time` of a valid record."""
    found = parse_time(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time")
    return found
