"""What records and the status remember of modifications, for how long, and how much of a flood."""

from collections.abc import Callable
from datetime import datetime

import pytest

from dedicated.api.conditions import parse_time
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_NAME
from dedicated.api.objects import Ref
from dedicated.contract.modifications import LIMIT
from dedicated.contract.records import MOST_IN_WINDOW
from dedicated.reconcile.actions import Apply
from dedicated.reconcile.changes import FORGED
from reconcile.edits import (
    BUDGET,
    LOGIN,
    SERVER,
    SERVICE,
    Change,
    add_port,
    add_variable,
    container,
    drop,
    put,
    remove_variable,
    standing,
)
from reconcile.simulation import Cluster


def told(cluster: Cluster) -> list[str]:
    """Objects in the status' modifications."""
    return [get_str(fact, "object") for fact in get_list(cluster.body, "status", "modifications")]


def test_a_record_is_asked_for_with_the_repair_and_told_once_it_exists() -> None:
    cluster = standing()
    cluster.edit(SERVICE, add_port)
    (action,) = cluster.plan().actions
    assert isinstance(action, Apply)
    assert action.record is not None
    assert action.record.name.startswith("acme-mod-")
    assert cluster.plan().actions == (action,)
    cluster.step()
    assert told(cluster) == []
    cluster.step()
    assert told(cluster) == [str(SERVICE)]


@pytest.mark.parametrize("ref", [SERVER, SERVICE])
@pytest.mark.parametrize(
    "change",
    [put("metadata", "labels", LABEL_NAME, value="x"), put("spec", "selector", value={"a": "b"})],
)
@pytest.mark.parametrize("timed", [True, False])
def test_a_crash_between_record_and_repair_neither_loses_nor_doubles(
    ref: Ref, change: Change, timed: bool
) -> None:
    cluster = standing()
    cluster.edit(ref, change, timed=timed)
    (action,) = cluster.plan().actions
    assert isinstance(action, Apply)
    assert action.record is not None
    cluster.record(action.record)
    cluster.pass_time(hours=2)  # longer than what is counted together
    (again,) = cluster.after_restart().actions
    assert isinstance(again, Apply)
    assert again.record is None
    cluster.settle()
    assert len(cluster.records) == 1
    assert told(cluster) == [str(ref)]


def test_what_the_platform_writes_meanwhile_does_not_double_a_change_without_a_time() -> None:
    cluster = standing()
    cluster.edit(SERVER, put("spec", "replicas", value=9), subresource="scale", timed=False)
    (action,) = cluster.plan().actions
    assert isinstance(action, Apply)
    assert action.record is not None
    cluster.record(action.record)
    cluster.server.set_status(cluster.server.objects[SERVER], {"replicas": 9})
    cluster.pass_time(hours=2)
    cluster.step()
    assert len(cluster.records) == 1


def test_a_crash_after_a_deletion_was_recorded_does_not_double_it() -> None:
    cluster = standing()
    cluster.delete(BUDGET)
    (action,) = cluster.plan().actions
    assert isinstance(action, Apply)
    assert action.record is not None
    assert (action.record.modification.manager, action.record.modification.operation) == ("unknown", "Delete")
    cluster.record(action.record)
    cluster.settle()
    assert len(cluster.records) == 1


@pytest.mark.parametrize(
    "change", [remove_variable, put("spec", "replicas", value=9), drop("metadata", "labels", LABEL_NAME)]
)
def test_the_same_change_without_a_time_is_another_fact_later(change: Change) -> None:
    cluster = standing()
    for _ in range(3):
        cluster.edit(LOGIN, change, manager="kubectl", timed=False)
        cluster.step()
        cluster.rollout()
        cluster.settle()
        cluster.pass_time(minutes=15)
    assert len(cluster.records) == 3


def test_the_records_alone_make_the_same_status_again() -> None:
    cluster = standing()
    cluster.edit(SERVER, add_variable)
    cluster.settle()
    cluster.pass_time(minutes=20)
    cluster.edit(SERVER, add_variable)
    cluster.delete(BUDGET)
    cluster.settle()
    before = cluster.body["status"]
    assert sorted(told(cluster)) == sorted([str(SERVER), str(SERVER), str(BUDGET)])
    cluster.body["status"] = {}
    cluster.settled = {}
    cluster.settle()
    assert get_list(cluster.body, "status", "modifications") == get_list(before, "modifications")
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")


def next_slot_end(cluster: Cluster) -> datetime | None:
    """The next date of an instance at rest: its provider's window is over."""
    return parse_time(get_str(get_list(cluster.body, "status", "maintenance", "nextSlots")[0], "end"))


@pytest.mark.parametrize("change", [remove_variable, put("spec", "replicas", value=9)])
def test_a_modification_is_over_a_day_after_its_record(change: Change) -> None:
    cluster = standing()
    cluster.edit(LOGIN, change, manager="kubectl", timed=False)
    cluster.step()
    cluster.rollout()
    decided = cluster.settle()
    assert decided.wake_at is not None
    cluster.server.now = decided.wake_at
    assert cluster.settle().wake_at == next_slot_end(cluster)
    assert cluster.condition("Unmodified") == ("True", "Repaired")


def test_what_was_changed_while_nobody_looked_is_shown_for_a_day_as_well() -> None:
    cluster = standing()
    cluster.edit(SERVICE, add_port)
    cluster.pass_time(hours=30)
    cluster.settle()
    assert cluster.condition("Unmodified") == ("False", "ModificationRepaired")
    (fact,) = get_list(cluster.body, "status", "modifications")
    assert (get_str(fact, "at"), get_str(fact, "repairedAt")) == (
        "2026-03-01T12:05:00Z",
        "2026-03-02T18:05:00Z",
    )


def same_edit(number: int) -> Change:
    """The same edit each time."""
    del number
    return add_variable


def other_edit(number: int) -> Change:
    """An edit of another field each time."""

    def change(manifest: Manifest) -> None:
        get_list(container(manifest), "env").append({"name": f"X{number}", "value": "1"})

    return change


@pytest.mark.parametrize(("edit", "most"), [(same_edit, 6), (other_edit, MOST_IN_WINDOW)])
def test_who_edits_in_a_loop_does_not_fill_the_ledger(edit: Callable[[int], Change], most: int) -> None:
    cluster = standing()
    for number in range(120):
        cluster.pass_time(seconds=30)
        cluster.edit(SERVER, edit(number))
        cluster.settle()
        variables = get_list(container(cluster.server.objects[SERVER].manifest), "env")
        assert not {"EVIL", f"X{number}"} & {get_str(item, "name") for item in variables}
    assert most - 1 <= len(cluster.records) <= most
    cluster.edit(SERVICE, add_port)
    cluster.settle()
    assert told(cluster)[0] == str(SERVICE), "a flood on one object hides nothing of another"


def test_the_status_holds_the_newest_twenty() -> None:
    cluster = standing()
    for number in range(LIMIT + 5):
        cluster.pass_time(minutes=11)
        cluster.edit(SERVICE if number % 2 else SERVER, put("metadata", "labels", LABEL_NAME, value="x"))
        cluster.settle()
    assert len(cluster.records) == LIMIT + 5
    facts = get_list(cluster.body, "status", "modifications")
    assert len(facts) == LIMIT
    times = [get_str(fact, "repairedAt") for fact in facts]
    assert times == sorted(times, reverse=True)


def test_another_hash_under_our_own_name_is_recorded_as_forged() -> None:
    cluster = standing()
    thing = cluster.server.objects[SERVICE]
    (entry,) = [entry for entry in thing.entries if entry.operation == "Apply"]
    annotations = get_map(thing.manifest, "metadata", "annotations")
    annotations.update(dict.fromkeys(annotations, "0" * 16))
    thing.version += 1
    assert entry.owned
    cluster.settle()
    (record,) = cluster.records.values()
    assert record.modification.manager == FORGED
    assert record.modification.fields == ("metadata.annotations.dedicated.zitadel.com/applied",)
    assert cluster.told.count("ModificationRepaired") == 1


def test_a_new_wish_is_nobodys_forgery() -> None:
    cluster = standing()
    cluster.edit_spec(server={"replicas": 4})
    cluster.settle()
    assert cluster.records == {}
