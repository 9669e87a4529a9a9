"""Builds what is missing, and keeps it: one folder of the cache for each image, with its own layer.

Building happens at most once, also when asked by several processes. Archives are put together from the
layers on demand, for the images that are wanted together.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import packager
from images.dockerfile import Config, copies
from images.keys import AS_IN_CONTAINERS, LEFT_OUT, PACKAGES, SUITE, config_of, key, parents_of, stages
from images.oci import Image, Layer, digest_of, write
from images.recipes import BASE, RECIPES, Recipe
from images.stage import Plan
from images.trust import AUTHORITY, authority
from testbed.home import CHECKOUT, cache_root
from testbed.locks import locked
from testbed.tools import binary

PYTHON = "3.11"
"""Of the base, whose packages of Python are downloaded by this process's pip."""
BUILDERS = 2
BUILD_SECONDS = 1200
KEPT_SECONDS = 2 * 86400
"""How long archives and images that nobody asked for stay."""


class ImageError(RuntimeError):
    """An image cannot be built; says which, and ends with the words of what failed."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image in the cache."""

    name: str
    key: str
    layers: tuple[Layer, ...]
    config: Config

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.path.stat().st_size for layer in self.layers)


def cache_folder() -> Path:
    """Where images are kept: `$DEDICATED_CACHE/images`."""
    return cache_root() / "images"


def reference(name: str) -> str:
    """What a pod names. It changes with the contents of the image."""
    version = RECIPES[name].version if name != BASE else ""
    return f"localhost/{name}:{f'{version}-' if version else ''}dev-{key(name)[:8]}"


def repository(name: str) -> str:
    """Repository of an image of the release catalogue: its tags are the releases. Changes as `reference`."""
    return f"localhost/dev-{key(name)[:8]}/{name}"


def archive(*names: str) -> Path:
    """An archive with these images and all releases, built first if need be. ImageError, LookupError."""
    images = [image for built in build(*names) for image in _images(built)]
    folder = cache_folder() / "archives"
    out = folder / f"{'-'.join(sorted(f'{name}.{key(name)[:8]}' for name in names))[:200]}.tar"
    with locked(out.with_suffix(".lock")):
        if not out.exists():
            unfinished = out.with_suffix(".new")
            write(images, unfinished)
            unfinished.rename(out)
    out.touch()
    _forget(folder, but=out)
    return out


def build(*names: str) -> list[Built]:
    """The images, in the order of their names given; missing ones are built, two at a time."""
    for name in names:
        if name not in RECIPES and name != BASE:
            raise LookupError(f"no image is called {name}: there are {', '.join(RECIPES)}")
    with ThreadPoolExecutor(BUILDERS) as pool:
        return list(pool.map(_built, names))


def _built(name: str) -> Built:
    folder = cache_folder() / f"{name}-{key(name)}"
    parents = [] if name == BASE else [_built(parent) for parent in parents_of(RECIPES[name])]
    if not folder.exists():
        with locked(folder.with_suffix(".lock")):
            if not folder.exists():
                unfinished = folder.with_suffix(".new")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir(parents=True)
                _make(name, unfinished, {parent.name: parent for parent in parents})
                unfinished.rename(folder)
    own = Layer(folder / "layer.tar", (folder / "digest").read_text())
    return Built(name, key(name), (*_below(name, parents), own), config_of(name))


def _below(name: str, parents: list[Built]) -> tuple[Layer, ...]:
    last = "" if name == BASE else stages(RECIPES[name])[-1].parent
    return next((parent.layers for parent in parents if parent.name == last), ())


def _make(name: str, folder: Path, parents: Mapping[str, Built]) -> None:
    started = time.monotonic()
    layer = folder / "layer.tar"
    if name == BASE:
        _call(name, _debootstrap(layer))
    else:
        recipe = RECIPES[name]
        with _contexts(recipe, folder) as contexts:
            plan = Plan(
                dockerfile=recipe.dockerfile.read_text(),
                arguments=recipe.arguments,
                contexts=contexts,
                parents={name: tuple(str(layer.path) for layer in it.layers) for name, it in parents.items()},
                parents_environment={name: it.config.environment for name, it in parents.items()},
                wheels=str(_wheels(recipe)) if recipe.wheels else "",
                out=str(layer),
            )
            (folder / "plan.json").write_text(json.dumps(dataclasses.asdict(plan)))
            _call(name, inside("images.stage", str(folder / "plan.json")))
        for left in (folder / "plan.json", folder / "plan.work"):
            left.unlink() if left.is_file() else left.rmdir()
    (folder / "digest").write_text(digest_of(layer))
    seconds = time.monotonic() - started
    print(f"{name}: {layer.stat().st_size / 1e6:.0f} MB in {seconds:.0f} s", file=sys.stderr, flush=True)


def _debootstrap(out: Path) -> list[str]:
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        "--dpkgopt=force-unsafe-io",
        f"--customize-hook={AS_IN_CONTAINERS}",
        *("--skip=output/dev", SUITE, str(out)),
    ]


def inside(module: str, told: str, *more: str) -> list[str]:
    """Command line of a module's `main` in a mount and process namespace of its own, which ends with it."""
    own = ("--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")
    call = f"import sys; sys.path[:0] = {sys.path!r}; from {module} import main; main({told!r})"
    return ["unshare", *own, *more, sys.executable, "-c", call]


def _call(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"image {name}: {error}; e2e/images/install.sh installs what is needed") from error
    if done.returncode:
        raise ImageError(f"image {name} cannot be built:\n{done.stdout[-4000:]}")


@contextmanager
def _contexts(recipe: Recipe, folder: Path) -> Iterator[dict[str, str]]:
    """The folders that COPY takes files from."""
    context = folder / "context"
    context.mkdir()
    if recipe.own_wheel:
        packager.image_context(packager.build_wheel(folder), context)
    wanted = {copy.source for copy in copies(stages(recipe))}
    for tool in recipe.tools:
        (context / tool).symlink_to(binary(tool).resolve())
    own = {"": context if recipe.own_wheel else CHECKOUT, "tools": context, AUTHORITY: authority().directory}
    try:
        yield {name: str(path) for name, path in (own | dict(recipe.folders)).items() if name in wanted}
    finally:
        shutil.rmtree(context)
        for wheel in folder.glob("*.whl"):
            wheel.unlink()


def _wheels(recipe: Recipe) -> Path:
    """A folder of the cache with the packages of the requirements, each checked against its hashes."""
    folder = cache_folder() / "wheels"
    for requirements in recipe.wheels:
        download = ("download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
        kind = ("--only-binary", ":all:", "--python-version", PYTHON, "--dest", str(folder))
        with locked(folder.with_suffix(".lock")):
            _call(recipe.name, [sys.executable, "-m", "pip", *download, *kind, "-r", str(requirements)])
    return folder


def _images(built: Built) -> Iterator[Image]:
    releases = RECIPES[built.name].releases
    config = built.config
    tags = {f"{repository(built.name)}:{release}": release for release in releases}
    if releases:
        tags[reference(built.name)] = releases[-1]
    else:
        yield Image(reference(built.name), built.layers, config)
    for tag, release in tags.items():
        environment = {**config.environment, "FAKEZ_VERSION": release}
        yield Image(tag, built.layers, dataclasses.replace(config, environment=environment))


def _forget(folder: Path, *, but: Path) -> None:
    """Remove archives that nobody asked for lately: they are quickly made again."""
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.tar"):
        if path != but and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
