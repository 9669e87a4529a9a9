"""All that can be set of a verification, as one value. `cli` builds it; nothing else reads any."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from dedicated.agents.recovery.settings import CREDENTIALS
from dedicated.contract.recovery.proof import Goal


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one verification.

    `restore` is the uid that the verdict is marked with, `record` the ConfigMap that it is written to, and
    `incarnation` the uid of the instance whose samples are in `samples_file`. `salt` is the fingerprint's,
    empty where the masterkey's is not known. For `timeout` the end of recovery is waited for.
    """

    restore: str
    record: str
    namespace: str
    incarnation: str
    goal: Goal
    masterkey_file: Path
    samples_file: Path
    api_server: str
    timeout: timedelta
    salt: str = field(default="", repr=False)
    credentials: Path = CREDENTIALS
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
