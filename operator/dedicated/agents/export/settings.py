"""All that can be set of an export, as one value. `cli` builds it; nothing else reads any."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from dedicated.agents.recovery.settings import CREDENTIALS
from dedicated.probes.objects import Access


@dataclass(frozen=True, slots=True)
class Source:
    """The repository of a physical export: pgBackRest's configuration and stanza; the door, bucket and folder
    by which its objects are addressed, for `valid_for`.

    `passphrase` names Secret and key among the packed ones, empty where the repository is not encrypted.
    `environment` has what is secret.
    """

    configuration: Path
    stanza: str
    bucket: str
    folder: str
    access: Access
    valid_for: timedelta
    passphrase: str = ""
    program: str = "pgbackrest"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one export.

    `export` is the uid that the report is marked with, `record` the ConfigMap that it is written to, `uid`
    the instance's. `connection` is of the source: what it leaves out, libpq's variables say. `keys` is the
    folder that is packed as the key bundle: `secrets` have to be in it, `masterkey` is one's name and key.
    `scratch` is shared with PostgreSQL's programs. With `repository` the export is a physical one, and asks
    no database. Without a `bucket` it is a drill, which ends once the dump was proven.
    """

    export: str
    record: str
    instance: str
    namespace: str
    uid: str
    zitadel: str
    recipient: str
    bucket: str
    folder: str
    access: Access
    keys: Path
    masterkey: str
    secrets: tuple[str, ...]
    scratch: Path
    api_server: str
    connection: str = field(default="", repr=False)
    repository: Source | None = None
    credentials: Path = CREDENTIALS
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
