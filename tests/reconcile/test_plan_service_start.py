"""The beginning of service is recorded at the first Ready, once, whatever ends in between."""

from dedicated.contract.facts import ServiceStarted
from dedicated.reconcile.actions import Apply, RecordFact
from dedicated.reconcile.observed import Failure, ServiceReading
from reconcile.edits import SERVICE, add_port, standing
from reconcile.simulation import Cluster


def started(cluster: Cluster) -> list[RecordFact]:
    """Every time that it was asked for."""
    asked = (action for action in cluster.done if isinstance(action, RecordFact))
    return [action for action in asked if action.statement.fact == "ServiceStarted"]


def test_service_starts_with_the_first_ready_and_not_before() -> None:
    cluster = Cluster(standing().body | {"status": {}})
    for _ in range(3):
        cluster.settle()
        cluster.jobs_complete()
    cluster.rollout()
    cluster.settle()
    assert not started(cluster)
    cluster.service = ServiceReading(ok=True, detail="answers")
    cluster.settle()
    (fact,) = cluster.facts.values()
    assert isinstance(fact, ServiceStarted)
    assert (fact.name, fact.at) == ("acme-service-started", cluster.server.now)
    assert len(started(cluster)) == 1


def test_it_is_recorded_once_though_the_status_is_wiped_and_service_is_lost() -> None:
    cluster = standing()
    cluster.body["status"] = {}
    assert not [action for action in cluster.after_restart().actions if isinstance(action, RecordFact)]
    cluster.settle()
    cluster.service = ServiceReading(ok=False, detail="no answer")
    cluster.pass_time(days=40)
    cluster.settle()
    cluster.service = ServiceReading(ok=True, detail="answers")
    cluster.settle()
    assert len(started(cluster)) == 1


def test_a_pass_that_ends_before_the_record_is_made_leaves_it_to_the_next() -> None:
    cluster = standing()
    cluster.facts.clear()
    first, second = cluster.plan().actions, cluster.after_restart().actions
    assert first == second
    assert [type(action) for action in first] == [RecordFact]


def test_it_holds_up_nothing() -> None:
    cluster = standing()
    cluster.facts.clear()
    cluster.edit(SERVICE, add_port)
    stages = cluster.plan().stages
    assert [[type(action) for action in stage] for stage in stages] == [[Apply], [RecordFact]]
    cluster.failures = (Failure("fact ServiceStarted", "RecordRefused", "not recorded: exceeded quota"),)
    cluster.step()
    assert cluster.condition("Ready") == ("True", "Ready")
    assert cluster.findings() == ["RecordRefused"]
