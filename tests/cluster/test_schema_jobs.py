"""Schema Jobs that fail, are killed in mid-step or deleted: retried, freed, one at a time."""

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import (
    SECONDS,
    History,
    finding,
    has_finding,
    kstatus_of,
    never_current_before_ready,
    schema_pods_at_once,
    uids,
    wait_until,
)
from dedicated.api.json import Manifest, get_int, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import DEPLOYMENT, INSTANCE, JOB, POD
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = pytest.mark.cluster

STEP = "41_fake_2"


def create(cluster: Cluster, namespace: str, database: str, run_operator: RunOperator) -> History:
    """Start operator and instance; the pods' history from before."""
    run_operator(namespace, watch=(namespace,))
    pods = History.of(cluster.api, POD, namespace)
    cluster.api.create(database_secret(namespace, database))
    cluster.api.create(instance(namespace))
    return pods


def setups(cluster: Cluster, namespace: str) -> list[str]:
    """Names of the setup Jobs."""
    jobs = (name.rpartition("/")[2] for name in uids(cluster.api, namespace, JOB))
    return [name for name in jobs if "-setup-" in name]


def output(cluster: Cluster, namespace: str) -> str:
    """What all schema pods, gone or not, have said."""
    return "".join(log.read_text() for log in cluster.home.pods.glob(f"{namespace}/acme-setup-*/*.log"))


def wait_output(cluster: Cluster, namespace: str, text: str) -> None:
    """Until a schema pod has said it."""
    wait_until(cluster.api, namespace, lambda: text in output(cluster, namespace), what=text)


def test_a_failing_setup_is_told_and_retried(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    cluster.set_faults(namespace, {"setup.failAtStep": {"name": STEP, "times": 1}})
    pods = create(cluster, namespace, database, run_operator)
    told = History.of(api, INSTANCE, namespace)
    body = wait_for(api, namespace, has_finding("SchemaJobFailing"), seconds=SECONDS, what="SchemaJobFailing")
    found = finding(body, "SchemaJobFailing")
    assert found["responsible"] == "Provider"
    assert "setup: exit code 1" in get_str(found, "message")
    assert f"kubectl logs -n {namespace} job/acme-setup-" in get_str(found, "action")
    assert condition(body, "Ready")["reason"] == "SchemaJobFailing"
    assert kstatus_of(body) == "InProgress"
    assert api.list(DEPLOYMENT, namespace) == []
    body = wait_ready(api, namespace, seconds=SECONDS)
    assert get_list(body, "status", "findings") == []
    (setup,) = setups(cluster, namespace)
    assert get_int(api.get(JOB, namespace, setup), "status", "failed") == 1
    assert schema_pods_at_once(pods.look()) == 1
    assert never_current_before_ready(told.look())["InProgress"] > 1


def test_a_setup_killed_in_mid_step_is_freed(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    cluster.set_faults(namespace, {"setup.killAtStep": STEP})
    pods = create(cluster, namespace, database, run_operator)
    body = wait_for(
        cluster.api, namespace, has_finding("SchemaJobFailing"), seconds=SECONDS, what="SchemaJobFailing"
    )
    assert "setup: exit code 137" in get_str(finding(body, "SchemaJobFailing"), "message")
    cluster.set_faults(namespace, {})
    wait_ready(cluster.api, namespace, seconds=SECONDS)
    assert "cleanup migration" in output(cluster, namespace)
    assert schema_pods_at_once(pods.look()) == 1


def test_a_setup_job_deleted_at_work_is_made_again(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    cluster.set_faults(namespace, {"setup.hangAtStep": STEP})
    pods = create(cluster, namespace, database, run_operator)
    wait_output(cluster, namespace, f"verify migration {STEP}")
    (name,) = setups(cluster, namespace)
    uid = get_str(api.get(JOB, namespace, name), "metadata", "uid")
    api.delete(JOB, namespace, name)

    def made_again(job: Manifest | None) -> bool:
        return get_str(job, "metadata", "uid") not in {"", uid}

    api.wait_for(JOB, namespace, name, made_again, timeout=SECONDS, what="made again")
    cluster.set_faults(namespace, {})
    body = wait_ready(api, namespace, seconds=SECONDS)
    assert "cleanup migration" in output(cluster, namespace)
    history = [pod for pod in pods.look() if get_str(pod, "metadata", "labels", LABEL_COMPONENT) == "schema"]
    names = {get_str(pod, "metadata", "name") for pod in history}
    assert len(names) == 3  # init, the deleted setup, the new one
    assert schema_pods_at_once(history) == 1
    told = [get_str(item, "object") for item in get_list(body, "status", "modifications")]
    assert told == [f"Job/{name}"]
