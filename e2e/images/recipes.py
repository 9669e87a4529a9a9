"""Which images there are, and what goes into each beside its Dockerfile."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testbed.home import CHECKOUT

FOLDER = Path(__file__).parent / "recipes"
BASE = "base"
RELEASES = ("v4.15.0", "v4.15.2", "v4.16.0")
"""Releases of ZITADEL that the fake plays: one image each, which differ in a variable."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made."""

    name: str
    dockerfile: Path
    arguments: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    """Contexts: name -> folder; the checkout is the one without a name."""
    tools: tuple[str, ...] = ()
    """Programs of `testbed.tools`, in the context `tools`."""
    wheels: tuple[Path, ...] = ()
    """Requirements with hashes, whose packages are offered to pip."""
    own_wheel: bool = False
    """Whether the context has the operator's wheel, in `dist/`."""
    version: str = ""
    """What its tag begins with: CloudNativePG reads PostgreSQL's version from it."""
    releases: tuple[str, ...] = ()
    """Tags of its repository, for images that the release catalogue names."""


def _known() -> tuple[Recipe, ...]:
    checkout = CHECKOUT / "requirements"
    run, services = (checkout / "run.txt",), (checkout / "services.txt",)
    plugin, barman = ("plugin-barman-cloud",), (checkout / "barman.txt",)
    trusting = {"BASE": "trusting"}
    weed = {"venv": Path(sys.prefix) / "bin"}
    return (
        Recipe("node", FOLDER / "node.Dockerfile"),
        Recipe("pause", FOLDER / "pause.Dockerfile"),
        Recipe("coredns", FOLDER / "coredns.Dockerfile", tools=("coredns",)),
        Recipe("kube-router", FOLDER / "kube-router.Dockerfile", tools=("kube-router",)),
        Recipe("trusting", FOLDER / "trusting.Dockerfile"),
        Recipe("operator", CHECKOUT / "Dockerfile", arguments=trusting, wheels=run, own_wheel=True),
        Recipe("services", FOLDER / "services.Dockerfile", wheels=services),
        Recipe("zitadel", FOLDER / "zitadel.Dockerfile", releases=RELEASES),
        Recipe("login", FOLDER / "login.Dockerfile", releases=RELEASES),
        Recipe("clients", FOLDER / "clients.Dockerfile"),
        Recipe("haproxy", FOLDER / "haproxy.Dockerfile"),
        Recipe("postgresql", FOLDER / "postgresql.Dockerfile", version="15"),
        Recipe("s3", FOLDER / "s3.Dockerfile", folders=weed),
        Recipe("cloudnative-pg", FOLDER / "cloudnative-pg.Dockerfile", tools=("cloudnative-pg",)),
        Recipe("plugin-barman-cloud", FOLDER / "plugin-barman-cloud.Dockerfile", tools=plugin),
        Recipe("barman-sidecar", FOLDER / "barman-sidecar.Dockerfile", tools=plugin, wheels=barman),
    )


RECIPES = {recipe.name: recipe for recipe in _known()}
NAMES = tuple(name for name in RECIPES if name not in {"services", "trusting"})
"""Images that somebody uses; the others are what they stand on."""
