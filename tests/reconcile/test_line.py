"""Who goes first, and whom something more urgent than an upgrade takes out of the line."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import DSN
from dedicated.api.objects import JOB, SECRET, Key, Ref
from dedicated.reconcile.turns import DATABASE, Waiting, causes, in_order, is_urgent, next_in_line
from reconcile.edits import SERVER, put, standing
from reconcile.simulation import Cluster

ONE = (SERVER,)



def waiting(*, resumes: bool = False, told: bool = True, answers: bool = True, heard: bool = True) -> Waiting:
    return Waiting(ONE, resumes, answers, heard, told)


def test_first_who_had_its_turn_then_who_answers_then_by_name() -> None:
    line = {
        Key("a", "a"): waiting(answers=False),
        Key("c", "c"): waiting(),
        Key("b", "b"): waiting(),
        Key("z", "z"): waiting(resumes=True),
    }
    assert [key.name for key in in_order(line)] == ["z", "b", "c", "a"]


@pytest.mark.parametrize("not_yet", [waiting(told=False), waiting(heard=False)])
def test_who_may_not_begin_yet_is_passed_by_unless_it_had_its_turn(not_yet: Waiting) -> None:
    line = {Key("a", "a"): not_yet, Key("b", "b"): waiting()}
    assert next_in_line(line) == Key("b", "b")
    assert next_in_line({**line, Key("c", "c"): replace(not_yet, resumes=True)}) is None
    assert next_in_line({}) is None


BOOLEANS = (st.booleans(),) * 4
KEYS = st.builds(Key, st.sampled_from("abc"), st.sampled_from("xyz"))
LINES = st.dictionaries(KEYS, st.builds(Waiting, st.just(ONE), *BOOLEANS))


@given(LINES)
def test_somebody_goes_wherever_somebody_may(line: dict[Key, Waiting]) -> None:
    chosen = next_in_line(line)
    resuming = [item for item in line.values() if item.resumes]
    may = [item for item in resuming or line.values() if item.may_begin]
    assert (chosen is None) == (not may)
    if chosen is not None:
        assert line[chosen] in may
        assert line[chosen].answers or not any(item.answers for item in may)


def rotated(cluster: Cluster) -> None:
    cluster.secrets["database"] = {"dsn": DSN + b"&application_name=x"}


def without_secret(cluster: Cluster) -> None:
    del cluster.secrets["database"]


def new_key(cluster: Cluster) -> None:
    cluster.delete(Ref(SECRET.kind, "acme-login-key"))
    cluster.settle()


def scaled(cluster: Cluster) -> None:
    cluster.edit(SERVER, put("spec", "replicas", value=0))


def looked_at(cluster: Cluster) -> None:
    cluster.edit(SERVER, put("metadata", "annotations", "note", value="mine"))


@pytest.mark.parametrize(
    ("happens", "urgent"),
    [(rotated, True), (new_key, True), (scaled, True), (without_secret, False), (looked_at, False)],
)
def test_what_a_user_does_to_credentials_and_pods_does_not_wait(
    happens: Callable[[Cluster], None], urgent: bool
) -> None:
    cluster = standing()
    before = causes(cluster.observed())
    happens(cluster)
    assert is_urgent(before, causes(cluster.observed()), pending=ONE) is urgent


def test_deployments_that_are_repaired_as_they_are_bring_no_turn_forward() -> None:
    cluster = standing()
    before = causes(cluster.observed())
    scaled(cluster)
    assert not is_urgent(before, causes(cluster.observed()), pending=(*ONE, Ref(JOB.kind, "acme-setup-x")))


def test_what_becomes_known_later_is_no_move() -> None:
    assert not is_urgent({DATABASE: ""}, {DATABASE: "d1"}, pending=ONE)
    assert is_urgent({DATABASE: "d1"}, {DATABASE: "d2"}, pending=ONE)
