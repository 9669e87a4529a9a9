"""The label that marks the namespace of an instance, by which its protection knows the namespace."""

import pytest

from builders import body
from dedicated.reconcile.actions import MarkNamespace
from dedicated.reconcile.observed import Failure
from reconcile.simulation import Cluster


def standing(**changes: str) -> Cluster:
    """An instance at rest."""
    cluster = Cluster(body())
    cluster.stand()
    for name, value in changes.items():
        setattr(cluster, name, value)
    return cluster


def test_the_label_is_written_once() -> None:
    cluster = standing()
    assert cluster.mark == "acme"
    assert cluster.done.count(MarkNamespace("acme")) == 1
    assert cluster.after_restart().actions == ()


@pytest.mark.parametrize("mark", ["", "globex"])
def test_a_label_that_others_took_off_or_changed_is_repaired(mark: str) -> None:
    cluster = standing(mark=mark)
    assert cluster.step().actions == (MarkNamespace("acme"),)
    assert cluster.step().actions == ()


def test_the_label_belongs_to_the_senior_instance() -> None:
    actions = standing(mark="", senior="older").plan().actions
    assert not any(isinstance(action, MarkNamespace) for action in actions)


def test_a_namespace_that_cannot_be_seen_is_left_alone() -> None:
    cluster = standing()
    cluster.mark = None
    assert cluster.plan().actions == ()


def test_an_instance_that_only_a_person_can_help_is_still_protected() -> None:
    cluster = standing(mark="")
    cluster.edit_spec(release={"version": "v9.9.9"})
    assert cluster.step().actions == (MarkNamespace("acme"),)
    assert cluster.condition("Stalled") == ("True", "ReleaseUnknown")


def test_a_namespace_that_may_not_be_labelled_is_told_and_does_no_harm() -> None:
    cluster = standing(mark="")
    message = 'namespaces "acme-ns" is forbidden'
    what = str(MarkNamespace("acme"))
    cluster.failures = (Failure(what=what, reason="NamespaceNotMarked", message=message),)
    cluster.step()
    assert cluster.findings() == ["NamespaceNotMarked"]
    assert cluster.condition("Ready")[0] == "True"
