"""`DedicatedInstance.status.rateLimit`: the policy in force, who enforces it, and what was seen of it."""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.rules import ApiModel, list_map

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Word = Annotated[str, Field(max_length=32)]
Words = Annotated[str, Field(max_length=253)]
Hash = Annotated[str, Field(max_length=64)]
Count = Annotated[int, Field(ge=0)]


class StatusThresholds(ApiModel):
    """Limits of a class of requests, the tolerance of 1 % included (RL-2)."""

    limit: Count = Field(description="Requests that an address is admitted in any 60 seconds.")
    ban: Count = Field(description="Requests offered in 180 seconds above which it is banned for a minute.")


class StatusClassLimits(ApiModel):
    """By class: `/ui` and the login, and everything else."""

    ui: StatusThresholds
    api: StatusThresholds


class StatusLimiter(ApiModel):
    """A replica of the limiter."""

    name: Words
    observed_hash: Hash | None = Field(None, description="The policy that HAProxy itself says it holds to.")
    phase: Literal["Waiting", "Applying", "Applied", "Rejected", "Silent"] = Field(
        description="Of what is wanted; Silent: no report of the last 5 minutes."
    )


class StatusClassProof(ApiModel):
    """What a proof counted."""

    admitted: Count
    first_refused: Count
    ban_at: Count = Field(description="The number of the first request that was banned.")
    ban_seconds: Count


class StatusLimitProof(ApiModel):
    """The oldest of the replicas' last proofs, or the first that failed."""

    at: Time
    replica: Count
    passed: bool
    detail: Annotated[str, Field(max_length=500)] | None = None
    ui: StatusClassProof | None = None
    api: StatusClassProof | None = None


class StatusClassCounts(ApiModel):
    """A number for each class."""

    ui: Count
    api: Count


class StatusRefusals(ApiModel):
    """Requests refused, by class and reason; in mode Shadow those that would have been."""

    ui_limited: Count
    ui_banned: Count
    api_limited: Count
    api_banned: Count


class StatusLoad(ApiModel):
    """A minute of all replicas, to two digits; told anew every 5 minutes at most, where it differs."""

    measured_at: Time
    requests_per_minute: StatusClassCounts
    refused_per_minute: StatusRefusals
    failed_per_minute: StatusClassCounts = Field(description="Answers of 500 and above.")
    banned: StatusClassCounts = Field(description="Addresses under a ban.")
    p50_milliseconds: Count | None = None
    p99_milliseconds: Count | None = None


class StatusRateLimit(ApiModel):
    """The rate limits (RL-1 to RL-5); absent without spec.edge."""

    enforcement: Literal["Embedded", "External"]
    mode: Literal["Enforce", "Shadow"]
    policy_hash: Hash = Field(description="Of the policy in force: published limits, and what raises them.")
    policy_since: Time | None = Field(None, description="When the operator first saw it in force.")
    limits: StatusClassLimits
    overrides: Count = Field(description="Ranges whose limits are raised now, or that are exempt.")
    next_change: Time | None = Field(None, description="When the next one begins or ends.")
    replicas: Annotated[list[StatusLimiter], Field(max_length=3, json_schema_extra=list_map("name"))]
    last_proof: StatusLimitProof | None = None
    observed: StatusLoad | None = None
    guarantee: Literal["None", "NotApplicable", "Unknown", "Kept", "Missed"] | None = Field(
        None, description="The guaranteed load (S-3, RL-5), by what was observed."
    )
    ways_round: Annotated[list[Words], Field(max_length=10)] = Field(
        description="Objects that lead past the limiter."
    )
    deviations: Annotated[list[Word], Field(max_length=10)] = Field(
        description="In what the enforcement differs from the contract."
    )
