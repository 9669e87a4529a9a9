"""`spec.backup`: how often, for how long, where to, and what is promised of it (B-1 to B-7, D-1).

The defaults are the contract's. Objectives may be tightened by anybody; a looser one holds only with an
agreement on its clause (K-9, `contract.recovery.objectives`). What needs a calendar or a map (schedules,
regions) is judged by the operator, what a repository really is by the recovery agent.
"""

import re
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dedicated.api.compute import Storage
from dedicated.api.duration import Duration, parse_duration
from dedicated.api.rules import ApiModel, Rule, immutable, list_map
from dedicated.api.store import StoreRole

SecretName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
BucketName = Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][-a-z0-9.]*[a-z0-9]$")]
Endpoint = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-a-z0-9.]+(:[0-9]{1,5})?$")]
Cron = Annotated[str, Field(max_length=100)]
DifferentialMode = Literal["native", "walOnly"]
Wish = Literal["Required", "Preferred"]


DAILY = Rule(
    cel="self.schedule.matches('^[-0-9*,/]+ [-0-9*,/]+ [*] [*] [*]$')",
    message="schedule must be minute and hour, as cron writes them, and three times *, since a backup comes "
    "each day (B-1), such as '0 1 * * *'",
    field="schedule",
    shown="schedule",
    holds=lambda self: re.fullmatch(r"[-0-9*,/]+ [-0-9*,/]+ \* \* \*", self.schedule) is not None,
)
"""What of a schedule is seen without reckoning; the rest is `contract.recovery.schedule`."""


class ObjectivesSpec(ApiModel):
    """What is promised; the contract's by default."""

    disaster_rpo: Duration = Field(
        "1h", alias="disasterRPO", description="Lost at most when all copies of the database are lost (B-3)."
    )
    failover_rpo: Duration = Field(
        "1m", alias="failoverRPO", description="Lost at most with one pod, node or zone (B-5)."
    )
    failover_rto: Duration = Field(
        "1m", alias="failoverRTO", description="Outage at most with one pod, node or zone (B-5)."
    )
    restore_time: Duration = Field("4h", description="A restore is done within (B-4).")


class FullBackup(ApiModel):
    """Full backups, at least one each day (B-1)."""

    rules: ClassVar = (DAILY,)
    schedule: Cron = Field(
        "0 1 * * *",
        description="Minute and hour, as cron writes them, in the contract zone; * * * behind them.",
    )


class DifferentialBackup(ApiModel):
    """Backups between the full ones (B-2)."""

    rules: ClassVar = (DAILY,)
    schedule: Cron = Field("0 * * * *", description="As that of full backups; on much higher frequency.")
    mode: DifferentialMode = Field(
        "native",
        description="native where the engine has them; walOnly needs an agreement on clause B-2.",
    )


class WriteAheadLog(ApiModel):
    """Archiving of the write-ahead log."""

    archive_interval: Duration = Field(
        "60s", description="The log is archived at least so often; at most a quarter of disasterRPO."
    )


class Retention(ApiModel):
    """For how long backups are kept: free within B-1 to B-3 (B-8)."""

    days: int = Field(14, ge=1, le=3650, description="Days back to which a point in time can be restored.")
    differentials: int = Field(48, ge=1, le=1000, description="Differential backups that are kept.")


class Drill(ApiModel):
    """Drills: restores into a copy that is looked at and removed, so that one is known to work (B-4)."""

    schedule: Cron = Field(
        "0 4 * * 0",
        description="Minute, hour and days of the week (0 is Sunday), as cron writes them, in the contract "
        "zone; * * between them.",
    )
    target: Literal["Random", "Newest"] = Field(
        "Random", description="Which point is restored: any one that can be, or the newest."
    )
    max_age: Duration = Field("240h", description="A drill that passed proves a restore for so long.")
    timeout: Duration = Field("2h", description="For the end of recovery; as much again to look at the copy.")


class ClientSideEncryption(ApiModel):
    """Encryption before data leaves the cluster."""

    secret_name: SecretName = Field(
        description="Secret with key passphrase. Without it no backup can be read."
    )


class Encryption(ApiModel):
    """How backups are encrypted: at least one of the two (D-2)."""

    rules: ClassVar = (
        Rule(
            cel="has(self.clientSide) || has(self.serverSide)",
            message="set clientSide or serverSide: a backup is never stored in the clear (D-2)",
            field="clientSide",
            holds=lambda self: self.client_side is not None or self.server_side is not None,
        ),
    )
    client_side: ClientSideEncryption | None = None
    server_side: Literal["AES256", "aws:kms"] | None = None


class Immutability(ApiModel):
    """Protection of what is stored against deletion."""

    versioning: Wish = "Required"
    object_lock: Wish = "Preferred"
    lock_days: int = Field(14, ge=1, le=3650)


class Repository(ApiModel):
    """A place where backups are stored."""

    rules: ClassVar = (
        Rule(
            cel="self.provider in ['s3', 'volume']",
            message="provider must be s3 or volume: others cannot be checked for location and continuity yet",
            field="provider",
            shown="provider",
            holds=lambda self: self.provider in {"s3", "volume"},
        ),
        Rule(
            cel="self.provider != 's3' || (has(self.bucket) && has(self.endpoint) && has(self.region) && "
            "has(self.secretName))",
            message="provider s3 needs bucket, endpoint, region and secretName",
            field="bucket",
            holds=lambda self: (
                self.provider != "s3"
                or None not in (self.bucket, self.endpoint, self.region, self.secret_name)
            ),
        ),
        Rule(
            cel="!has(self.endpoint) || !has(self.region) || !self.endpoint.endsWith('.amazonaws.com') || "
            "self.endpoint == 's3.amazonaws.com' || self.endpoint.contains('.' + self.region + '.')",
            message="endpoint must be that of region: Amazon's names it",
            field="endpoint",
            holds=lambda self: (
                self.endpoint is None
                or self.region is None
                or not self.endpoint.endswith(".amazonaws.com")
                or self.endpoint == "s3.amazonaws.com"
                or f".{self.region}." in self.endpoint
            ),
        ),
        Rule(
            cel="self.provider != 'volume' || (has(self.storage) && has(self.encryption.clientSide))",
            message="provider volume needs storage, and encryption.clientSide: how a volume is encrypted "
            "cannot be seen (D-2)",
            field="storage",
            holds=lambda self: (
                self.provider != "volume"
                or None not in (self.storage, self.encryption.client_side)
            ),
        ),
        Rule(
            cel="!has(self.storage) || self.provider == 'volume'",
            message="storage has no effect with provider s3: remove it, or set provider volume",
            field="storage",
            holds=lambda self: self.storage is None or self.provider == "volume",
        ),
    )
    provider: Annotated[str, Field(max_length=20)] = "s3"
    bucket: BucketName | None = None
    prefix: Annotated[str, Field(max_length=200, pattern=r"^[-_./a-zA-Z0-9]*$")] = Field(
        "", description="Folder in the bucket; below it each incarnation of an instance has its own."
    )
    endpoint: Endpoint | None = Field(
        None, description="Host, and port where it is not 443; TLS is always used."
    )
    region: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        None, description="The bucket's region as the store names it. It must lie in the data location (D-1)."
    )
    secret_name: SecretName | None = Field(
        None, description="Secret with keys access-key-id and secret-access-key of the store."
    )
    storage: Storage | None = Field(None, description="The volume of provider volume; the engine makes it.")
    encryption: Encryption
    immutability: Immutability = Immutability()


class Backup(ApiModel):
    """Backups of the database."""

    rules: ClassVar = (
        immutable("repository", "backups stay where they are; restore into a new instance instead"),
        Rule(
            cel="self.repository.provider != 'volume' || size(self.copies) > 0",
            message="a repository on a volume is lost with its zone: name a copy elsewhere in copies[]",
            field="copies",
            holds=lambda self: self.repository.provider != "volume" or len(self.copies) > 0,
        ),
        Rule(
            cel="self.copies.all(c, c.provider == 's3')",
            message="a copy must have provider s3",
            field="copies",
            holds=lambda self: all(copy.provider == "s3" for copy in self.copies),
        ),
    )
    objectives: ObjectivesSpec = ObjectivesSpec()
    full: FullBackup = FullBackup()
    differential: DifferentialBackup = DifferentialBackup()
    wal: WriteAheadLog = WriteAheadLog()
    retention: Retention = Retention()
    drill: Drill = Drill()
    repository: Repository
    copies: Annotated[
        list[Repository], Field(max_length=1, json_schema_extra=list_map("provider"))
    ] = Field(
        [], description="A second place, in the data location too."
    )

    @property
    def buckets(self) -> tuple[tuple[StoreRole, Repository], ...]:
        """The places that outlive the loss of a zone. The first is the one that the recovery agent lists, and
        that all promises are reckoned from."""
        told: list[tuple[StoreRole, Repository]] = [("Repository", self.repository)]
        told += [("Copy", copy) for copy in self.copies]
        return tuple((role, place) for role, place in told if place.provider == "s3")


def _agreed(field: str, most: str, clause: str, value: Callable[[Backup], str]) -> Rule:
    """A duration of `spec.backup` that is looser than the contract needs the clause's agreement (K-9)."""
    return Rule(
        cel=f"!has(self.backup) || duration(self.backup.{field}) <= duration('{most}') || "
        f"self.agreements.exists(a, a.clause == '{clause}')",
        message=f"backup.{field} above {most} is looser than contract clause {clause}: "
        "name the agreement in agreements[]",
        field=f"backup.{field}",
        holds=lambda self: (
            self.backup is None
            or parse_duration(value(self.backup)) <= parse_duration(most)
            or any(agreement.clause == clause for agreement in self.agreements)
        ),
    )


OBJECTIVE_RULES = (
    _agreed("objectives.disasterRPO", "1h", "B-3", lambda backup: backup.objectives.disaster_rpo),
    _agreed("objectives.failoverRPO", "1m", "B-5", lambda backup: backup.objectives.failover_rpo),
    _agreed("objectives.failoverRTO", "1m", "B-5", lambda backup: backup.objectives.failover_rto),
    _agreed("objectives.restoreTime", "4h", "B-4", lambda backup: backup.objectives.restore_time),
    _agreed("wal.archiveInterval", "60s", "B-2", lambda backup: backup.wal.archive_interval),
    Rule(
        cel="!has(self.backup) || self.backup.differential.mode != 'walOnly' || "
        "self.agreements.exists(a, a.clause == 'B-2')",
        message="backup.differential.mode walOnly is looser than contract clause B-2: "
        "name the agreement in agreements[]",
        field="backup.differential.mode",
        holds=lambda self: (
            self.backup is None
            or self.backup.differential.mode != "walOnly"
            or any(agreement.clause == "B-2" for agreement in self.agreements)
        ),
    ),
)
"""Rules of `InstanceSpec`: what of `spec.backup` is looser than the contract."""
