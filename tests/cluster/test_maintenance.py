"""A maintenance on the real API server: a release waits, is announced, permitted by the customer, run in its
slot, and recorded; also by an operator that is killed in the middle.
"""

import json
from pathlib import Path

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import SECONDS, change
from cluster.records_stage import grant, verbs
from cluster.standing import Standing, records, until
from cluster.test_contract_clocks import Stage
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, JOB, MAINTENANCE
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("crds")]

MONTH = "regular-2027-01"
CONFINED: Manifest = {"confine": "AllChanges", "approval": "Required"}


def staged(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, folder: Path
) -> Stage:
    """A Ready instance of which every change waits for a slot, in a time that the test moves."""
    file = folder / "steps.json"
    file.write_text(json.dumps({"steps": []}))
    operator = run_operator(namespace, watch=(namespace,), extra=(f"--test-clock={file}",))
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace, plan="Advanced", maintenance=CONFINED))
    wait_ready(cluster.api, namespace, seconds=SECONDS)
    grant(cluster, namespace, "customer", verbs("act-as-customer"))
    stage = Stage(Standing(cluster, namespace, operator), run_operator, file)
    until(lambda: "ServiceStarted" in stated(stage), "the service begun")
    return stage


def stated(stage: Stage) -> list[str]:
    """The facts that are recorded, in order of time."""
    found = records(stage.standing.api, stage.standing.namespace)
    found.sort(key=lambda item: get_str(item, "metadata", "creationTimestamp"))
    return [get_str(item, "spec", "fact") for item in found]


def request(stage: Stage) -> Manifest:
    """The month's Maintenance; empty where there is none yet."""
    found = stage.standing.api.list(MAINTENANCE, stage.standing.namespace)
    return next((item for item in found if get_str(item, "metadata", "name") == MONTH), {})


def wait_phase(stage: Stage, phase: str) -> Manifest:
    until(
        lambda: get_str(request(stage), "status", "phase") == phase,
        f"{phase}, and not {get_map(request(stage), 'status')}",
        seconds=SECONDS,
    )
    return request(stage)


def releases(stage: Stage) -> set[str]:
    """The releases that run."""
    path = ("spec", "template", "metadata", "labels", "app.kubernetes.io/version")
    return {get_str(item, *path) for item in stage.standing.api.list(DEPLOYMENT, stage.standing.namespace)}


def announced(stage: Stage) -> None:
    """A new release is asked for, waits, and stands in the month's request."""
    api, namespace = stage.standing.api, stage.standing.namespace
    change(api, namespace, {"release": {"version": "v4.16.0"}})

    def waits(body: Manifest | None) -> bool:
        return condition(body, "UpToDate").get("reason") == "MaintenancePending"

    body = wait_for(api, namespace, waits, seconds=SECONDS, what="told as waiting")
    (item,) = get_list(body, "status", "pendingActions")
    assert get_str(item, "what") == "ZITADEL v4.15.2 -> v4.16.0"
    assert get_str(item, "notBefore")
    assert condition(body, "Ready")["status"] == "True"
    stage.turn("2027-01-01 00:00")
    found = wait_phase(stage, "Announced")
    assert "ZITADEL v4.16.0" in get_list(found, "spec", "changes")
    assert "Customer: permit a slot" in get_str(found, "status", "summary", "next")
    assert releases(stage) == {"v4.15.2"}


def permitted(stage: Stage) -> None:
    """The customer permits a slot that begins now."""
    slot: dict[str, JsonValue] = {"start": "2027-01-10T02:00:00+01:00", "end": "2027-01-10T06:00:00+01:00"}
    stage.state("customer", "Permitted", request=MONTH, slot=slot)
    found = wait_phase(stage, "Scheduled")
    assert get_str(found, "status", "slot", "basis") == "Record"
    assert releases(stage) == {"v4.15.2"}
    stage.turn("2027-01-10 02:00")


def test_a_release_waits_is_announced_permitted_run_in_its_slot_and_recorded(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    stage = staged(cluster, namespace, database, run_operator, tmp_path)
    announced(stage)
    permitted(stage)
    done = wait_phase(stage, "Completed")
    assert releases(stage) == {"v4.16.0"}
    assert {"Notified", "Permitted", "Started", "Completed"} <= set(stated(stage))
    assert "Failed" not in stated(stage)
    (started,) = [r for r in records(cluster.api, namespace) if get_str(r, "spec", "fact") == "Started"]
    run = get_map(started, "spec", "run")
    assert run["version"] == "v4.16.0"
    gates = {get_str(gate, "gate"): get_str(gate, "result") for gate in get_list(run, "gates")}
    assert (gates["Permission"], gates["ReplicasHealthy"]) == ("Passed", "Passed")
    assert gates["RecoveryPointObjectiveMet"] == "NotApplicable"
    assert get_list(done, "status", "gates") == get_list(run, "gates")
    body = wait_ready(cluster.api, namespace, seconds=SECONDS)
    assert condition(body, "UpToDate")["reason"] == "UpToDate"
    assert get_list(body, "status", "pendingActions") == []
    assert "Completed" in cluster.kubectl("get", "mt", "-n", namespace)


@pytest.mark.slow
def test_an_operator_that_is_killed_in_the_middle_goes_on_where_it_was(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    stage = staged(cluster, namespace, database, run_operator, tmp_path)
    announced(stage)
    cluster.set_faults(namespace, {"setup.hangAtStep": "46_fake_2"})
    permitted(stage)
    until(lambda: len(cluster.api.list(JOB, namespace)) > 2, "setup is on its way", seconds=SECONDS)
    stage.standing.operator.kill()
    cluster.set_faults(namespace, {})
    stage.restart()
    wait_phase(stage, "Completed")
    assert releases(stage) == {"v4.16.0"}
    facts = stated(stage)
    assert [fact for fact in facts if fact in ("Notified", "Started", "Completed", "Failed")] == [
        "Notified",
        "Started",
        "Completed",
    ]
