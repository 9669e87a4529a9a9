"""All that can be set of an import, as one value. `cli` builds it; nothing else reads any."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dedicated.agents.recovery.settings import CREDENTIALS
from dedicated.probes.objects import Access


@dataclass(frozen=True, slots=True)
class Stored:
    """An export in a store: the folder of its manifest, which has this SHA-256, and the age identity."""

    bucket: str
    folder: str
    access: Access
    manifest_sha256: str
    identity: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one import.

    `uid` is the instance's, which the report is marked with; `record` the ConfigMap that it is written to.
    `stored` is the export, None where `source` is the connection of a running database. `target` is that of
    the instance's own. `zitadel` is the release that will run. `scratch` is shared with the programs.
    """

    uid: str
    record: str
    namespace: str
    zitadel: str
    masterkey: Path
    scratch: Path
    api_server: str
    stored: Stored | None = None
    source: str = field(default="", repr=False)
    target: str = field(default="", repr=False)
    credentials: Path = CREDENTIALS
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
