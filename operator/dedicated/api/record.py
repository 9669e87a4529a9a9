"""`ContractRecord`: one fact of the contract, written once and never changed (K-7).

A record's time is its `metadata.creationTimestamp`, the API server's own: no field can be back-dated. Who may
write which fact is the chart's admission policy (`templates/records.yaml`), since a schema knows no users.
A record has no owner reference: it outlives its instance.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from dedicated.api.conditions import parse_time
from dedicated.api.rules import ApiModel, Rule

Fact = Literal["ModificationRepaired"]
MODIFICATION_REPAIRED: Fact = "ModificationRepaired"

def _is_time(text: str) -> str:
    if parse_time(text) is None:
        raise ValueError("not a date and time with a zone (RFC 3339)")
    return text


Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_is_time)]

INSTANCE_LENGTH = 40
USER_LENGTH = 512
OBJECT_LENGTH = 320
MANAGER_LENGTH = 128
OPERATION_LENGTH = 32
FIELDS_LIMIT = 10
FIELD_LENGTH = 256


class RecordedModification(ApiModel):
    """A change of a managed object by somebody else (O-4), kept before it was repaired."""

    object: Annotated[str, Field(min_length=1, max_length=OBJECT_LENGTH)] = Field(
        description="Kind/name of the managed object."
    )
    fields: Annotated[
        list[Annotated[str, Field(max_length=FIELD_LENGTH)]], Field(min_length=1, max_length=FIELDS_LIMIT)
    ] = Field(description="What was changed; the first 10 fields.")
    manager: Annotated[str, Field(max_length=MANAGER_LENGTH)] = Field(
        description="Field manager that made the change, or unknown."
    )
    operation: Annotated[str, Field(max_length=OPERATION_LENGTH)]
    at: Time = Field(
        description="When the change was made; where the API server does not tell, when it was seen."
    )


class RecordSpec(ApiModel):
    """The fact, and who states it."""

    rules: ClassVar = (
        Rule(
            cel="(self.fact == 'ModificationRepaired') == has(self.modification)",
            message="modification belongs to fact ModificationRepaired, and only to it",
            field="modification",
            holds=lambda self: (self.fact == MODIFICATION_REPAIRED) == (self.modification is not None),
        ),
    )
    instance: Annotated[
        str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ] = Field(description="Name of the DedicatedInstance in the same namespace that the fact is about.")
    fact: Fact
    by: Annotated[str, Field(min_length=1, max_length=USER_LENGTH)] = Field(
        description="User who states the fact: the one who creates the record, as the API server knows them."
    )
    modification: RecordedModification | None = None
