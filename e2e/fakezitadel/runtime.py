"""What a process of the fake is told beside ZITADEL's own settings, and how it fails and logs.

| variable | meaning |
|---|---|
| FAKEZ_VERSION | version that it plays, as in the image tag: `v4.15.2`; required |
| FAKEZ_ROOT | absolute paths in arguments and configuration are looked up below it |
| FAKEZ_BIND | address to listen on; default all |
| FAKEZ_RESOLVE_FILE | JSON `{"host:port": ["ip:port", ...]}` that comes before DNS |
| FAKEZ_POLL_SECONDS | pause between two looks at a step that another setup has started; default 5 |
| FAKEZ_FAULTS, FAKEZ_FAULTS_FILE | switches, see `faults` |
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fakezitadel.faults import Faults

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


class FatalError(Exception):
    """An error that ZITADEL logs as fatal: exit 1."""


class PanicError(Exception):
    """A crash of ZITADEL: exit 2."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The variables above, read once."""

    version: str
    root: Path | None
    bind: str
    resolve_file: Path | None
    poll_seconds: float
    faults: Faults
    env: Mapping[str, str]

    def path(self, name: str) -> Path:
        """Where a file named in arguments or configuration is on this machine."""
        if self.root is None or not name.startswith("/"):
            return Path(name)
        return self.root / name.lstrip("/")


def from_environment(env: Mapping[str, str]) -> Runtime:
    """The runtime of this process; FatalError if a variable is missing or malformed."""
    version = env.get("FAKEZ_VERSION", "")
    if not VERSION.match(version):
        raise FatalError(f"FAKEZ_VERSION must be a version such as v4.15.2, but is {version!r}")
    resolve_file = env.get("FAKEZ_RESOLVE_FILE")
    try:
        return Runtime(
            version=version,
            root=Path(env["FAKEZ_ROOT"]) if env.get("FAKEZ_ROOT") else None,
            bind=env.get("FAKEZ_BIND") or "0.0.0.0",
            resolve_file=Path(resolve_file) if resolve_file else None,
            poll_seconds=float(env.get("FAKEZ_POLL_SECONDS") or 5),
            faults=Faults(text=env.get("FAKEZ_FAULTS", ""), file=env.get("FAKEZ_FAULTS_FILE", "")),
            env=env,
        )
    except ValueError as error:
        raise FatalError(str(error)) from error


def version_key(version: str) -> tuple[int, int, int]:
    """A version as numbers that compare; `(0, 0, 0)` if it is none."""
    match = VERSION.match(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (0, 0, 0)


def log(message: str, *, level: str = "info") -> None:
    """One line on stderr. The caller vouches that the message holds no secret."""
    print(f"level={level} msg={json.dumps(message)}", file=sys.stderr, flush=True)
