"""`spec.deletion`: what has to be done before an instance may go, and what goes with it.

It says nothing of whether it goes: that is a person's DELETE, which is refused without a confirmation on
record (T-1, `contract.deletion`). It may be written until the end: `Orphan` is the way back.
"""

from typing import Literal

from pydantic import Field

from dedicated.api.rules import ApiModel

FinalBackup = Literal["Required", "Skipped"]
DeletionPolicy = Literal["Delete", "Orphan"]
Confirmation = Literal["OnePerson", "TwoPeople"]

RETENTION_DAYS = 30


class Deletion(ApiModel):
    """How the instance goes. Of an external database nothing is ever backed up or removed here."""

    policy: DeletionPolicy = Field(
        "Delete",
        description="Orphan: everything stays as it runs, and belongs to nobody: to hand it over, or to undo "
        "a deletion that has begun.",
    )
    final_backup: FinalBackup = Field(
        "Required",
        description="A full backup made after the DELETE. Skipped needs an agreement on clause T-1.",
    )
    retention_days: int = Field(
        RETENTION_DAYS, ge=1, le=3650, description="Days from the final backup until the database is removed."
    )
    confirmation: Confirmation | None = Field(
        None,
        description="TwoPeople: who deletes is not who confirmed. Default: TwoPeople on plan Advanced.",
    )
