"""`DedicatedInstance`: the spec that users and Git write.

Defaults are stable for ever, since a changed default is a diff in every Git repository. A value looser
than the contract needs the clause's entry in `agreements` (K-9); whether that agreement holds is
judged by `contract.agreements`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic import JsonValue as PydanticJson

from dedicated.api.backup import OBJECTIVE_RULES, Backup, SecretName
from dedicated.api.compute import Resources
from dedicated.api.database import Database
from dedicated.api.deletion import Deletion
from dedicated.api.edge import Edge
from dedicated.api.key_bundle import KEY_BUNDLE_RULES, KeyBundle
from dedicated.api.maintenance import SPEC_RULES, MaintenancePolicy
from dedicated.api.rate_limit import EDGE_RULES, RateLimit
from dedicated.api.rules import ApiModel, Rule, immutable, list_map, list_set
from dedicated.api.source import SOURCE_RULES, Source

Plan = Literal["Standard", "Advanced"]
InfrastructureClass = Literal["GoogleCloud", "StaticOrOther", "SelfHosted"]
Party = Literal["Provider", "Customer"]
BookedOption = Literal["DDoSProtection", "WAF"]
"""Options of the booking that change something here: whose duty it is (L-3, R-1)."""

SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]

CONTRACT_ZONES = 3
"""Zones that an instance is spread over unless agreed otherwise in writing (S-2)."""
_OPEN: dict[str, PydanticJson] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CONFIG_TYPES: dict[str, dict[str, PydanticJson]] = {
    "Database": _OPEN,
    "ExternalDomain": {"type": "string"},
    "ExternalPort": {"type": "integer"},
    "ExternalSecure": {"type": "boolean"},
    "FirstInstance": _OPEN,
    "Machine": _OPEN,
    "Port": {"type": "integer"},
    "SystemAPIUsers": _OPEN,
    "TLS": _OPEN,
}
"""Keys of ZITADEL's configuration that the operator computes, with their types: CEL can only ask
for the presence of a property that the schema knows."""
OWNED_CONFIG = tuple(CONFIG_TYPES)
"""`server.config` may not set these."""


class SecretKeyRef(ApiModel):
    """A key of a Secret in the instance's namespace."""

    name: SecretName
    key: SecretKey


class MasterkeyRef(ApiModel):
    """A Secret that holds the masterkey."""

    name: SecretName
    key: SecretKey = "masterkey"


class Masterkey(ApiModel):
    """Where the masterkey comes from."""

    secret_ref: MasterkeyRef = Field(
        description="Secret with your own masterkey: exactly 32 ASCII bytes, no line end."
    )


class Keys(ApiModel):
    """Keys brought along instead of created."""

    masterkey: Masterkey


class Release(ApiModel):
    """The ZITADEL release wanted: a pin or a channel of the operator's release catalogue."""

    rules: ClassVar = (
        Rule(
            cel="has(self.version) != has(self.channel)",
            message="set exactly one of version (a pin) and channel",
            field="version",
            holds=lambda self: (self.version is None) != (self.channel is None),
        ),
    )
    version: Annotated[str, Field(max_length=32, pattern=r"^v[0-9]+\.[0-9]+\.[0-9]+$")] | None = Field(
        None, description="Exact release, for example v4.15.2. It must be in the release catalogue."
    )
    channel: Literal["stable", "latest"] | None = Field(
        None, description="Follow the newest release of this channel of the release catalogue."
    )


class Administrator(ApiModel):
    """The first administrator. Read once, when the database is set up."""

    user_name: Text = "admin"
    first_name: Text = "First"
    last_name: Text = "Administrator"
    email: Annotated[str, Field(max_length=200, pattern=r"^[^@ \t\n\f\r]+@[^@ \t\n\f\r]+$")] | None = Field(
        None, description="Default: <userName>@<domain>."
    )
    password_secret_ref: SecretKeyRef | None = Field(
        None,
        description="Secret with the first password. Default: a generated one in <name>-admin. "
        "It must be changed at the first login.",
    )


class FirstInstance(ApiModel):
    """What the first setup creates. Later changes would have no effect, so they are refused."""

    organization: Text = "Default"
    admin: Administrator = Administrator()


class Agreement(ApiModel):
    """A written agreement that allows a value looser than the contract (K-9)."""

    clause: Annotated[str, Field(max_length=8, pattern=r"^[A-Z]{1,2}-[0-9]{1,2}$")] = Field(
        description="Clause that the agreement is about, for example S-2."
    )
    record: SecretName = Field(description="Name of the ContractRecord of the agreement.")


Contact = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^ \t\n\f\r](.*[^ \t\n\f\r])?$")]


class Contacts(ApiModel):
    """Whom to reach on each side: an address, a telephone number, the URL of a desk."""

    provider: Contact | None = Field(None, description="Stands with the findings that are the provider's.")
    customer: Contact | None = Field(None, description="Stands with the findings that are the customer's.")

    def of(self, party: Party) -> str | None:
        """Whom to reach on a side; None where nobody is named."""
        return self.provider if party == "Provider" else self.customer


class Sizing(ApiModel):
    """The load that was booked (S-3). The guarantee itself is judged client by client."""

    clients: int | None = Field(None, ge=1, le=10**9, description="Addresses that ask at the same time.")
    requests_per_second: int | None = Field(
        None, ge=1, le=10**6, description="Requests of all clients together."
    )


class DataLocation(ApiModel):
    """Where the data may be: a region or a list of countries."""

    rules: ClassVar = (
        Rule(
            cel="has(self.region) != has(self.countries)",
            message="set exactly one of region and countries",
            field="region",
            holds=lambda self: (self.region is None) != (self.countries is None),
        ),
    )
    region: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        None, description="Region of the contract, for example Switzerland."
    )
    countries: (
        Annotated[
            list[Annotated[str, Field(max_length=2, pattern=r"^[A-Z]{2}$")]],
            Field(min_length=1, max_length=40, json_schema_extra=list_set()),
        ]
        | None
    ) = Field(None, description="ISO 3166 alpha-2 codes.")


class Zones(ApiModel):
    """The zones the instance is spread over (S-2)."""

    rules: ClassVar = (
        Rule(
            cel="!has(self.names) || size(self.names) >= self.minimum",
            message="names must list at least as many zones as minimum",
            field="names",
            holds=lambda self: self.names is None or len(self.names) >= self.minimum,
        ),
    )
    minimum: int = Field(
        CONTRACT_ZONES,
        ge=1,
        le=9,
        description="Zones wanted. Fewer than 3 only with an agreement on clause S-2.",
    )
    names: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=63)]],
            Field(min_length=1, max_length=9, json_schema_extra=list_set()),
        ]
        | None
    ) = Field(None, description="Use these zones only (label topology.kubernetes.io/zone).")


class Infrastructure(ApiModel):
    """What the instance runs on, and whose it is."""

    rules: ClassVar = (
        immutable("dataLocation", "data does not move by an edit; restore into a new instance instead"),
        Rule(
            cel="self.class != 'SelfHosted' || self.owner == 'Customer'",
            message="class SelfHosted means owner Customer",
            field="owner",
            holds=lambda self: self.class_ != "SelfHosted" or self.owner == "Customer",
        ),
    )
    class_: InfrastructureClass = Field(
        "StaticOrOther",
        alias="class",
        description="Which service levels and clocks apply (contract O-1).",
    )
    owner: Party = Field("Provider", description="Who provides the cluster (contract O-3).")
    data_location: DataLocation | None = None
    zones: Zones = Zones()


class Server(ApiModel):
    """The ZITADEL server."""

    rules: ClassVar = tuple(
        Rule(
            cel=f"!has(self.config) || !has(self.config.{key})",
            message=f"config.{key} is computed by the operator: remove it",
            field="config",
            # ZITADEL reads its keys in any case; CEL cannot list keys that the schema does not name.
            holds=lambda self, key=key: key.lower() not in map(str.lower, self.config),
        )
        for key in OWNED_CONFIG
    )
    replicas: int = Field(3, ge=1, le=50)
    resources: Resources = Resources()
    config: dict[str, PydanticJson] = Field(
        {},
        max_length=100,
        description="ZITADEL runtime configuration, merged under what the operator computes. "
        "Not for secrets.",
        json_schema_extra={
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {key: CONFIG_TYPES[key] for key in OWNED_CONFIG},
        },
    )


class Login(ApiModel):
    """The login application."""

    replicas: int = Field(3, ge=1, le=50)
    resources: Resources = Resources()


class InstanceSpec(ApiModel):
    """What is wanted."""

    rules: ClassVar = (
        immutable("firstInstance", "it is read once, when the database is set up"),
        Rule(
            cel="!has(self.database.external) || self.database.external.state != 'Existing' || "
            "has(self.keys)",
            message="keys.masterkey.secretRef is required where database.external.state is Existing: "
            "its data can only be read with the masterkey it was written with",
            field="keys",
            holds=lambda self: not self.database.is_existing or self.keys is not None,
        ),
        Rule(
            cel="!has(self.database.external) || self.database.external.state != 'Existing' || "
            "!has(self.firstInstance)",
            message="firstInstance must not be set where database.external.state is Existing: "
            "it would have no effect",
            field="firstInstance",
            holds=lambda self: not self.database.is_existing or self.first_instance is None,
        ),
        Rule(
            cel="!has(self.backup) || self.database.engine != 'external'",
            message="backup has no effect with engine external: whoever runs the database backs it up, "
            "the operator can only observe it",
            field="backup",
            holds=lambda self: self.backup is None or self.database.engine != "external",
        ),
        Rule(
            cel="self.database.engine == 'external' || has(self.backup)",
            message="backup is required with an engine other than external: the contract's backups are "
            "made with it (B-1, B-2)",
            field="backup",
            holds=lambda self: self.database.engine == "external" or self.backup is not None,
        ),
        Rule(
            cel="self.database.engine == 'external' || has(self.infrastructure.dataLocation)",
            message="infrastructure.dataLocation is required with an engine other than external: it says "
            "where database and backups may be, and is chosen at creation (D-1)",
            field="infrastructure.dataLocation",
            holds=lambda self: (
                self.database.engine == "external" or self.infrastructure.data_location is not None
            ),
        ),
        *OBJECTIVE_RULES,
        *KEY_BUNDLE_RULES,
        *SOURCE_RULES,
        *EDGE_RULES,
        Rule(
            cel="self.infrastructure.zones.minimum >= 3 || self.agreements.exists(a, a.clause == 'S-2')",
            message="infrastructure.zones.minimum below 3 is looser than contract clause S-2: "
            "name the agreement in agreements[]",
            field="infrastructure.zones.minimum",
            holds=lambda self: (
                self.infrastructure.zones.minimum >= CONTRACT_ZONES
                or any(agreement.clause == "S-2" for agreement in self.agreements)
            ),
        ),
        Rule(
            cel="self.server.replicas >= self.infrastructure.zones.minimum",
            message="server.replicas must be at least infrastructure.zones.minimum: one per zone (S-2)",
            field="server.replicas",
            holds=lambda self: self.server.replicas >= self.infrastructure.zones.minimum,
        ),
        Rule(
            cel="self.login.replicas >= self.infrastructure.zones.minimum",
            message="login.replicas must be at least infrastructure.zones.minimum: one per zone (S-2)",
            field="login.replicas",
            holds=lambda self: self.login.replicas >= self.infrastructure.zones.minimum,
        ),
        *SPEC_RULES,
        Rule(
            cel="!has(self.deletion) || self.deletion.finalBackup != 'Skipped' || "
            "self.agreements.exists(a, a.clause == 'T-1')",
            message="deletion.finalBackup Skipped is looser than contract clause T-1: "
            "name the agreement in agreements[]",
            field="deletion.finalBackup",
            holds=lambda self: (
                self.deletion is None
                or self.deletion.final_backup != "Skipped"
                or any(agreement.clause == "T-1" for agreement in self.agreements)
            ),
        ),
    )
    plan: Plan = Field(description="Subscription plan of the booking.")
    domain: Annotated[
        str,
        Field(
            min_length=4,
            max_length=253,
            pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z][-a-z0-9]{0,61}[a-z0-9]$",
        ),
    ] = Field(description="Public name of the instance (ZITADEL ExternalDomain).")
    release: Release
    first_instance: FirstInstance | None = None
    keys: Keys | None = None
    from_: Source | None = Field(
        None, alias="from", description="What it starts from instead of an empty database; read once."
    )
    agreements: Annotated[list[Agreement], Field(max_length=50, json_schema_extra=list_map("clause"))] = (
        Field([])
    )
    options: Annotated[list[BookedOption], Field(max_length=2, json_schema_extra=list_set())] = Field(
        [], description="What was booked beside the plan: the provider's duty then, else the customer's."
    )
    contacts: Contacts = Contacts()
    sizing: Sizing = Sizing()
    production: bool = Field(
        False, description="Whether it serves real users: then a mail provider of its own is needed (C-7)."
    )
    infrastructure: Infrastructure = Infrastructure()
    server: Server = Server()
    login: Login = Login()
    database: Database
    backup: Backup | None = Field(None, description="Backups, of a database that an engine runs here.")
    key_bundle: KeyBundle | None = Field(
        None, description="Where the keys are kept beside the cluster, and who can open them."
    )
    maintenance: MaintenancePolicy | None = Field(
        None, description="When maintenance may run. Default: the provider's window on plan Standard."
    )
    edge: Edge | None = Field(
        None, description="How the world comes in. Absent: by a way of the user's own, without rate limits."
    )
    rate_limit: RateLimit | None = Field(
        None, description="How the rate limits are enforced. Absent, with edge: as published (RL-1)."
    )
    deletion: Deletion | None = Field(None, description="What is done before the instance may go (T-1).")

    @property
    def brings_data(self) -> bool:
        """Whether a ZITADEL used the data before this instance was created: there is no first setup then."""
        return self.database.is_existing or self.from_ is not None
