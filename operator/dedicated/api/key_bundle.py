"""`spec.keyBundle`: who can open what must accompany the database, and where it is kept.

A database that is restored without its masterkey cannot be read. The bundle is encrypted to at least two age
recipients, one of the provider's escrow and one of the customer, so that neither depends on the other; and
it is kept in another bucket, with other credentials, than the backups that it opens.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.backup import BucketName, Endpoint, SecretName
from dedicated.api.rules import ApiModel, Rule, list_map

RecipientRole = Literal["Provider", "Customer"]
AgeKey = Annotated[str, Field(min_length=62, max_length=62, pattern=r"^age1[02-9ac-hj-np-z]{58}$")]
MOST_RECIPIENTS = 8


class Recipient(ApiModel):
    """Who can open the bundle."""

    role: RecipientRole = Field(
        description="Whose identity it is: provider's escrow, or customer."
    )
    key: AgeKey = Field(description="Public key of an age identity (X25519), as age-keygen prints it.")


class BundleRepository(ApiModel):
    """A bucket for bundles and the ledger beside them. Its credentials need the right to put alone."""

    bucket: BucketName
    prefix: Annotated[str, Field(max_length=200, pattern=r"^[-_./a-zA-Z0-9]*$")] = Field(
        "", description="Folder in the bucket; below it each incarnation of an instance has its own."
    )
    endpoint: Endpoint = Field(description="Host, and port where it is not 443; TLS is always used.")
    region: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="The bucket's region as the store names it. It must lie in the data location (D-1)."
    )
    secret_name: SecretName = Field(
        description="Secret with keys access-key-id and secret-access-key of the store."
    )


class KeyBundle(ApiModel):
    """What must accompany the database: keys, configuration and versions, encrypted to its recipients."""

    rules: ClassVar = tuple(
        Rule(
            cel=f"self.recipients.exists(r, r.role == '{role}')",
            message=f"recipients must name one with role {role}: provider and customer each open it alone",
            field="recipients",
            holds=lambda self, role=role: any(one.role == role for one in self.recipients),
        )
        for role in ("Provider", "Customer")
    )
    recipients: Annotated[
        list[Recipient],
        Field(min_length=2, max_length=MOST_RECIPIENTS, json_schema_extra=list_map("key")),
    ] = Field(description="At least two, of which one is the provider's and one the customer's.")
    repository: BundleRepository


KEY_BUNDLE_RULES = tuple(
    Rule(
        cel=f"!has(self.keyBundle) || !has(self.backup) || "
        f"((!has(self.backup.repository.{field}) || "
        f"self.backup.repository.{field} != self.keyBundle.repository.{field}) && "
        f"self.backup.copies.all(c, !has(c.{field}) || "
        f"c.{field} != self.keyBundle.repository.{field}))",
        message=f"keyBundle.repository.{field} must not be one of the backups': {why}",
        field=f"keyBundle.repository.{field}",
        holds=lambda self, name=name: (
            self.key_bundle is None
            or self.backup is None
            or getattr(self.key_bundle.repository, name)
            not in {getattr(one, name) for one in (self.backup.repository, *self.backup.copies)}
        ),
    )
    for field, name, why in (
        ("bucket", "bucket", "who can read the backups would find the keys beside them"),
        ("secretName", "secret_name", "who can write the backups could write over the keys"),
    )
)
"""Rules of `InstanceSpec`: another bucket and other credentials than the backups'."""
