"""All that can be set of a recovery agent, as one value. `cli` builds it; nothing else reads any."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from dedicated.contract.recovery.duties import AUDIT_EVERY
from dedicated.contract.recovery.objectives import RecoveryObjectives

CREDENTIALS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its service account's token and the API server's certificate authority."""

SAMPLE_EVERY = timedelta(seconds=5)
"""So that a standby that does not follow is told within 15 s (`contract.failover`)."""
WRITE_EVERY = timedelta(seconds=60)
VERIFY_EVERY = timedelta(days=1)
"""All of the repository is read for a verification."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one agent. The times between two of a kind are for times of rest.

    `dsn_file` holds a connection string of a role with `pg_monitor` and `pg_checkpoint`;
    `repository_config` is a configuration of pgBackRest; `stores_file` tells the places of the backups that
    are looked at (`api.store`). With a `barman_server` the repository is barman-cloud's, in the bucket that
    is told to be one. `environment` is more of pgBackRest's configuration, which may be secret.
    `members` are the database's servers, each asked about itself: host or host:port, separated by commas,
    every address of a name; empty: none is asked. `credentials` is a folder with `token` and `ca.crt`.
    """

    instance: str
    namespace: str
    incarnation: str
    dsn_file: Path
    api_server: str
    repository_config: Path = Path()
    stanza: str = ""
    credentials: Path = CREDENTIALS
    pgbackrest: str = "pgbackrest"
    stores_file: Path | None = None
    barman_server: str = ""
    members: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    objectives: RecoveryObjectives = field(default_factory=RecoveryObjectives)
    sample_every: timedelta = SAMPLE_EVERY
    audit_every: timedelta = AUDIT_EVERY
    write_every: timedelta = WRITE_EVERY
    verify_every: timedelta = VERIFY_EVERY
    http_address: tuple[str, int] = ("0.0.0.0", 8080)  # noqa: S104 - the kubelet asks the pod's address
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"

    @property
    def record(self) -> str:
        """The name of the ConfigMap that it writes, and of no other object."""
        return f"{self.instance}-recovery"
