"""Durations as people write them: Go's form, `4h`, `90m` or `1h30m`, which CEL's `duration()` reads too."""

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import Field

PATTERN = r"^([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,6}s)?$"

Duration = Annotated[str, Field(min_length=2, max_length=17, pattern=PATTERN)]


@lru_cache(maxsize=256)
def parse_duration(text: str) -> timedelta:
    """The length of time that a text such as `1h30m` states. Raises ValueError for any other form."""
    found = re.fullmatch(PATTERN, text)
    if not text or found is None:
        raise ValueError(f"{text!r} is not a duration such as 4h, 90m or 1h30m")
    hours, minutes, seconds = (int(part[:-1]) if part else 0 for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def duration_text(length: timedelta) -> str:
    """A length of time in the same form, in whole seconds; what is shorter is `0s`."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"
