"""What ContractRecords tell of higher rate limits (RL-3, RL-4)."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.addresses import RecordedCidr
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import Time, instant

HIGHEST_FACTOR = 100
LONGEST_OVERRIDE = timedelta(days=366)
"""An override ends after a year: then somebody looks at it again."""
LONGEST_TEST = timedelta(days=7)


class RecordedOverride(ApiModel):
    """A range of addresses has higher limits, or none (RL-3)."""

    rules: ClassVar = (
        Rule(
            cel="has(self.factor) != has(self.exempt)",
            message="set exactly one of factor and exempt",
            field="factor",
            holds=lambda self: (self.factor is None) != (self.exempt is None),
        ),
        Rule(
            cel="!has(self.validFrom) || (self.validFrom < self.validUntil && "
            "self.validUntil - self.validFrom <= duration('8784h'))",
            message="validUntil must be later than validFrom, and at most a year (RL-3)",
            field="validUntil",
            holds=lambda self: (
                self.valid_from is None
                or timedelta(0) < instant(self.valid_until) - instant(self.valid_from) <= LONGEST_OVERRIDE
            ),
        ),
    )
    range: RecordedCidr = Field(description="CIDR notation, such as 203.0.113.0/24.")
    factor: Annotated[int, Field(ge=2, le=HIGHEST_FACTOR)] | None = Field(
        None, description="So many times the published limits, of both classes."
    )
    exempt: Literal[True] | None = Field(None, description="No limits at all.")
    valid_from: Time | None = Field(None, description="Absent: at once. Never before it was recorded.")
    valid_until: Time


class RecordedLoadTest(ApiModel):
    """A load test that was approved: its ranges have no limits while it runs (RL-4)."""

    rules: ClassVar = (
        Rule(
            cel="self.from < self.until && self.until - self.from <= duration('168h')",
            message="until must be later than from, and at most 7 days (RL-4)",
            field="until",
            holds=lambda self: timedelta(0) < instant(self.until) - instant(self.from_) <= LONGEST_TEST,
        ),
    )
    ranges: Annotated[list[RecordedCidr], Field(min_length=1, max_length=50)] = Field(
        description="Where its requests come from, in CIDR notation."
    )
    from_: Time = Field(
        alias="from", description="At least 14 days after it is recorded; else it is void (RL-4)."
    )
    until: Time
