"""What objects and the status remember of modifications, and for how long."""

import json

import pytest

from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_MODIFIED, LABEL_NAME
from dedicated.contract.modifications import FIELDS_LIMIT, LIMIT
from reconcile.edits import (
    LOGIN,
    SERVER,
    SERVICE,
    Change,
    add_port,
    add_variable,
    container,
    put,
    remove_variable,
    standing,
)


def test_a_new_wish_keeps_what_the_object_remembers() -> None:
    cluster = standing()
    cluster.edit(SERVER, add_variable)
    cluster.settle()
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    assert ANNOTATION_MODIFIED in get_map(
        cluster.server.objects[SERVER].manifest, "metadata", "annotations"
    )


@pytest.mark.parametrize("change", [remove_variable, put("spec", "replicas", value=9)])
def test_a_modification_without_owner_or_time_is_over_after_a_day(change: Change) -> None:
    cluster = standing()
    cluster.edit(LOGIN, change, manager="kubectl", timed=False)
    decided = cluster.step()
    assert decided.wake_at is not None
    cluster.rollout()
    cluster.settle()
    cluster.server.now = decided.wake_at
    assert cluster.settle().wake_at is None
    assert cluster.condition("Unmodified") == ("True", "Repaired")


def test_what_the_status_and_the_objects_remember_is_bounded() -> None:
    cluster = standing()
    for number in range(15):

        def many(manifest: Manifest, number: int = number) -> None:
            get_list(container(manifest), "env").append({"name": f"X{number}", "value": "1"})

        cluster.edit(SERVER, many)
    refs = [ref for ref, child in cluster.observed().children.items() if child.owner_uid]
    for ref in refs:
        if ref != SERVER:
            cluster.edit(ref, put("metadata", "labels", LABEL_NAME, value="x"))
    cluster.settle()
    facts = get_list(cluster.body, "status", "modifications")
    assert 1 < len(facts) <= LIMIT
    assert max(len(get_list(fact, "fields")) for fact in facts) == FIELDS_LIMIT
    kept = get_str(
        cluster.server.objects[SERVER].manifest, "metadata", "annotations", ANNOTATION_MODIFIED
    )
    assert len(get_list(json.loads(kept), "fields")) == FIELDS_LIMIT


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "no json",
        "[]",
        "null",
        '{"at": 7}',
        '{"at": "yesterday", "manager": "x", "operation": "y", "fields": []}',
        '{"at": "2026-01-01T00:00:00", "manager": "x", "operation": "y", "fields": []}',
        '{"at": "9999-12-31T23:59:59Z", "manager": "x", "operation": "y", "fields": []}',
        '{"at": "0001-01-01T00:00:00+14:00", "manager": "x", "operation": "y", "fields": []}',
        "[" * 100_000,
    ],
)
def test_a_forged_memory_breaks_nothing(forged: str) -> None:
    cluster = standing()
    cluster.edit(SERVICE, put("metadata", "annotations", ANNOTATION_MODIFIED, value=forged))
    decided = cluster.after_restart()
    assert decided.status is not None
    assert get_list(decided.status, "modifications") == []


def test_the_clock_of_a_modification_is_the_api_servers() -> None:
    cluster = standing()
    cluster.edit(SERVICE, add_port)
    cluster.pass_time(hours=30)
    cluster.settle()
    assert cluster.condition("Unmodified") == ("True", "Repaired")
