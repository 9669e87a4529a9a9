"""`InstanceBackup`: one backup asked for beside the schedule, and what came of it.

The engine makes it; the object is the order and the receipt. Its spec never changes: another backup is
another object. It is kept, with the engine's own object, for `keepDays` after its end; the backup itself
stays in the repository for as long as `spec.backup.retention` of the instance says.
"""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.record import INSTANCE_LENGTH
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import Time

Kind = Literal["Full", "Differential"]
State = Literal["Pending", "Running", "Completed", "Failed"]

NAME_RULES = (
    Rule(
        cel="self.spec == oldSelf.spec",
        message="spec is immutable: ask for another backup by another InstanceBackup",
        field="spec",
    ),
)
"""Rules that see the object as a whole."""


class InstanceBackupSpec(ApiModel):
    """What is asked for."""

    instance: Annotated[
        str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ] = Field(description="Name of the DedicatedInstance in the same namespace.")
    kind: Kind = Field("Full", description="Differential where the engine has them.")
    keep_days: int = Field(14, ge=1, le=3650, description="Days after its end until this object goes.")


class InstanceBackupStatus(ApiModel):
    """What came of it, in the engine's words; what can be restored is told by the instance."""

    state: State | None = None
    reason: Annotated[str, Field(max_length=64)] | None = None
    message: Annotated[str, Field(max_length=1024)] | None = None
    object: Annotated[str, Field(max_length=253)] | None = Field(None, description="The engine's object.")
    started_at: Time | None = None
    completed_at: Time | None = None
    duration_seconds: int | None = Field(None, ge=0)
    size_bytes: int | None = Field(None, ge=0, description="Stored, where the engine tells.")
    label: Annotated[str, Field(max_length=253)] | None = Field(None, description="Its name in the store.")
    newest_point: Time | None = Field(None, description="The newest point that it alone makes recoverable.")


STATUS_FIELDS = tuple(field.alias or name for name, field in InstanceBackupStatus.model_fields.items())
"""What a status can hold: a merge patch that writes one whole takes the rest away."""
