"""`status.import`: what an instance began with, where that was no empty database, and how far that is."""

from typing import Annotated, Literal

from pydantic import Field

from dedicated.api.instance_restore import MESSAGE_LENGTH
from dedicated.api.rules import ApiModel
from dedicated.api.source import SourceKind

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
ImportPhase = Literal["Waiting", "Restoring", "Reading", "Importing", "Verifying", "Failed", "Imported"]


class StatusImportProgress(ApiModel):
    """How far a step is."""

    bytes: int = Field(ge=0)
    total: int = Field(ge=0)


class StatusImport(ApiModel):
    """What the instance began with, where that was no empty database."""

    source: SourceKind
    origin: Annotated[str, Field(max_length=1024)] = Field(description="Where it comes from.")
    place: Annotated[str, Field(max_length=253)] | None = Field(
        None, description="Where that is, as the map of places writes it (D-1)."
    )
    phase: ImportPhase
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = Field(
        None, description="Who waits for what, or why it failed."
    )
    responsible: Literal["Provider", "Customer"] | None = Field(None, description="Who must act.")
    progress: StatusImportProgress | None = Field(None, description="Of the phase, in bytes.")
    started_at: Time | None = None
    expected_end: Time | None = Field(None, description="When it is imported and verified, as it looks now.")
    imported_at: Time | None = Field(None, description="When that was recorded: `from` has no effect since.")
