"""YAML files as `kubectl` reads them.

PyYAML follows YAML 1.1, where an unquoted `02:00` is the number 120 and `2026-12-20` a date. The parser of
kubectl takes both for text, and so does this one. A key that stands twice is refused: one of them is lost,
and nobody meant that.
"""

import re
import sys
from collections.abc import Hashable, Iterator
from pathlib import Path

import yaml

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_str
from dedicated.cli.terminal import USAGE, Failure

STANDARD_INPUT = "-"


class _Loader(yaml.CSafeLoader):
    """Neither times nor numbers to the base of 60; no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML keeps them so
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
        ]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """The mapping; ConstructorError for a key that stands twice."""
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for position, key in enumerate(keys):
            if key in keys[:position]:
                problem = f"the key {key} stands twice"
                mark = node.value[position][0].start_mark
                raise yaml.constructor.ConstructorError(None, None, problem, mark)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(?:0b[01]+|0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$"),
    [*"-+0123456789"],
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|[-+]?[0-9]+[eE][-+]?[0-9]+$"),
    [*"-+0123456789."],
)


def read(file: str, kind: str, *, least: int = 1) -> list[Manifest]:
    """The objects of a kind in a file ("-": standard input), those inside a List too; others are left out.

    Raises Failure for a file that cannot be read, or holds less than `least`.
    """
    try:
        text = sys.stdin.read() if file == STANDARD_INPUT else _text(file)
        found = [body for document in yaml.load_all(text, _Loader) for body in _objects(document)]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValueError) as error:
        raise Failure(f"{file}: {' '.join(str(error).split())}", exit_code=USAGE) from error
    wanted = [body for body in found if get_str(body, "kind") == kind]
    if len(wanted) < least:
        raise Failure(f"{file}: holds no {kind} ({len(found)} other objects)", exit_code=USAGE)
    return wanted


def _text(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def _objects(document: JsonValue) -> Iterator[Manifest]:
    if document is None:
        return
    body = as_manifest(document)
    if get_str(body, "kind").endswith("List"):
        for item in get_list(body, "items"):
            yield from _objects(item)
    else:
        yield body
