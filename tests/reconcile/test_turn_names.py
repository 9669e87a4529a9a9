"""Whether a turn waits for the public name: it answered before, or failed already, whatever clocks say."""

from collections.abc import Callable

import pytest

from dedicated.api.conditions import UPGRADE_PENDING, UPGRADE_RUNNING, UPGRADE_UNPROVEN
from dedicated.reconcile.observed import Failure, ServiceReading
from reconcile.edits import RUNNING, SERVER, WAITING, rendered_otherwise, standing
from reconcile.simulation import Cluster


def name_fails(cluster: Cluster) -> None:
    cluster.service = ServiceReading(ok=False, detail="no such host")
    cluster.step()
    cluster.pass_time(minutes=1)


def failed_before(cluster: Cluster) -> None:
    name_fails(cluster)
    rendered_otherwise(cluster, SERVER).step()


def failed_in_the_line(cluster: Cluster) -> None:
    rendered_otherwise(cluster, SERVER).step()
    name_fails(cluster)


def failed_with_a_clock_that_was_ahead(cluster: Cluster) -> None:
    cluster.pass_time(hours=2)
    name_fails(cluster)
    cluster.pass_time(hours=-3)
    rendered_otherwise(cluster, SERVER).step()


def failed_while_something_was_refused(cluster: Cluster) -> None:
    cluster.failures = (Failure(what="Apply", reason="ApplyRefused", message="exceeded quota"),)
    cluster.step()
    cluster.pass_time(minutes=1)
    name_fails(cluster)
    cluster.failures = ()
    rendered_otherwise(cluster, SERVER).step()


BEFORE = [
    failed_before,
    failed_in_the_line,
    failed_with_a_clock_that_was_ahead,
    failed_while_something_was_refused,
]


@pytest.mark.parametrize("prepare", BEFORE)
@pytest.mark.parametrize("crash", [False, True])
def test_a_name_that_failed_before_is_not_waited_for(prepare: Callable[[Cluster], None], crash: bool) -> None:
    cluster = standing()
    prepare(cluster)
    assert cluster.condition("UpToDate") == ("False", UPGRADE_PENDING)
    cluster.turn = RUNNING
    assert cluster.step().announced
    assert cluster.condition("UpToDate") == ("False", UPGRADE_UNPROVEN)
    assert cluster.message("UpToDate").endswith("; its public name failed before and is not waited for")
    if crash:
        cluster.settled, cluster.turn = {}, WAITING
        assert cluster.step().actions == ()
        assert cluster.condition("UpToDate") == ("False", UPGRADE_UNPROVEN)
        cluster.turn = RUNNING
        assert not cluster.step().announced
    cluster.rollout()
    assert cluster.step().turn == "Over"


@pytest.mark.parametrize("crash", [False, True])
def test_a_name_that_answers_meanwhile_has_to_answer_at_the_end(crash: bool) -> None:
    cluster = standing()
    failed_before(cluster)
    cluster.turn = RUNNING
    cluster.step()
    failing, cluster.service = cluster.service, ServiceReading(ok=True, detail="ready")
    cluster.step()
    assert cluster.condition("UpToDate") == ("False", UPGRADE_RUNNING)
    cluster.service = failing
    if crash:
        cluster.settled, cluster.turn = {}, WAITING
        cluster.step()
        cluster.turn = RUNNING
    cluster.rollout()
    assert cluster.step().turn == "Proving"
