"""A maintenance from the month's request to its end, on the simulated cluster: announced, permitted, run in
its slot, recorded; and every way in which it must not run.
"""

from datetime import UTC, datetime, timedelta

import pytest

from dedicated.api.json import get_list, get_map, get_str
from dedicated.api.objects import JOB
from dedicated.contract.facts import Notified
from dedicated.reconcile.actions import Apply
from dedicated.reconcile.requests import CHECKS
from reconcile.maintaining import (
    END,
    LOGIN,
    MARCH,
    NEWER,
    REQUEST,
    SERVER,
    SLOT,
    START,
    announced,
    answers,
    at,
    facts,
    finish,
    in_slot,
    phase,
    standing,
    version,
)

# The way of a release.


def test_a_release_waits_is_announced_runs_in_its_slot_and_is_recorded() -> None:
    cluster = standing()
    cluster.catalogue = NEWER
    before = dict(cluster.server.objects)
    decided = at(cluster, START + timedelta(days=1))
    assert decided.actions == ()
    assert cluster.server.objects == before
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")
    assert cluster.condition("Ready") == ("True", "Ready")
    (item,) = get_list(cluster.body, "status", "pendingActions")
    assert get_str(item, "what") == "ZITADEL v4.15.2 -> v4.17.0"
    assert get_str(item, "why") == "release.channel stable brings it"
    assert get_str(item, "notBefore") == "2026-03-08T01:00:00Z"
    assert get_str(item, "atTheLatest") == "2026-05-20T22:00:00Z"

    at(cluster, MARCH - timedelta(seconds=1))
    assert cluster.asked == {}
    at(cluster, MARCH)
    assert list(cluster.asked) == [REQUEST]
    spec = get_map(cluster.asked[REQUEST], "spec")
    assert get_list(spec, "changes")[0] == "ZITADEL v4.17.0"
    assert facts(cluster)[-1] == f"notified-{REQUEST}"
    assert phase(cluster) == "Scheduled"

    at(cluster, SLOT - timedelta(seconds=1))
    assert cluster.server.objects == before
    at(cluster, SLOT)
    assert phase(cluster) == "Running"
    assert cluster.condition("UpToDate") == ("False", "MaintenanceRunning")
    assert version(cluster, SERVER) == "v4.15.2", "setup first"
    finish(cluster)
    assert (version(cluster, SERVER), version(cluster, LOGIN)) == ("v4.17.0", "v4.17.0")
    assert facts(cluster)[-2:] == [f"started-{REQUEST}-1", f"completed-{REQUEST}"]
    assert phase(cluster) == "Completed"
    assert cluster.condition("UpToDate") == ("True", "UpToDate")
    assert get_list(cluster.body, "status", "pendingActions") == []


def test_the_start_is_recorded_with_every_gate_before_anything_changes() -> None:
    cluster = announced()
    cluster.server.now = SLOT
    decided = cluster.step()
    assert not [action for action in decided.actions if isinstance(action, Apply)]
    (started,) = [fact for fact in cluster.facts.values() if "started-regular" in fact.name]
    gates = {gate.gate: gate.result for gate in getattr(started, "gates", ())}
    assert gates == {
        "Permission": "Passed",
        "TimeLeft": "Passed",
        "RecoveryPointObjectiveMet": "NotApplicable",
        "WalContinuous": "NotApplicable",
        "FreshDifferential": "NotApplicable",
        "ReplicasHealthy": "Passed",
        "VersionSupported": "NotApplicable",
    }
    assert getattr(started, "version", "") == "v4.17.0"


def test_a_month_without_changes_is_asked_run_and_done_all_the_same() -> None:
    cluster = standing()
    at(cluster, MARCH)
    assert get_list(cluster.asked[REQUEST], "spec", "changes") == [CHECKS]
    before = dict(cluster.server.objects)
    at(cluster, SLOT)
    assert facts(cluster)[-2:] == [f"started-{REQUEST}-1", f"completed-{REQUEST}"]
    assert cluster.server.objects == before


def test_one_request_a_month_whatever_ends_in_between() -> None:
    cluster = standing()
    cluster.server.now = MARCH
    decided = cluster.plan()
    asks = [action for action in decided.actions if type(action).__name__ == "Ask"]
    cluster.carry_out(tuple(asks))  # and the operator ends before the notice
    assert cluster.settle().actions == ()
    assert list(cluster.asked) == [REQUEST]
    assert facts(cluster).count(f"notified-{REQUEST}") == 1
    at(cluster, MARCH + timedelta(days=27))
    assert list(cluster.asked) == [REQUEST]


# What must not run.


def test_nothing_runs_against_a_refusal() -> None:
    cluster = announced()
    answers(cluster, "Refused")
    before = dict(cluster.server.objects)
    for hours in (0, 1, 3, 4, 24):
        at(cluster, SLOT + timedelta(hours=hours))
        assert cluster.server.objects == before
    assert phase(cluster) == "Refused"
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")


def test_what_was_not_announced_waits_for_the_next_request() -> None:
    cluster = standing()
    at(cluster, MARCH)
    cluster.catalogue = NEWER
    before = dict(cluster.server.objects)
    at(cluster, MARCH + timedelta(days=1))
    (item,) = get_list(cluster.body, "status", "pendingActions")
    assert get_str(item, "notBefore") == "2026-04-12T00:00:00Z", "the slot of April"
    at(cluster, SLOT)
    assert facts(cluster)[-1] == f"completed-{REQUEST}"
    assert cluster.server.objects == before
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")
    at(cluster, datetime(2026, 3, 31, 22, 0, tzinfo=UTC))
    assert "ZITADEL v4.17.0" in get_list(cluster.asked["regular-2026-04"], "spec", "changes")


def test_a_credential_rotated_after_the_announcement_is_not_taken_along() -> None:
    cluster = standing()
    at(cluster, MARCH)
    cluster.secrets["database"] = {"dsn": b"postgresql://zitadel:other@db.example.test:5433/zitadel"}
    before = dict(cluster.server.objects)
    at(cluster, SLOT)
    assert facts(cluster)[-1] == f"completed-{REQUEST}"
    assert cluster.server.objects == before
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")
    at(cluster, datetime(2026, 3, 31, 22, 0, tzinfo=UTC))
    assert "Deployment/acme-server" in get_list(cluster.asked["regular-2026-04"], "spec", "changes")


def test_a_gate_that_fails_delays_the_run_and_is_told() -> None:
    cluster = announced()
    cluster.server.set_status(
        cluster.server.objects[SERVER], {"readyReplicas": 2, "replicas": 3, "updatedReplicas": 3}
    )
    at(cluster, SLOT)
    assert phase(cluster) == "Gates"
    assert "ReplicasHealthy: server 2/3 ready" in get_str(cluster.asked[REQUEST], "status", "summary", "next")
    assert "MaintenanceGateFailed" in cluster.findings()
    cluster.rollout()
    at(cluster, SLOT + timedelta(hours=1))
    assert phase(cluster) == "Running"


# How a run ends.


def test_a_setup_that_fails_leaves_what_serves_and_is_recorded_with_its_cause() -> None:
    cluster = in_slot(standing())
    cluster.job_fails(cluster.setup(), times=3)
    at(cluster, END - timedelta(seconds=1))
    assert phase(cluster) == "Running", "the Job tries again while the slot lasts"
    at(cluster, END)
    assert facts(cluster)[-1] == f"failed-{REQUEST}-1"
    assert version(cluster, SERVER) == "v4.15.2"
    assert phase(cluster) == "Failed"
    assert "MaintenanceFailed" in cluster.findings()
    assert cluster.condition("Ready") == ("True", "Ready")


def test_after_the_slot_no_step_begins_and_a_setup_at_work_is_let_end() -> None:
    cluster = in_slot(standing())
    jobs = set(cluster.names(JOB.kind))
    cluster.job_pod()
    at(cluster, END + timedelta(hours=1))
    assert set(cluster.names(JOB.kind)) == jobs, "a running setup is never taken away"
    assert phase(cluster) == "Running"
    cluster.pods = [pod for pod in cluster.pods if pod.component != "schema"]
    cluster.jobs_complete()
    cluster.settle()
    assert version(cluster, SERVER) == "v4.15.2", "no new step after the slot's end"
    assert facts(cluster)[-1] == f"failed-{REQUEST}-1"
    assert cluster.condition("UpToDate") == ("False", "MaintenancePending")


def test_server_and_login_are_one_step() -> None:
    cluster = in_slot(standing())
    cluster.jobs_complete()
    cluster.settle()
    assert version(cluster, SERVER) == "v4.17.0"
    at(cluster, END + timedelta(minutes=1))
    cluster.rollout("acme-server")
    cluster.settle()
    assert version(cluster, LOGIN) == "v4.17.0", "a login of another release serves nobody"
    cluster.rollout("acme-login")
    cluster.settle()
    assert facts(cluster)[-1] == f"completed-{REQUEST}"


def test_a_rollout_that_does_not_answer_is_held_and_never_set_back() -> None:
    cluster = in_slot(standing())
    cluster.service = type(cluster.service)(ok=False, detail="keys: 500") if cluster.service else None
    finish(cluster)
    assert phase(cluster) == "Running"
    at(cluster, END)
    assert facts(cluster)[-1] == f"failed-{REQUEST}-1"
    assert version(cluster, SERVER) == "v4.17.0"
    told = {get_str(item, "code"): item for item in get_list(cluster.body, "status", "findings")}
    assert "keys: 500" in get_str(told["MaintenanceFailed"], "message")


def test_the_end_is_recorded_only_when_the_name_was_read_after_the_rollout() -> None:
    cluster = in_slot(standing())
    cluster.proven = False
    finish(cluster)
    assert phase(cluster) == "Running"
    assert cluster.plan().proving
    cluster.proven = True
    cluster.settle()
    assert phase(cluster) == "Completed"


# The provider's emergency.


def test_an_emergency_runs_before_the_regular_one_in_the_same_slot() -> None:
    cluster = announced()
    at(cluster, SLOT - timedelta(hours=1))
    cluster.facts["patch"] = Notified(
        "patch",
        cluster.server.now,
        "provider",
        "patch-1",
        "Security",
        timedelta(hours=1),
        reference="A-1",
        changes=("ZITADEL v4.17.0",),
    )
    at(cluster, SLOT)
    assert facts(cluster)[-1] == "started-patch-1-1"
    finish(cluster)
    assert "completed-patch-1" in facts(cluster)
    assert f"completed-{REQUEST}" in facts(cluster)


@pytest.mark.parametrize("moment", range(12))
def test_a_restart_at_any_pass_of_a_run_changes_nothing_of_it(moment: int) -> None:
    """Nothing of a run is remembered but what is in the cluster."""
    cluster = announced()
    cluster.server.now = SLOT
    for number in range(30):
        if number == moment:
            cluster.settled = {}
            cluster.body["status"] = {}
        decided = cluster.step()
        if not decided.actions:
            cluster.jobs_complete()
            cluster.rollout()
        if f"completed-{REQUEST}" in facts(cluster):
            break
    assert version(cluster, LOGIN) == "v4.17.0"
    assert [name for name in facts(cluster) if REQUEST in name] == [
        f"notified-{REQUEST}",
        f"started-{REQUEST}-1",
        f"completed-{REQUEST}",
    ]
