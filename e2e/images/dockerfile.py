"""Reads the Dockerfiles that images are built from.

The images of the tests are written as what everybody knows, so that `docker build` makes the same of them;
where there is no Docker, `images.stage` executes them. The operator's own Dockerfile is read by the same
code.

Limits: the instructions below and no others; RUN in its shell form, before USER; no here-documents. ARG
sets what FROM names, nothing else. What is not understood is an error, never left out.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

SCRATCH = "scratch"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class DockerfileError(ValueError):
    """The file says something that is not understood here; the message quotes it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command for the shell, with the environment set before it."""

    command: str
    environment: Mapping[str, str]
    directory: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Files from a context (empty name: the image's own) or an earlier stage."""

    source: str
    patterns: tuple[str, ...]
    target: str
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """What an image says about how it runs; the fields of the OCI image configuration."""

    environment: Mapping[str, str]
    user: str = ""
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    parent: str
    """Image that it begins with, or `scratch`."""
    steps: tuple[Run | Copy, ...]
    config: Config


def parse(text: str, *, arguments: Mapping[str, str], parents: Mapping[str, Config]) -> tuple[Stage, ...]:
    """The stages of a Dockerfile. `arguments` override its ARGs; `parents` are the images known by name."""
    known = {}
    stages: list[Stage] = []
    for word, rest in _instructions(text):
        if word == "ARG":
            name, _, default = rest.partition("=")
            known[name] = arguments.get(name, default)
        elif word == "FROM":
            parent, _, name = _fill(rest, known).partition(" AS ")
            if parent != SCRATCH and parent not in parents:
                raise DockerfileError(f"FROM {parent}: there is no such image")
            stages.append(Stage(name or str(len(stages)), parent, (), parents.get(parent, Config({}))))
        elif not stages:
            raise DockerfileError(f"{word} before FROM")
        else:
            stages[-1] = _after(stages[-1], word, rest)
    return tuple(stages)


def copies(stages: tuple[Stage, ...]) -> Iterator[Copy]:
    """The copies that do not come from an earlier stage."""
    names = {stage.name for stage in stages}
    for stage in stages:
        yield from (step for step in stage.steps if isinstance(step, Copy) and step.source not in names)


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for whole in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        word, _, rest = whole.strip().partition(" ")
        yield word, rest.strip()


def _after(stage: Stage, word: str, rest: str) -> Stage:
    config = stage.config
    match word:
        case "RUN" if not config.user:
            return replace(stage, steps=(*stage.steps, Run(rest, config.environment, config.directory)))
        case "COPY":
            return replace(stage, steps=(*stage.steps, _copy(rest, config.directory)))
        case _ if word in _CONFIGURE:
            return replace(stage, config=_CONFIGURE[word](config, rest))
        case _:
            raise DockerfileError(f"not understood: {word} {rest}")


def _environment(config: Config, rest: str) -> Config:
    added = {name: _fill(value, config.environment) for name, value in _pairs(rest)}
    return replace(config, environment={**config.environment, **added})


def _copy(rest: str, directory: str) -> Copy:
    words = shlex.split(rest)
    pairs = (word[2:].partition("=") for word in words if word.startswith("--"))
    options = {name: value for name, _, value in pairs}
    paths = [word for word in words if not word.startswith("--")]
    if len(paths) < 2 or options.keys() - {"from", "chmod"}:
        raise DockerfileError(f"not understood: COPY {rest}")
    target = paths[-1] if paths[-1].startswith("/") else f"{directory.rstrip('/')}/{paths[-1]}"
    mode = int(options["chmod"], 8) if "chmod" in options else None
    return Copy(options.get("from", ""), tuple(paths[:-1]), target, mode)


def _pairs(rest: str) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in shlex.split(rest)]
    if not all(middle for _, middle, _ in pairs):
        raise DockerfileError(f"not understood: {rest}")
    return [(name, value) for name, _, value in pairs]


def _list(rest: str) -> tuple[str, ...]:
    if not rest.startswith("["):
        raise DockerfileError(f"wanted as a list: {rest}")
    return tuple(map(str, json.loads(rest)))


_CONFIGURE: dict[str, Callable[[Config, str], Config]] = {
    "ENV": _environment,
    "LABEL": lambda config, rest: replace(config, labels=(*config.labels, *_pairs(rest))),
    "WORKDIR": lambda config, rest: replace(config, directory=rest),
    "USER": lambda config, rest: replace(config, user=rest),
    "EXPOSE": lambda config, rest: replace(config, ports=(*config.ports, *rest.split())),
    # A new entry point forgets the command that was meant for the old one.
    "ENTRYPOINT": lambda config, rest: replace(config, entrypoint=_list(rest), command=()),
    "CMD": lambda config, rest: replace(config, command=_list(rest)),
}


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), text)
