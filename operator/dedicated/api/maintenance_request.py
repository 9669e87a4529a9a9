"""`Maintenance`: one maintenance asked for, as the customer sees it before it runs (M-2, M-5, M-6).

The object says what is to be done; when it was notified, permitted, started and completed is recorded
(`ContractRecord`s that name it in `request`), and its status is computed from these. Its spec never changes:
what is to be done otherwise is another request, which supersedes it. Who may make which is the chart's
admission policy (`templates/maintenances.yaml`), since a schema knows no users.
"""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.duration import Duration, parse_duration
from dedicated.api.record import INSTANCE_LENGTH, Gate
from dedicated.api.rules import ApiModel, Rule, list_map
from dedicated.api.status import Line, StatusCondition
from dedicated.api.words import ObjectName, Time, Words

MaintenanceKind = Literal["Regular", "Security", "Performance"]
Phase = Literal[
    "Pending", "Announced", "Permitted", "Scheduled", "Gates", "Running", "Completed", "Failed", "Expired",
    "Refused", "Retracted", "Superseded",
]  # fmt: skip

NAME_LENGTH = 63
REGULAR_NAME = "^regular-[0-9]{4}-(0[1-9]|1[0-2])$"
"""One regular request a month, so that a second one cannot be made (M-2)."""
CHANGES = 20
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=7)
"""No window is longer (M-4)."""

NAME_RULES = (
    Rule(
        cel=f"size(self.metadata.name) <= {NAME_LENGTH}",
        message=f"metadata.name must be at most {NAME_LENGTH} characters: names of records are built from it",
        field="metadata.name",
    ),
    Rule(
        cel=f"(self.spec.kind == 'Regular') == self.metadata.name.matches('{REGULAR_NAME}')",
        message="regular maintenance is named regular-YYYY-MM after its month, and no other is (M-2)",
        field="metadata.name",
    ),
    Rule(
        cel="self.spec == oldSelf.spec",
        message="spec is immutable: ask for what differs by another Maintenance that supersedes this one",
        field="spec",
    ),
)
"""Rules that see the object as a whole."""


class MaintenanceSpec(ApiModel):
    """What is to be done, and how long it takes."""

    rules: ClassVar = (
        Rule(
            cel="self.kind == 'Regular' || has(self.reference)",
            message="an emergency needs reference: add the advisory or ticket that it is for (M-6)",
            field="reference",
            holds=lambda self: self.kind == "Regular" or self.reference is not None,
        ),
        Rule(
            cel="duration(self.duration) >= duration('1m') && duration(self.duration) <= duration('168h')",
            message="duration must be from 1m to 168h: no window is longer (M-4)",
            field="duration",
            holds=lambda self: SHORTEST <= parse_duration(self.duration) <= LONGEST,
        ),
        Rule(
            cel="duration(self.downtime) <= duration(self.duration)",
            message="downtime must not be longer than duration",
            field="downtime",
            holds=lambda self: parse_duration(self.downtime) <= parse_duration(self.duration),
        ),
    )
    instance: Annotated[
        str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ] = Field(description="Name of the DedicatedInstance in the same namespace.")
    kind: MaintenanceKind = Field(
        description="Security and Performance are emergencies, to be permitted within 5 days (M-6)."
    )
    duration: Duration = Field(description="Length of the slot that it needs, for example 2h.")
    downtime: Duration = Field("0s", description="Interruption to be expected.")
    changes: Annotated[list[Words], Field(min_length=1, max_length=CHANGES)] = Field(
        description="What will be changed; nothing else is (M-5)."
    )
    reference: Words | None = Field(None, description="Advisory or ticket.")
    supersedes: ObjectName | None = Field(None, description="An earlier request that this one contains.")


class StatusSlot(ApiModel):
    """When it runs, and by whose word: a record of the customer, a window, or the plan."""

    start: Time
    end: Time
    basis: Literal["Record", "Window", "Plan"]


class MaintenanceSummary(ApiModel):
    """Strings for the columns of `kubectl get`."""

    slot: Annotated[str, Field(max_length=128)]
    next: Line


class MaintenanceStatus(ApiModel):
    """What is, computed from records and the time."""

    observed_generation: int | None = Field(None, ge=0)
    phase: Phase | None = None
    summary: MaintenanceSummary | None = None
    notified_at: Time | None = None
    deadline: Time | None = Field(None, description="Until when a slot must be permitted and begin.")
    slot: StatusSlot | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    gates: Annotated[list[Gate], Field(max_length=16, json_schema_extra=list_map("gate"))] | None = None
    conditions: (
        Annotated[list[StatusCondition], Field(max_length=10, json_schema_extra=list_map("type"))] | None
    ) = None


STATUS_FIELDS = tuple(field.alias or name for name, field in MaintenanceStatus.model_fields.items())
"""What a status can hold: a merge patch that writes one whole takes the rest away."""
