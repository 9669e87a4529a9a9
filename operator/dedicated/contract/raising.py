"""The facts on higher rate limits (RL-3, RL-4), as values; see `contract.facts`.

They only ever raise: a record that no longer holds leaves the published limits, or what another record says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

NOTICE = timedelta(days=14)
"""A load test is announced at least so long before it begins (RL-4)."""


@dataclass(frozen=True, slots=True)
class Override:
    """A range has `factor` times the published limits; None: no limits (RL-3).

    `valid_from` is as recorded: see `since` for when it begins.
    """

    name: str
    at: datetime
    by: str
    range: str
    factor: int | None
    valid_from: datetime | None
    valid_until: datetime
    reference: str = ""
    reason: str = ""

    @property
    def since(self) -> datetime:
        """When it begins: never before it was recorded."""
        return self.at if self.valid_from is None else max(self.at, self.valid_from)


@dataclass(frozen=True, slots=True)
class LoadTest:
    """An approved load test: its ranges have no limits while it runs (RL-4)."""

    name: str
    at: datetime
    by: str
    ranges: tuple[str, ...]
    start: datetime
    end: datetime
    reference: str = ""

    @property
    def announced(self) -> bool:
        """Whether it was recorded early enough; else it is void."""
        return self.start - self.at >= NOTICE


@dataclass(frozen=True, slots=True)
class OverrideWithdrawn:
    """An Override or a LoadTest, by its record's name, no longer holds from then on."""

    name: str
    at: datetime
    by: str
    record: str
