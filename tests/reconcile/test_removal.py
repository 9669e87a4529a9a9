"""The JSON patches that take out additions of others."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from dedicated.reconcile.drift import Path
from dedicated.reconcile.removal import exchange_patch, removal_patch
from reconcile.api_server import apply_operation

LISTED = ("f:spec", "f:env")


def live(*names: str) -> Manifest:
    """An object with a list of named items."""
    return {"spec": {"env": [{"name": name, "value": "1"} for name in names]}}


def item(name: str) -> Path:
    """The path of one item."""
    return (*LISTED, f'k:{{"name":"{name}"}}')


def patched(document: Manifest, operations: object) -> Manifest:
    """What a JSON patch leaves."""
    found = deepcopy(document)
    assert isinstance(operations, list)
    for operation in operations:
        apply_operation(found, as_manifest(operation))
    return found


NAMES = st.lists(st.sampled_from([f"n{number}" for number in range(14)]), unique=True, min_size=1)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.data())
def test_exactly_the_items_named_go_whatever_their_places(names: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.lists(st.sampled_from(names)))
    fields = [(*item(name), "f:value") for name in data.draw(st.lists(st.sampled_from(names)))]
    paths = data.draw(st.permutations([item(name) for name in gone] + fields))
    left = patched(live(*names), removal_patch(live(*names), tuple(paths)))
    without = {path[2] for path in fields}
    assert get_list(left, "spec", "env") == [
        {"name": name} if item(name)[2] in without else {"name": name, "value": "1"}
        for name in names
        if name not in gone
    ]


def test_each_removal_is_guarded_by_a_test_of_the_value_seen() -> None:
    operations = [as_manifest(operation) for operation in removal_patch(live("a", "b"), (item("a"),))]
    assert operations == [
        {"op": "test", "path": "/spec/env/0", "value": {"name": "a", "value": "1"}},
        {"op": "remove", "path": "/spec/env/0"},
    ]
    with pytest.raises(ValueError, match="cannot do"):
        patched(live("b", "a"), operations)


def test_what_is_gone_already_is_left_out() -> None:
    paths = (item("z"), ("f:spec", "f:none"), ("f:none", "f:x"), (*LISTED, 'v:"z"'))
    assert removal_patch(live("a"), paths) == []


def test_names_with_slash_and_tilde_are_escaped() -> None:
    document: Manifest = {"metadata": {"annotations": {"a/b~c": "x"}}}
    (_, remove) = removal_patch(document, (("f:metadata", "f:annotations", "f:a/b~c"),))
    assert get_str(remove, "path") == "/metadata/annotations/a~1b~0c"


def test_an_element_of_a_set_is_found_by_its_value() -> None:
    document: Manifest = {"metadata": {"finalizers": ["a", "b"]}}
    operations = removal_patch(document, (("f:metadata", "f:finalizers", 'v:"b"'),))
    assert patched(document, operations) == {"metadata": {"finalizers": ["a"]}}


def test_one_of_several_fields_is_exchanged_in_one_patch() -> None:
    """`value` for `valueFrom`: apply alone is refused while the other stands (tried on a real API server)."""
    document: Manifest = {"spec": {"env": [{"name": "a"}, {"name": "key", "value": "stolen"}]}}
    desired: Manifest = {"spec": {"env": [{"name": "key", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}}
    operations = exchange_patch(document, desired, ((*item("key"), "f:value"),))
    assert patched(document, operations) == {
        "spec": {"env": [{"name": "a"}, {"name": "key", "valueFrom": {"secretKeyRef": {"name": "s"}}}]}
    }


def test_an_exchange_keeps_places_right_when_items_go_too() -> None:
    document: Manifest = {"spec": {"env": [{"name": "evil"}, {"name": "key", "value": "stolen"}]}}
    desired: Manifest = {"spec": {"env": [{"name": "key", "valueFrom": {"fieldRef": {"fieldPath": "f"}}}]}}
    operations = exchange_patch(document, desired, (item("evil"), (*item("key"), "f:value")))
    assert patched(document, operations) == desired


def test_an_exchange_without_anything_missing_is_a_removal() -> None:
    document = live("a", "b")
    assert exchange_patch(document, live("a"), (item("b"),)) == removal_patch(document, (item("b"),))
