"""From a container's image, command and arguments to the process that stands for it."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_REFERENCE = re.compile(r"^(?:.*/)?(?P<name>[^/:@]+)(?::(?P<tag>[^/:@]+))?(?:@(?P<digest>.+))?$")
_VERSION = re.compile(r"^v\d+\.\d+\.\d+([-.+].*)?$")


class ImageError(Exception):
    """The image cannot be pulled: it, or its tag, does not exist."""


class StartError(Exception):
    """The container's command does not exist in the image."""


@dataclass(frozen=True, slots=True)
class Program:
    """What an image holds: the module that plays it, its first argument, its executable's name."""

    module: str
    role: str
    executable: str


_PROGRAMS = {
    "zitadel": Program("fakezitadel", "server", "zitadel"),
    "zitadel-login": Program("fakezitadel", "login", "node"),
    "testbed-stub": Program("testbed.stub", "stub", "stub"),
}


@dataclass(frozen=True, slots=True)
class Image:
    """A known image and its version (the tag; empty if pinned by digest alone)."""

    program: Program
    version: str


def find_image(reference: str) -> Image:
    """The image of a reference `[registry/path/]name[:tag][@digest]`; ImageError if there is none."""
    found = _REFERENCE.match(reference)
    program = _PROGRAMS.get(found["name"]) if found else None
    if found is None or program is None:
        raise ImageError(f'failed to pull image "{reference}": not found')
    tag = found["tag"] or ""
    if program.module == "fakezitadel" and not (_VERSION.match(tag) or (not tag and found["digest"])):
        raise ImageError(f'failed to pull image "{reference}": tag {tag or "latest"} not found')
    return Image(program, tag)


def command_line(image: Image, command: Sequence[str], args: Sequence[str]) -> list[str]:
    """The process's argv. A command replaces the image's entry point, as in a container."""
    program = image.program
    rest = list(args)
    if command:
        name = command[0].rpartition("/")[2]
        if name != program.executable:
            raise StartError(f'exec: "{command[0]}": executable file not found in $PATH')
        # What node runs is the program itself; what follows zitadel's name are its arguments.
        rest = rest if program.executable == "node" else [*command[1:], *rest]
    return [sys.executable, "-m", program.module, program.role, *rest]
