"""What the tools that users drive the operator with make of an object.

`judge` asks kstatus, the module that Helm and Flux wait by; `argo_health` runs our health script as
Argo CD does. Tests call both at every step, so that a status never says one thing to people and another
to their tools.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from lupa.lua51 import LuaRuntime

from dedicated.api.json import Manifest
from testbed.tools import binary

Verdict = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound", "Unknown"]
Health = Literal["Healthy", "Progressing", "Degraded", "Suspended", "Unknown"]

CUSTOMIZATION = (
    Path(__file__).resolve().parent.parent
    / "examples/gitops/argocd/resource_customizations/dedicated.zitadel.com/DedicatedInstance"
)
ABSENT_LIBRARIES = ("coroutine", "debug", "io", "math", "os", "package", "string")
"""What Argo CD's interpreter does not offer to a health script."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What kstatus says of an object, on one line."""

    status: Verdict
    message: str


@dataclass(frozen=True, slots=True)
class ArgoHealth:
    """What Argo CD shows for an object."""

    status: Health
    message: str


def judge(manifests: Sequence[Manifest]) -> list[Judgement]:
    """kstatus' judgement of each object as read from the API server, in the same order."""
    done = subprocess.run(
        [binary("kstatus")],
        input="\n".join(map(json.dumps, manifests)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    lines = [line.partition("\t") for line in done.stdout.splitlines()]
    return [Judgement(cast(Verdict, status), message) for status, _, message in lines]


def argo_health(manifest: Manifest) -> ArgoHealth:
    """The health script's judgement of a DedicatedInstance."""
    lua = LuaRuntime(register_eval=False, register_builtins=False)
    names = lua.globals()
    for library in ABSENT_LIBRARIES:
        names[library] = None
    names.obj = lua.table_from(manifest, recursive=True)
    found = lua.execute((CUSTOMIZATION / "health.lua").read_text())
    return ArgoHealth(cast(Health, found.status), str(found.message))
