"""Changes by others: how long until they are repaired, as an observer of the API sees it."""

import time
from collections.abc import Callable, Iterator

from bench.figure import Figure, below, median
from bench.stage import NAME, Stage, until
from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, SERVICE

ROUNDS = 5
SERVER = f"{NAME}-server"
FOREIGN = "example.test/foreign"


def repairs(stage: Stage) -> Iterator[Figure]:
    """A field changed, a child deleted, a field added: seconds each."""
    namespace = stage.hold(1)[0]
    for name, meddle in (
        ("drift_field_changed", _change_field),
        ("drift_child_deleted", _delete_child),
        ("drift_foreign_field_added", _add_field),
    ):
        took = []
        for _ in range(ROUNDS):
            took.append(_measured(stage, namespace, meddle))
            stage.rest([namespace], quiet=1.5)
        stage.say(f"{name}: {', '.join(f'{seconds:.2f}' for seconds in took)} s")
        yield below(name, median(took), "seconds", 2)


Meddler = Callable[[Stage, str], Callable[[], bool]]
"""Does something to a child; gives the question whether it is repaired."""


def _measured(stage: Stage, namespace: str, meddle: Meddler) -> float:
    repaired = meddle(stage, namespace)
    started = time.monotonic()
    until("repaired", repaired, seconds=30, every=0.02)
    return time.monotonic() - started


def _change_field(stage: Stage, namespace: str) -> Callable[[], bool]:
    def port() -> int:
        ports = get_list(stage.cluster.api.get(SERVICE, namespace, SERVER), "spec", "ports")
        return get_int(ports[0], "port")

    before = port()
    body: JsonValue = [{"op": "replace", "path": "/spec/ports/0/port", "value": 9999}]
    stage.cluster.api.patch(SERVICE, namespace, SERVER, body, content="json", manager="somebody")
    return lambda: port() == before


def _delete_child(stage: Stage, namespace: str) -> Callable[[], bool]:
    uid = get_str(stage.cluster.api.get(SERVICE, namespace, SERVER), "metadata", "uid")
    stage.cluster.api.delete(SERVICE, namespace, SERVER)

    def repaired() -> bool:
        found = stage.cluster.api.find(SERVICE, namespace, SERVER)
        return found is not None and get_str(found, "metadata", "uid") != uid

    return repaired


def _add_field(stage: Stage, namespace: str) -> Callable[[], bool]:
    body: Manifest = {"spec": {"template": {"spec": {"nodeSelector": {FOREIGN: "1"}}}}}
    stage.cluster.api.patch(DEPLOYMENT, namespace, SERVER, body, manager="somebody")

    def repaired() -> bool:
        found = stage.cluster.api.get(DEPLOYMENT, namespace, SERVER)
        return "nodeSelector" not in get_map(found, "spec", "template", "spec")

    return repaired
