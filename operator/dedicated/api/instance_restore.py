"""`InstanceRestore`: the database of an instance restored into a new one beside it, and what came of it.

A restore never overwrites. The new database is made from the repository, verified, and then switched to
(Recovery), left beside for as long as `retain` says (Clone), or taken away (Drill). The spec never changes:
another target is another object. Limit: an engine that somebody else runs is restored by them.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.duration import Duration
from dedicated.api.record import INSTANCE_LENGTH, Time, instant
from dedicated.api.rules import ApiModel, Rule

Purpose = Literal["Recovery", "Clone", "Drill"]
Phase = Literal[
    "Waiting", "Restoring", "Verifying", "Switching", "Live", "Retained", "Ready", "Removing", "Removed",
    "Failed",
]  # fmt: skip
MESSAGE_LENGTH = 1024

NAME_RULES = (
    Rule(
        cel="self.spec == oldSelf.spec",
        message="spec is immutable: restore to another target by another InstanceRestore",
        field="spec",
    ),
)
"""Rules that see the object as a whole."""


class InstanceRestoreSpec(ApiModel):
    """What is asked for."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.acceptLossSince) || self.purpose == 'Recovery'",
            message="acceptLossSince has no effect with a purpose that switches nothing: remove it, or set "
            "purpose Recovery",
            field="acceptLossSince",
            holds=lambda self: self.accept_loss_since is None or self.purpose == "Recovery",
        ),
        Rule(
            cel="!has(self.acceptLossSince) || !has(self.target) || self.acceptLossSince <= self.target",
            message="acceptLossSince is later than target, since when everything is lost: set it to target "
            "or earlier",
            field="acceptLossSince",
            holds=lambda self: (
                self.accept_loss_since is None
                or self.target is None
                or instant(self.accept_loss_since) <= instant(self.target)
            ),
        ),
    )
    instance: Annotated[
        str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ] = Field(description="Name of the DedicatedInstance in the same namespace.")
    purpose: Purpose = Field(
        description="Recovery: the instance gets the restored database. Clone: it stays beside. Drill: it is "
        "removed once verified."
    )
    target: Time | None = Field(
        None, description="The point in time to restore. Absent: the newest recoverable point."
    )
    accept_loss_since: Time | None = Field(
        None,
        description="The word that all written since may be lost. Needed while the old database answers; the "
        "point restored is never earlier.",
    )
    retain: Duration = Field(
        "72h",
        description="How long what is no longer needed is kept: the old database after a Recovery, the copy "
        "of a Clone, or of what failed.",
    )


class InstanceRestoreStatus(ApiModel):
    """What came of it."""

    phase: Phase | None = None
    reason: Annotated[str, Field(max_length=64)] | None = None
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = Field(
        None, description="Who waits for what, or why it failed."
    )
    responsible: Literal["Provider", "Customer"] | None = Field(None, description="Who must act.")
    target: Time | None = Field(
        None, description="The point restored: everything until then, and what came later where Newest."
    )
    clamped: bool | None = Field(None, description="The target asked for is later than what is recoverable.")
    cluster: Annotated[str, Field(max_length=63)] | None = Field(None, description="The new database.")
    started_at: Time | None = None
    expected_end: Time | None = Field(None, description="When it is restored and verified, as it looks now.")
    verified_at: Time | None = None
    switched_at: Time | None = None
    keep_until: Time | None = Field(None, description="When the database no longer needed may be removed.")
    removed_at: Time | None = Field(None, description="When its removal was recorded.")
    duration_seconds: int | None = Field(None, ge=0, description="From the start until verified.")


STATUS_FIELDS = tuple(field.alias or name for name, field in InstanceRestoreStatus.model_fields.items())
"""What a status can hold: a merge patch that writes one whole takes the rest away."""
