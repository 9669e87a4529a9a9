"""`spec.rateLimit`: how the published rate limits are enforced, never what they are (RL-1 to RL-5).

The spec has no field for a limit, so that it cannot lower one. Raising one, or exempting somebody, is the
provider's word, as a ContractRecord (`contract.rate_limits`).
"""

from typing import Literal

from pydantic import Field

from dedicated.api.rules import ApiModel, Rule

Enforcement = Literal["Embedded", "External"]
Mode = Literal["Enforce", "Shadow"]
LONGEST_IPV6_PREFIX = 64
FEWEST_ADDRESSES = 10_000
MOST_ADDRESSES = 4_000_000


class RateLimit(ApiModel):
    """How the rate limits are enforced."""

    enforcement: Enforcement = Field(
        "Embedded",
        description="Embedded: by the limiter of this instance. External: the customer's duty; no limiter "
        "stands.",
    )
    mode: Mode = Field(
        "Enforce", description="Shadow counts as Enforce does, and refuses nothing: limits are not enforced."
    )
    ipv6_prefix: int = Field(
        64,
        alias="ipv6Prefix",
        ge=48,
        le=LONGEST_IPV6_PREFIX,
        description="Addresses of one prefix are one client.",
    )
    addresses: int = Field(
        131_072,
        ge=FEWEST_ADDRESSES,
        le=MOST_ADDRESSES,
        description="Addresses that each replica keeps in mind at once, for each class of requests.",
    )


EDGE_RULES = (
    Rule(
        cel="!has(self.edge) || !has(self.rateLimit) || self.rateLimit.enforcement == 'Embedded'",
        message="edge must not be set with rateLimit.enforcement External: whoever enforces the limits "
        "brings the way in",
        field="edge",
        holds=lambda self: (
            self.edge is None or self.rate_limit is None or self.rate_limit.enforcement == "Embedded"
        ),
    ),
    Rule(
        cel="!has(self.rateLimit) || has(self.edge) || self.rateLimit.enforcement == 'External'",
        message="rateLimit has no effect without edge: the limiter stands in the way in that edge describes",
        field="rateLimit",
        holds=lambda self: (
            self.rate_limit is None or self.edge is not None or self.rate_limit.enforcement == "External"
        ),
    ),
)
"""Rules of `InstanceSpec`."""
