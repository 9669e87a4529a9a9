"""`status.edge` and `status.rateLimit`: the way in, and the limits that are enforced there.

No client's address is in it. What changes with every request is rounded by the writer (`reconcile.limits`),
so that a status at rest is not written at each report.
"""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.edge import EdgeKind
from dedicated.api.rate_limit import Enforcement, Mode
from dedicated.api.rules import ApiModel, list_map

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Hash = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=63)]
Line = Annotated[str, Field(max_length=1024)]
ReplicaPhase = Literal["Applied", "Applying", "Waiting", "Rejected", "Unknown"]
RequestClass = Literal["ui", "api"]


class StatusEdge(ApiModel):
    """The way in."""

    kind: EdgeKind
    address: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Address or name that it is reached at, where it is known."
    )
    certificate_not_after: Time | None = Field(None, description="Until when the certificate is valid.")


class StatusThreshold(ApiModel):
    """The limits of a class of requests, with the tolerance of 1 %."""

    limit: int = Field(description="Requests of one client that are let through in 60 seconds.")
    ban: int = Field(description="Requests of one client in 180 seconds above which it is banned a minute.")


class StatusLimits(ApiModel):
    """The limits in force of everybody without a record of its own."""

    ui: StatusThreshold
    api: StatusThreshold


class StatusLimiterReplica(ApiModel):
    """A replica of the limiter."""

    name: Name
    observed_hash: Hash | None = Field(None, description="Of the policy that it enforces, as it says itself.")
    phase: ReplicaPhase
    message: Line | None = None


class StatusLimitProof(ApiModel):
    """What the last proof of a class came to: the limits as they were measured."""

    class_: RequestClass = Field(alias="class")
    admitted: int = Field(description="Requests that were let through in one window.")
    first_refused: int | None = Field(None, description="Number of the first request that was refused.")
    banned_at: int | None = Field(None, description="Number of the request that began the ban.")
    ban_seconds: int | None = None


class StatusProof(ApiModel):
    """The last proof: each replica is asked until it refuses, from addresses that nobody has."""

    at: Time = Field(description="When the oldest of the replicas' last proofs was done.")
    passed: bool
    replica: Name | None = Field(None, description="The one that failed.")
    detail: Line | None = None
    classes: Annotated[list[StatusLimitProof], Field(max_length=2, json_schema_extra=list_map("class"))] = (
        Field([])
    )


class StatusRefused(ApiModel):
    """Requests refused in a minute, of all clients."""

    class_: RequestClass = Field(alias="class")
    limited: int
    banned: int


class StatusObserved(ApiModel):
    """What was measured at the limiter; told anew every 5 minutes, rounded."""

    measured_at: Time
    requests_per_minute: int
    failed_per_minute: int | None = Field(None, description="Answers of 500 and above.")
    refused_per_minute: Annotated[
        list[StatusRefused], Field(max_length=2, json_schema_extra=list_map("class"))
    ] = Field([])
    p50_milliseconds: int | None = Field(None, alias="p50Milliseconds")
    p99_milliseconds: int | None = Field(None, alias="p99Milliseconds")
    bans: int | None = Field(None, description="Clients that are banned.")
    tracked: int | None = Field(None, description="Clients that the fullest replica keeps in mind.")
    room: int | None = Field(None, description="Clients that a replica can keep in mind.")


class StatusRateLimit(ApiModel):
    """The rate limits in force (RL-1 to RL-5)."""

    enforcement: Enforcement = "Embedded"
    mode: Mode
    policy_hash: Hash | None = Field(None, description="Of the policy that is to be in force.")
    configuration: Hash | None = Field(None, description="Of the files that every replica is to run.")
    wanted_since: Time | None = Field(None, description="Since when this policy and these files are wanted.")
    limits: StatusLimits | None = None
    overrides: int = Field(0, description="Ranges with higher limits or none, by records in force.")
    next_change: Time | None = Field(None, description="When a record begins or ends next.")
    replicas: Annotated[
        list[StatusLimiterReplica], Field(max_length=3, json_schema_extra=list_map("name"))
    ] = Field([])
    last_proof: StatusProof | None = None
    observed: StatusObserved | None = None
    guarantee: Literal["None", "NotApplicable", "Unknown", "Kept", "Missed"] | None = Field(
        None, description="The guaranteed load (S-3, RL-5), by what was observed."
    )
    deviations: Annotated[list[Line], Field(max_length=10)] = Field(
        [], description="What is not as the published policy says."
    )
