"""The key of an image: a hash of everything that goes into it, so that what is in the cache is what was
asked for.

Files are told by their contents; large ones (programs) by size and time, since they are kept under such a
key themselves. Debian's packages are not part of it: their versions are those of the day of the build.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from images.dockerfile import Config, Stage, copies, parse
from images.recipes import BASE, RECIPES, Recipe
from images.stage import PATH
from images.trust import AUTHORITY, authority
from testbed.home import CHECKOUT
from testbed.tools import binary

FORMAT = "2"
"""To be raised when the code that builds changes what it makes."""
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "tzdata")
AS_IN_CONTAINERS = """
set -eu
printf '#!/bin/sh\\nexit 101\\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
rm -f "$1"/var/cache/apt/*.bin
cat > "$1/etc/apt/apt.conf.d/in-containers" <<END
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
"""
"""As Docker's images of Debian: packages start no services while being installed, and apt keeps no files."""
LEFT_OUT = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"),
    *("*/libLLVM*", "*/bitcode/*", "*/llvmjit*"),
)
"""Nothing reads them; PostgreSQL finds its compiler missing and does without."""
BASE_CONFIG = Config({"PATH": PATH})
_LARGE = 8 * 2**20
_OWN_SOURCES = ("operator/dedicated", "pyproject.toml", "README.md", "LICENSE")


@cache
def key(name: str) -> str:
    """16 hexadecimal digits. Programs of `testbed.tools` that the image holds are built first if need be."""
    if name == BASE:
        return _hash(FORMAT, SUITE, AS_IN_CONTAINERS, *PACKAGES, *LEFT_OUT)
    return recipe_key(RECIPES[name])


def recipe_key(recipe: Recipe) -> str:
    """The same of a recipe."""
    parents = [key(parent) for parent in parents_of(recipe)]
    text = recipe.dockerfile.read_text()
    return _hash(FORMAT, text, json.dumps(recipe.arguments), *parents, *_files(recipe))


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """What its Dockerfile says."""
    parents = {name: config_of(name) for name in parents_of(recipe)}
    return parse(recipe.dockerfile.read_text(), arguments=recipe.arguments, parents=parents)


def config_of(name: str) -> Config:
    """How an image runs."""
    return BASE_CONFIG if name == BASE else stages(RECIPES[name])[-1].config


def parents_of(recipe: Recipe) -> list[str]:
    """Images of ours that it begins with."""
    named = re.findall(r"^FROM (\S+)", recipe.dockerfile.read_text(), re.MULTILINE)
    return sorted(name for name in {*named, *recipe.arguments.values()} if name == BASE or name in RECIPES)


def _files(recipe: Recipe) -> Iterator[str]:
    for wheels in recipe.wheels:
        yield wheels.read_text()
    if recipe.own_wheel:
        for source in _OWN_SOURCES:
            yield from _tree(CHECKOUT / source)
        return
    for copy in copies(stages(recipe)):
        for pattern in copy.patterns:
            if copy.source == "tools":
                yield from _tree(binary(pattern).resolve())
            elif copy.source == AUTHORITY:
                yield from _tree(authority().certificate)
            else:
                for path in sorted(recipe.folders.get(copy.source, CHECKOUT).glob(pattern)):
                    yield from _tree(path)


def _tree(path: Path) -> Iterator[str]:
    paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for each in paths:
        if "__pycache__" not in each.parts:
            found = each.stat()
            yield each.name if path.is_file() else str(each.relative_to(path))
            if found.st_size > _LARGE:
                yield f"{found.st_size} {found.st_mtime_ns}"
            else:
                yield hashlib.sha256(each.read_bytes()).hexdigest()


def _hash(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
