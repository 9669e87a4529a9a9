"""`spec.from`: what an instance starts from instead of an empty database.

An export bundle, a backup of another instance, or a running database are read, checked, and put into the
instance's own database before ZITADEL is set up; none of them is ever written to. It is said at creation and
read once: what is on record as imported is not imported again (`contract.importing`). Whatever it is, its
keys come before it, since no data can be read without the masterkey that it was written with.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.backup import BucketName, Endpoint, SecretName
from dedicated.api.compute import Storage
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.words import Time

SourceKind = Literal["Export", "Backup", "Database"]
Folder = Annotated[str, Field(min_length=1, max_length=700, pattern=r"^[-_.a-zA-Z0-9]+(/[-_.a-zA-Z0-9]+)*$")]
Version = Annotated[str, Field(max_length=32, pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")]
Image = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^ \t\n\f\r]+$")]
Region = Annotated[str, Field(min_length=1, max_length=63)]


class ExportSource(ApiModel):
    """An export bundle, as an InstanceExport makes it."""

    bucket: BucketName
    folder: Folder = Field(description="The export's folder in the bucket: where its manifest.json is.")
    endpoint: Endpoint = Field(description="Host, and port where it is not 443; TLS is always used.")
    region: Region = Field(description="The bucket's region as the store names it.")
    secret_name: SecretName = Field(
        description="Secret with keys access-key-id and secret-access-key of the store; to read is enough."
    )
    manifest_sha256: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")] = Field(
        alias="manifestSha256",
        description="SHA-256 of manifest.json, as the export's status told it: nothing else is imported.",
    )
    identity_secret_name: SecretName = Field(
        description="Secret with key identity: the age identity of the export's recipient."
    )
    scratch: Storage = Field(description="Volume for the dump, until it is imported: the dump's size twice.")
    image: Image | None = Field(
        None, description="PostgreSQL's programs of the database's major version; engine external needs it."
    )


class BackupSource(ApiModel):
    """Backups of another instance on the same engine, with the same major version of PostgreSQL."""

    bucket: BucketName
    folder: Folder = Field(
        description="Where in the bucket the backups are: pgBackRest's repository, or the folder that has "
        "the server's."
    )
    endpoint: Endpoint = Field(description="Host, and port where it is not 443; TLS is always used.")
    region: Region = Field(description="The bucket's region as the store names it.")
    secret_name: SecretName = Field(
        description="Secret of the store, to read. Engine percona: key pgbackrest.conf, with repo1-s3-key "
        "and repo1-s3-key-secret. Engine cloudnative-pg: keys access-key-id and secret-access-key."
    )
    server: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[-_.a-zA-Z0-9]+$")] = Field(
        "db", description="pgBackRest's stanza, or the server's name in a store of Barman."
    )
    passphrase_secret_name: SecretName | None = Field(
        None,
        description="Secret with key pgbackrest.conf and repo1-cipher-pass in it, where the repository is "
        "encrypted. Engine percona alone has that.",
    )
    postgres_version: int = Field(ge=15, le=18, description="Major version of PostgreSQL in the backups.")
    zitadel_version: Version = Field(description="Release that ran there last, for example v4.15.2.")
    target: Time | None = Field(
        None, description="The point in time to restore. Absent: all that was archived."
    )


class DatabaseSource(ApiModel):
    """The database of a ZITADEL that somebody runs. It is read in one snapshot, and never written to."""

    secret_name: SecretName = Field(
        description="Secret with key dsn: postgresql://user:password@host:5432/database?sslmode=verify-full, "
        "of a user that may read all of it."
    )
    zitadel_version: Version = Field(description="Release that runs there, for example v4.15.2.")
    scratch: Storage = Field(description="Volume for the dump, until it is imported.")
    image: Image | None = Field(
        None, description="PostgreSQL's programs of the database's major version; engine external needs it."
    )


class Source(ApiModel):
    """What the instance starts from: exactly one of them."""

    rules: ClassVar = (
        Rule(
            cel="[has(self.export), has(self.backup), has(self.database)].filter(x, x).size() == 1",
            message="set exactly one of export, backup and database",
            field="export",
            holds=lambda self: [self.export, self.backup, self.database].count(None) == 2,
        ),
    )
    export: ExportSource | None = None
    backup: BackupSource | None = None
    database: DatabaseSource | None = None

    @property
    def kind(self) -> SourceKind:
        """Which one it is."""
        return "Export" if self.export else "Backup" if self.backup else "Database"

    @property
    def zitadel_version(self) -> str:
        """The release that ran on the data, where the spec has to say it; an export says it itself."""
        said = self.backup or self.database
        return said.zitadel_version if said else ""


SOURCE_RULES = (
    Rule(
        cel="has(self.from) == has(oldSelf.from) && (!has(self.from) || self.from == oldSelf.from)",
        message="from is immutable: it is read once, when the instance is created",
        field="from",
    ),
    Rule(
        cel="!has(self.from) || has(self.keys)",
        message="keys.masterkey.secretRef is required with from: its data can only be read with the "
        "masterkey it was written with",
        field="keys",
        holds=lambda self: self.from_ is None or self.keys is not None,
    ),
    Rule(
        cel="!has(self.from) || !has(self.firstInstance)",
        message="firstInstance must not be set with from: it would have no effect",
        field="firstInstance",
        holds=lambda self: self.from_ is None or self.first_instance is None,
    ),
    Rule(
        cel="!has(self.from) || !has(self.database.external) || self.database.external.state == 'New'",
        message="from needs an empty database: set database.external.state New",
        field="database.external.state",
        holds=lambda self: self.from_ is None or not self.database.is_existing,
    ),
    Rule(
        cel="!has(self.from) || !has(self.from.backup) || (has(self.database.cluster) && "
        "self.database.cluster.postgresVersion == self.from.backup.postgresVersion)",
        message="from.backup needs an engine that runs the database here, with the major version of the "
        "backups: set database.cluster.postgresVersion to from.backup.postgresVersion",
        field="from.backup.postgresVersion",
        holds=lambda self: (
            self.from_ is None
            or self.from_.backup is None
            or (
                self.database.cluster is not None
                and self.database.cluster.postgres_version == self.from_.backup.postgres_version
            )
        ),
    ),
    Rule(
        cel="!has(self.from) || !has(self.from.backup) || self.database.engine == 'percona' || "
        "!has(self.from.backup.passphraseSecretName)",
        message="from.backup.passphraseSecretName has no effect but with engine percona",
        field="from.backup.passphraseSecretName",
        holds=lambda self: (
            self.from_ is None
            or self.from_.backup is None
            or self.database.engine == "percona"
            or self.from_.backup.passphrase_secret_name is None
        ),
    ),
    *(
        Rule(
            cel=f"!has(self.from) || !has(self.from.{kind}) || has(self.database.cluster) || "
            f"has(self.from.{kind}.image)",
            message=f"from.{kind}.image is required with engine external: no program of PostgreSQL is known",
            field=f"from.{kind}.image",
            holds=lambda self, kind=kind: (
                self.from_ is None
                or self.database.cluster is not None
                or (part := getattr(self.from_, kind)) is None
                or part.image is not None
            ),
        )
        for kind in ("export", "database")
    ),
)
"""Rules of `InstanceSpec`."""
