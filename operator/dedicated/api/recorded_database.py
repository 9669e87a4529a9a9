"""What a ContractRecord says of a database: its final backup, a restore, a drill, its removal (B-4, T-1)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.duration import Duration
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import ObjectName, Sentence, Time, instant

OBJECT_LENGTH = 320


class RecordedBackup(ApiModel):
    """A backup that completed."""

    object: Annotated[str, Field(min_length=1, max_length=OBJECT_LENGTH)] = Field(
        description="Kind/name of the engine's object."
    )
    label: Annotated[str, Field(max_length=253)] = Field("", description="Its name in the repository.")


class RecordedRestore(ApiModel):
    """A database that was restored, verified, and became the instance's (B-4)."""

    rules: ClassVar = (
        Rule(
            cel="self.started <= self.verified",
            message="verified must not be earlier than started",
            field="verified",
            holds=lambda self: instant(self.started) <= instant(self.verified),
        ),
        Rule(
            cel="self.cluster != self.source",
            message="a database is never restored over itself: cluster must differ from source",
            field="cluster",
            holds=lambda self: self.cluster != self.source,
        ),
    )
    restore: ObjectName = Field(description="Name of the InstanceRestore.")
    cluster: ObjectName = Field(description="The new database.")
    source: ObjectName = Field(description="The database that it replaces, and was restored from.")
    part: ObjectName | None = Field(
        None, description="Where it was restored from another one: that database, which served before."
    )
    point: Time = Field(description="The point restored, at least.")
    exact: bool = Field(False, description="It ends at the point; else it has all that was archived.")
    started: Time
    verified: Time
    expected_seconds: int | None = Field(None, ge=0, description="As estimated when it began.")
    retain: Duration = Field(description="How long the old database is kept.")
    earliest: Time | None = Field(None, description="The earliest point of source, when it was replaced.")
    newest: Time | None = Field(None, description="The newest point of source, when it was replaced.")


class RecordedRemoval(ApiModel):
    """A database that is no longer needed, recorded before it is deleted."""

    cluster: ObjectName
    uid: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="Of the object deleted.")
    restore: ObjectName | None = Field(
        None, description="The InstanceRestore that it was made or replaced by; none: goes with its instance."
    )


class RecordedDrill(ApiModel):
    """A restore that was tried out, and what the copy proved (B-4)."""

    rules: ClassVar = (
        Rule(
            cel="self.started <= self.ended",
            message="ended must not be earlier than started",
            field="ended",
            holds=lambda self: instant(self.started) <= instant(self.ended),
        ),
    )
    restore: ObjectName = Field(description="Name of the InstanceRestore, or of the InstanceExport.")
    kind: Literal["Restore", "Logical"] = Field(
        "Restore", description="Logical: a dump was imported into an empty server, and compared."
    )
    passed: bool
    reason: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="Proven, or why not.")
    found: Sentence = Field(description="Its figures, or what was found wrong.")
    started: Time
    ended: Time
    restored_to: Time | None = Field(None, description="All that was committed until then is in the copy.")
    shortfall_seconds: int | None = Field(None, ge=0, description="What is missing to the point asked for.")
    events: int | None = Field(None, ge=0)
    newest_event: Time | None = None
    keys: int = Field(0, ge=0, description="Encryption keys in the copy.")
    keys_opened: int = Field(0, ge=0, description="Those that the masterkey opened.")
    size: int = Field(0, ge=0, description="The database's, in bytes.")
    restore_seconds: int | None = Field(None, ge=0, description="From the start until recovery had ended.")
    expected_seconds: int | None = Field(None, ge=0, description="As estimated when it began.")
