"""All that can be set of the key bundle's writer, as one value. `cli` builds it; nothing else reads any."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dedicated.api.key_bundle import RecipientRole
from dedicated.probes.objects import Access


@dataclass(frozen=True, slots=True)
class Settings:
    """One task. `bundle` and `ledger` are the marks of what is to be written, empty where it is not.

    `masterkey` is NAME/KEY of its Secret; `secrets` are names that have to be mounted below `material`;
    `recipients` are roles and public keys; `credentials` is the folder with the pod's token.
    """

    instance: str
    namespace: str
    incarnation: str
    bundle: str
    ledger: str
    masterkey: str
    secrets: tuple[str, ...]
    material: Path
    recipients: tuple[tuple[RecipientRole, str], ...]
    versions: Mapping[str, str]
    bucket: str
    prefix: str
    access: Access
    api_server: str
    credentials: Path
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
