"""Executes the stages of a Dockerfile without Docker: in a process of its own, under `unshare`.

Everything happens on a memory file system in this process's own mount namespace: an overlay over the
parent's layers, and `chroot` for RUN. Mounts and what was half done end with the process, however that
ends.

Limits: needs root. RUN sees the machine's network and no confinement beyond the chroot, so that only
Dockerfiles of this repository are for it. Packages of Python are offered at /mnt, already downloaded and
checked.
"""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from images import layers
from images.dockerfile import SCRATCH, Config, Copy, Run, Stage, parse

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RUN_SECONDS = 600
WHEELS = "/mnt"
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What one build needs to know; paths are absolute."""

    dockerfile: str
    arguments: Mapping[str, str]
    contexts: Mapping[str, str]
    """Name -> folder; the image's own has an empty name."""
    parents: Mapping[str, tuple[str, ...]]
    """Image -> its layers from the lowest up."""
    parents_environment: Mapping[str, Mapping[str, str]]
    wheels: str
    """Folder with packages of Python, or empty."""
    out: str
    """The layer to write."""


def main(path: str) -> None:
    """Build what a file plans."""
    plan = Plan(**json.loads(Path(path).read_text()))
    work = Path(path).with_suffix(".work")
    work.mkdir()
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", work)
    parents = {name: Config(environment) for name, environment in plan.parents_environment.items()}
    stages = parse(plan.dockerfile, arguments=plan.arguments, parents=parents)
    uppers: dict[str, Path] = {}
    for stage in stages:
        root, upper = _root(stage, plan, work)
        for step in stage.steps:
            match step:
                case Run():
                    _run(step, root, plan.wheels)
                case Copy():
                    if built := uppers.get(step.source):
                        copy(step, source=built, root=root)
                    else:
                        copy(step, source=Path(plan.contexts[step.source]), root=root, left_out="__pycache__")
        if stage is not stages[-1]:
            uppers[stage.name] = root
        else:
            layers.pack(upper, Path(plan.out))


def copy(step: Copy, *, source: Path, root: Path, left_out: str = "") -> None:
    """Do a COPY: files into a folder or to a name, folders by their contents but for one name."""
    found = [path for pattern in step.patterns for path in sorted(source.glob(pattern.lstrip("/")))]
    if not found:
        raise FileNotFoundError(f"COPY {' '.join(step.patterns)}: nothing in {source}")
    target = root / step.target.lstrip("/")
    ignored = shutil.ignore_patterns(left_out)
    for path in found:
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            _open(target)
            continue
        file = target / path.name if step.target.endswith("/") or target.is_dir() else target
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, file)
        file.chmod(_readable(file) if step.mode is None else step.mode)


def _open(folder: Path) -> None:
    """Let everybody read what a strict umask of the checkout would hide from the image's user."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) != _readable(path):
            path.chmod(_readable(path))


def _readable(path: Path) -> int:
    mode = stat.S_IMODE(path.stat().st_mode)
    return mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444)


def _root(stage: Stage, plan: Plan, work: Path) -> tuple[Path, Path]:
    """Where a stage's files are seen, and where what it changes is."""
    here = work / f"stage-{stage.name}"
    upper, root, inner = here / "upper", here / "root", here / "work"
    for folder in (upper, root, inner):
        folder.mkdir(parents=True)
    if stage.parent == SCRATCH:
        return upper, upper
    lower = work / f"parent-{stage.parent}"
    if not lower.exists():
        lower.mkdir()
        for layer in plan.parents[stage.parent]:
            layers.apply(Path(layer), lower)
        (lower / "dev").mkdir(exist_ok=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={inner},redirect_dir=off,metacopy=off"
    mount("-t", "overlay", "-o", options, "overlay", root)
    return root, upper


def _run(step: Run, root: Path, wheels: str) -> None:
    """Do a RUN. What is mounted for it is gone after it, and never part of the layer."""
    mounted = [
        ("--bind", "/dev", root / "dev"),
        ("--bind", "/proc", root / "proc"),
        ("--bind", "/etc/resolv.conf", root / "etc/resolv.conf"),
        *([("--bind", wheels, root / WHEELS.lstrip("/"))] if wheels else []),
    ]
    for arguments in mounted:
        mount(*arguments)
    environment = {
        "PATH": PATH,
        "HOME": "/root",
        **step.environment,
        **(OFFLINE if wheels else {}),
    }

    def enter() -> None:
        os.chroot(root)
        os.makedirs(step.directory, exist_ok=True)
        os.chdir(step.directory)

    try:
        command = ["/bin/sh", "-c", step.command]
        subprocess.run(command, env=environment, preexec_fn=enter, check=True, timeout=RUN_SECONDS)
    finally:
        for *_, target in reversed(mounted):
            subprocess.run(["umount", "--lazy", target], check=True)


def mount(*arguments: str | Path) -> None:
    """Call mount(8)."""
    subprocess.run(["mount", *arguments], check=True)
