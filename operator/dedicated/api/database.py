"""`spec.database`: who runs the database, and what is wanted of it.

With `external` somebody else runs it: the operator reads its Secret and observes. With the other engines the
operator renders a cluster for the engine's own operator, which has to be installed beside it; backups are
then wanted in `spec.backup`. The engine's section is required exactly with its engine, so that a spec says
nothing that has no effect.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.backup import SecretName
from dedicated.api.compute import Resources, Storage
from dedicated.api.rules import ApiModel, Rule, immutable

DatabaseState = Literal["New", "Existing"]
Engine = Literal["external", "percona", "cloudnative-pg"]
Image = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^ \t\n\f\r]+$")]
CONNECTIONS = 100
"""Connections that an instance may use unless the spec says otherwise."""


class LocalSecretRef(ApiModel):
    """A Secret in the instance's namespace."""

    name: SecretName


class ExternalDatabase(ApiModel):
    """A PostgreSQL database that somebody else runs."""

    rules: ClassVar = (immutable("state", "it tells how the database was when the instance was created"),)
    state: DatabaseState = Field(
        description="New: an empty database that the user in the Secret owns. "
        "Existing: one that ZITADEL already uses."
    )
    secret_ref: LocalSecretRef = Field(
        description="Secret with key dsn, or with keys host, port, database, username, password, sslmode."
    )
    max_connections: int = Field(
        CONNECTIONS, ge=20, le=10000, description="Connections that this instance may use in all."
    )


class DatabaseCluster(ApiModel):
    """A PostgreSQL cluster that the engine's operator runs for this instance."""

    rules: ClassVar = (
        immutable("postgresVersion", "a major upgrade of PostgreSQL is a restore into a new instance"),
    )
    instances: int = Field(
        3, ge=3, le=9, description="Servers: one primary, the others follow it. One per zone (S-2, B-5)."
    )
    postgres_version: int = Field(ge=15, le=18, description="Major version of PostgreSQL.")
    image: Image = Field(description="Image of PostgreSQL, of the engine's project and this major version.")
    backup_image: Image | None = Field(
        None, description="Image of pgBackRest, at least 2.58. Engine percona needs it."
    )
    storage: Storage
    resources: Resources = Resources()
    max_connections: int = Field(
        CONNECTIONS, ge=20, le=10000, description="Connections that the servers accept for this instance."
    )


class Database(ApiModel):
    """The database."""

    rules: ClassVar = (
        immutable("engine", "a database does not change its engine; restore into a new instance instead"),
        Rule(
            cel="(self.engine == 'external') == has(self.external)",
            message="external is required with engine external, and has no effect with another",
            field="external",
            holds=lambda self: (self.engine == "external") == (self.external is not None),
        ),
        Rule(
            cel="self.engine == 'external' || has(self.cluster)",
            message="cluster is required with an engine other than external",
            field="cluster",
            holds=lambda self: self.engine == "external" or self.cluster is not None,
        ),
        Rule(
            cel="!has(self.cluster) || self.engine != 'external'",
            message="cluster has no effect with engine external",
            field="cluster",
            holds=lambda self: self.cluster is None or self.engine != "external",
        ),
        Rule(
            cel="!has(self.cluster) || self.engine != 'percona' || has(self.cluster.backupImage)",
            message="engine percona needs cluster.backupImage",
            field="cluster.backupImage",
            holds=lambda self: (
                self.cluster is None or self.engine != "percona" or self.cluster.backup_image is not None
            ),
        ),
    )
    engine: Engine = Field(
        "external", description="external: somebody else runs it. Others: that engine's operator does."
    )
    external: ExternalDatabase | None = None
    cluster: DatabaseCluster | None = None

    @property
    def is_existing(self) -> bool:
        """Whether ZITADEL used the database before this instance was created."""
        return self.external is not None and self.external.state == "Existing"

    @property
    def max_connections(self) -> int:
        """Connections that this instance may use in all."""
        part = self.external or self.cluster
        return CONNECTIONS if part is None else part.max_connections
