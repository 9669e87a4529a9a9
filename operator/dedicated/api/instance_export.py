"""`InstanceExport`: all of an instance, sealed to the customer, in a bucket of their choice; what came of it.

A logical export: a dump of the database, the roles, the keys and the configuration, each sealed with age to
one recipient, a manifest and a README that needs no operator. It was imported into an empty PostgreSQL before
it is called completed. A physical one is the right to read, for some time, what the engine's own repository
holds of the newest backup and its log: it binds to engine and major version. With purpose Drill a logical one
is made, imported and compared, and goes with its pod: nothing is stored. The spec never changes: another
export is another object.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.backup import SecretName
from dedicated.api.compute import Quantity
from dedicated.api.database import Image
from dedicated.api.duration import Duration, parse_duration
from dedicated.api.record import INSTANCE_LENGTH
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import Time

Phase = Literal["Pending", "Dumping", "Listing", "Verifying", "Storing", "Completed", "Failed"]
SHORTEST, LONGEST = "5m", "168h"
"""Of `validFor`. No store takes an address for longer than a week (SigV4)."""
MESSAGE_LENGTH = 1024

NAME_RULES = (
    Rule(
        cel="self.spec == oldSelf.spec",
        message="spec is immutable: ask for another export by another InstanceExport",
        field="spec",
    ),
)
"""Rules that see the object as a whole."""


class ExportDestination(ApiModel):
    """A bucket that an export is stored in: inside the data location, unless agreed otherwise (D-1)."""

    bucket: Annotated[
        str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][-a-z0-9.]*[a-z0-9]$")
    ]
    prefix: Annotated[str, Field(max_length=200, pattern=r"^([A-Za-z0-9][-A-Za-z0-9._/]*)?$")] = ""
    endpoint: Annotated[
        str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9][-a-z0-9.]*(:[0-9]+)?$")
    ]
    region: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9][-a-z0-9]*$")]
    secret_name: SecretName = Field(
        description="Secret with keys access-key-id and secret-access-key, which may put and get objects."
    )


class ExportScratch(ApiModel):
    """Where the dump is made and its import is tried: twice the database's size is on the safe side."""

    size: Quantity = "20Gi"
    class_name: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = (
        Field(None, description="StorageClass; absent: the cluster's default.")
    )


class InstanceExportSpec(ApiModel):
    """What is asked for."""

    rules: ClassVar = (
        Rule(
            cel=f"duration(self.validFor) >= duration('{SHORTEST}') && "
            f"duration(self.validFor) <= duration('{LONGEST}')",
            message=f"validFor must be {SHORTEST} to {LONGEST}: no store takes an address for longer",
            field="validFor",
            shown="validFor",
            holds=lambda self: (
                parse_duration(SHORTEST) <= parse_duration(self.valid_for) <= parse_duration(LONGEST)
            ),
        ),
        Rule(
            cel="self.purpose == 'Drill' ? self.format == 'Logical' && !has(self.recipient) && "
            "!has(self.destination) : has(self.recipient) && has(self.destination)",
            message="an export needs recipient and destination; purpose Drill is Logical and has neither",
            field="purpose",
            shown="purpose",
            holds=lambda self: (
                (self.format, self.recipient, self.destination) == ("Logical", None, None)
                if self.purpose == "Drill"
                else None not in (self.recipient, self.destination)
            ),
        ),
    )
    instance: Annotated[
        str, Field(max_length=INSTANCE_LENGTH, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ] = Field(description="Name of the DedicatedInstance in the same namespace.")
    purpose: Literal["Handover", "Drill"] = Field(
        "Handover", description="Drill: the dump is imported and compared, and nothing is stored anywhere."
    )
    format: Literal["Logical", "Physical"] = Field(
        "Logical",
        description="Physical: addresses of the engine's own backups, for the same engine and major version.",
    )
    valid_for: Duration = Field("24h", description="Physical: how long the addresses can be read.")
    recipient: (
        Annotated[str, Field(min_length=62, max_length=62, pattern=r"^age1[02-9ac-hj-np-z]{58}$")] | None
    ) = Field(None, description="The customer's public key of age: who holds its identity can read it.")
    destination: ExportDestination | None = None
    image: Image | None = Field(
        None,
        description="Image with PostgreSQL's server and client programs, of the database's major version. "
        "Absent: the engine's own; needed where the database is external.",
    )
    scratch: ExportScratch = Field(default_factory=ExportScratch)
    keep_days: int = Field(14, ge=1, le=3650, description="Days after its end until this object goes.")


class ExportProgress(ApiModel):
    """How far the step is."""

    bytes: int = Field(ge=0)
    total: int = Field(ge=0)


class InstanceExportStatus(ApiModel):
    """What came of it."""

    phase: Phase | None = None
    reason: Annotated[str, Field(max_length=64)] | None = None
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = Field(
        None, description="What it waits for, or why it failed."
    )
    progress: ExportProgress | None = None
    started_at: Time | None = None
    expected_end: Time | None = Field(None, description="As long as the last one took, or by the norm.")
    completed_at: Time | None = None
    snapshot_at: Time | None = Field(None, description="What was committed until then is in it.")
    database_bytes: int | None = Field(None, ge=0)
    dump_bytes: int | None = Field(None, ge=0)
    stored_bytes: int | None = Field(None, ge=0)
    rows: int | None = Field(None, ge=0)
    objects: int | None = Field(None, ge=0, description="Physical: objects that have an address.")
    object_bytes: int | None = Field(None, ge=0, description="Physical: their bytes.")
    expires: Time | None = Field(None, description="Physical: the addresses are refused from then on.")
    dump_seconds: int | None = Field(None, ge=0)
    verify_seconds: int | None = Field(None, ge=0)
    store_seconds: int | None = Field(None, ge=0)
    manifest: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="Key of manifest.json in the bucket."
    )
    manifest_sha256: Annotated[str, Field(max_length=64)] | None = None


STATUS_FIELDS = tuple(field.alias or name for name, field in InstanceExportStatus.model_fields.items())
"""What a status can hold: a merge patch that writes one whole takes the rest away."""
