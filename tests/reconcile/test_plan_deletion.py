"""The end of an instance."""

import pytest

from builders import body
from dedicated.api.json import JsonValue, get_map
from dedicated.api.names import FINALIZER
from dedicated.reconcile.actions import MarkNamespace, SetFinalizers
from dedicated.reconcile.observed import Failure
from reconcile.simulation import Cluster


def deleting(*finalizers: str, valid: bool = True, mark: str | None = "") -> Cluster:
    """An instance that somebody deleted, whose namespace is labelled with `mark`."""
    cluster = Cluster(body())
    cluster.stand()
    cluster.mark = mark
    metadata = get_map(cluster.body, "metadata")
    metadata["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    kept: list[JsonValue] = list(finalizers)
    metadata["finalizers"] = kept
    if not valid:
        cluster.body["spec"] = {}
    return cluster


@pytest.mark.parametrize("valid", [True, False])
def test_our_finalizer_goes_and_those_of_others_stay(valid: bool) -> None:
    decided = deleting("a.example/x", FINALIZER, "b.example/y", valid=valid).plan()
    assert decided.actions == (SetFinalizers(("a.example/x", "b.example/y")),)


@pytest.mark.parametrize("valid", [True, False])
def test_the_label_of_the_namespace_goes_before_the_finalizer(valid: bool) -> None:
    cluster = deleting(FINALIZER, valid=valid, mark="acme")
    assert cluster.step().actions == (MarkNamespace(was="acme"),)
    assert cluster.mark == ""
    assert cluster.step().actions == (SetFinalizers(()),)


@pytest.mark.parametrize("mark", ["globex", None])
def test_a_label_of_another_instance_or_out_of_sight_stays(mark: str | None) -> None:
    assert deleting(FINALIZER, mark=mark).plan().actions == (SetFinalizers(()),)


def test_a_label_that_cannot_be_taken_off_holds_nobody_up() -> None:
    cluster = deleting(FINALIZER, mark="acme")
    cluster.failures = (Failure(what="Apply Job/acme-init", reason="ApplyRefused", message="quota"),)
    assert cluster.plan().actions == (MarkNamespace(was="acme"),)
    what = str(MarkNamespace(was="acme"))
    cluster.failures = (Failure(what=what, reason="NamespaceNotMarked", message="forbidden"),)
    assert cluster.plan().actions == (SetFinalizers(()),)


def test_without_our_finalizer_nothing_is_done() -> None:
    cluster = deleting("a.example/x")
    assert cluster.plan().actions == ()


def test_no_child_is_deleted_and_nothing_is_told_or_probed() -> None:
    decided = deleting(FINALIZER).plan()
    assert decided.status is None
    assert decided.events == ()
    assert decided.probe is None
    assert len(decided.actions) == 1


def test_a_deletion_stopped_half_way_goes_on_where_it_was() -> None:
    cluster = deleting(FINALIZER)
    cluster.step()
    assert get_map(cluster.body, "metadata")["finalizers"] == []
    assert cluster.step().actions == ()


def test_an_instance_on_its_way_out_gets_no_finalizer_and_no_children() -> None:
    cluster = Cluster(body())
    metadata = get_map(cluster.body, "metadata")
    metadata["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    metadata["finalizers"] = []
    assert cluster.settle().actions == ()
    assert cluster.server.objects == {}
