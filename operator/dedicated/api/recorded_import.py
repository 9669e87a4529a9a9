"""What a ContractRecord says of an import (`spec.from`)."""

from typing import Annotated, ClassVar

from pydantic import Field

from dedicated.api.rules import ApiModel, Rule
from dedicated.api.source import SourceKind
from dedicated.api.words import ObjectName, Sentence, Time, instant


class RecordedImport(ApiModel):
    """What an instance began with, checked before anything used it."""

    rules: ClassVar = (
        Rule(
            cel="self.started <= self.ended",
            message="ended must not be earlier than started",
            field="ended",
            holds=lambda self: instant(self.started) <= instant(self.ended),
        ),
    )
    source: SourceKind
    origin: Sentence = Field(description="Where it came from.")
    place: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Where that is, as the map of places writes it; absent: not known (D-1)."
    )
    cluster: ObjectName | None = Field(None, description="The database that has it; absent: an external one.")
    found: Sentence = Field(description="Its figures.")
    started: Time
    ended: Time
    point: Time | None = Field(None, description="Up to when it holds what was committed.")
    manifest_sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, alias="manifestSha256", description="Of the export."
    )
    size: int = Field(0, ge=0, description="The database's, in bytes.")
    expected_seconds: int | None = Field(None, ge=0, description="As estimated when it began.")
