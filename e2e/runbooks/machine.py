"""The machine of who follows a runbook: its programs, and its way to a cluster and to a store.

`dedicated` is this checkout's, kubectl and helm are the testbed's, PostgreSQL's programs the lab's. `aws` and
`zitadel` are played (`runbooks.aws`, `fakezitadel`).
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.s3 import IDENTITIES, REGION, S3
from testbed import tools
from testbed.home import python_path
from testbed.postgres import find_binaries

MODULES = {"dedicated": "dedicated", "aws": "runbooks.aws", "zitadel": "fakezitadel server"}
TOOLS = ("kubectl", "helm")


def machine(folder: Path, kubeconfig: Path, *, store: S3 | None = None) -> dict[str, str]:
    """The environment. `folder` takes the programs; `aws` leads to `store`, as who may read all of it."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, module in MODULES.items():
        command = [f"PYTHONPATH={python_path()}", sys.executable, "-m", *module.split()]
        _script(programs / name, f'exec env {shlex.join(command)} "$@"')
    for name in TOOLS:
        _script(programs / name, f'exec {shlex.quote(str(tools.binary(name)))} "$@"')
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "PATH": f"{programs}:{find_binaries()}:/usr/local/bin:/usr/bin:/bin",
        "KUBECONFIG": str(kubeconfig),
        "NO_COLOR": "1",
        **(_way_to(store) if store else {}),
    }


def _way_to(store: S3) -> Mapping[str, str]:
    key_id, key = IDENTITIES["owner"]
    return {
        "AWS_ENDPOINT_URL": f"https://{store.endpoint}",
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": key,
        "AWS_CA_BUNDLE": str(store.ca_file),
    }


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
