"""Runs a program of an image as a pod under the restricted profile would, without a container runtime.

The root is read-only but for /tmp, the user is the image's, there are no capabilities and no network. What an
image lacks shows in seconds, without a cluster. Mounts end with the process.

Limits: needs root; no limits of memory or processes, no seccomp.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from images import layers
from images.build import build, inside
from images.stage import mount

SECONDS = 120


def run(
    name: str, *arguments: str, command: Sequence[str] | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run an image's entry point, or a command in its place. TimeoutExpired after 120 s."""
    (built,) = build(name)
    config = built.config
    with tempfile.TemporaryDirectory() as folder:
        told = {
            "root": folder,
            "layers": [str(layer.path) for layer in built.layers],
            "command": [*(config.entrypoint if command is None else command), *arguments],
            "user": config.user or "0:0",
            "environment": {**config.environment, **(env or {})},
        }
        return subprocess.run(
            inside("images.trial", json.dumps(told), "--net"),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )


def main(text: str) -> None:
    """Become the program, in the namespaces made for it."""
    told = json.loads(text)
    root = Path(told["root"])
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", root)
    for layer in told["layers"]:
        layers.apply(Path(layer), root)
    for name in ("dev", "proc", "tmp"):
        (root / name).mkdir(exist_ok=True)
    mount("--bind", "/dev", root / "dev")
    mount("-t", "proc", "proc", root / "proc")
    mount("-o", "remount,ro", root)
    mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root / "tmp")
    user = ("/usr/sbin/chroot", f"--userspec={told['user']}", "--groups=", str(root))
    # Leaving root takes all capabilities; none come back, not by a program with a set-user bit either.
    command = ["setpriv", "--no-new-privs", *user, *told["command"]]
    os.execve("/usr/bin/setpriv", command, told["environment"])
