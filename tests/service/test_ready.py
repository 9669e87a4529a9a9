"""What `make e2e-ready` builds beforehand is what the service on real nodes takes."""

from service.steps import IMAGES
from testbed.home import CHECKOUT

OF_NODES = {"node", "pause", "coredns"}


def named(variable: str) -> set[str]:
    lines = (CHECKOUT / "Makefile").read_text(encoding="utf-8").splitlines()
    return next(set(line.split(":=")[1].split()) for line in lines if line.startswith(f"{variable} :="))


def test_every_image_is_built_beforehand() -> None:
    assert named("E2E_IMAGES") == {*OF_NODES, *IMAGES, "postgresql"}
