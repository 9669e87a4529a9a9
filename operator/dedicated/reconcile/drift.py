"""What somebody else did to one child, in terms of managedFields."""

import json
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]
"""Steps of fieldsV1 keys: `f:name`, `k:{...}`, `v:...`."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Fields lost to others, fields they added; `time` is empty where the API server tells none."""

    lost: tuple[Path, ...]
    added: tuple[Path, ...]
    manager: str
    operation: str
    time: str

    def fields(self) -> tuple[str, ...]:
        """The fields as a person writes them."""
        return tuple(readable(path) for path in (*self.lost, *self.added))


def readable(path: Path) -> str:
    """`spec.template.spec.containers[name=server].image`."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        match kind:
            case "f":
                text += f".{rest}" if text else rest
            case "k":
                keys = ",".join(f"{key}={value}" for key, value in json.loads(rest).items())
                text += f"[{keys}]"
            case "v":
                text += f"[{json.loads(rest)}]"
    return text
