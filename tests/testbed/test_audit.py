"""Reading the audit log from a position, wherever in a line it lies."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from testbed.cluster import Cluster


def line(name: str) -> bytes:
    event = {"verb": "get", "user": {"username": "ada"}, "objectRef": {"name": name}}
    return json.dumps(event).encode() + b"\n"


def test_a_position_inside_a_line_leaves_that_line_to_the_past(tmp_path: Path) -> None:
    audit = tmp_path / "audit.log"
    audit.write_bytes(line("one") + line("two") + b'{"half')
    cluster = cast(Cluster, SimpleNamespace(home=SimpleNamespace(audit=audit)))
    first = len(line("one"))
    for since, names in ((0, ["one", "two"]), (first - 5, ["two"]), (first, ["two"]), (first + 3, [])):
        found = [request.name for request in Cluster.requests(cluster, since=since)]
        assert found == names, since
