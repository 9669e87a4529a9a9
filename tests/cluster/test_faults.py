"""An API server in trouble: the operator lives on, says the truth about itself, and loses no work."""

import json
import threading
import time
from functools import partial

import pytest
import urllib3

from cluster.instances import wait_for
from cluster.observing import SECONDS, change, is_applied
from cluster.standing import SIMULATED, create_simulated, stand_simulated, until
from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, INSTANCE, SERVICE
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

FROZEN_SECONDS = 15
"""Longer than any request waits for its answer, so that each kind of request fails."""
WRITER_ROUNDS = 60


def test_an_api_server_that_hangs_and_one_that_starts_again(
    cluster: Cluster, crds: None, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    # A leader that cannot renew its lease in time ends, and should: that is another test's matter.
    at = stand_simulated(
        cluster, make_namespace(labels=SIMULATED), run_operator, extra=("--lease-seconds=90",)
    )
    change(at.api, at.namespace, {"login": {"replicas": 4}})
    at.api.delete(SERVICE, at.namespace, "acme-server")
    answers = []
    with cluster.frozen("kube-apiserver"):
        over = time.monotonic() + FROZEN_SECONDS
        while time.monotonic() < over:
            answers.append(at.operator.http("/healthz")[0])
            time.sleep(0.5)
    # A new process would not bring the API server back.
    assert set(answers) == {200}
    assert at.operator.process.poll() is None
    wait_for(at.api, at.namespace, partial(_replicas, 4), seconds=SECONDS, what="the change made before")
    assert at.api.find(SERVICE, at.namespace, "acme-server") is not None
    at.operator.wait_ready()

    cluster.kill("kube-apiserver")
    until(lambda: _answers(cluster), "an API server", seconds=SECONDS)
    assert at.operator.process.poll() is None
    at.api.delete(SERVICE, at.namespace, "acme-login")
    change(at.api, at.namespace, {"login": {"replicas": 3}})
    wait_for(at.api, at.namespace, partial(_replicas, 3), seconds=SECONDS, what="the change made after")
    until(lambda: at.api.find(SERVICE, at.namespace, "acme-login") is not None, "the Service again")
    status, body = at.operator.http("/healthz")
    assert status == 200, body
    watches = get_map(json.loads(body), "watches")
    assert "services" in watches


def test_others_write_to_the_same_objects(
    cluster: Cluster, crds: None, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    api, namespace = cluster.api, make_namespace(labels=SIMULATED)
    operator = run_operator(namespace, watch=(namespace,))
    create_simulated(api, namespace)

    def disturb() -> None:
        for number in range(WRITER_ROUNDS):
            body: Manifest = {"metadata": {"labels": {"example.test/round": str(number)}}}
            api.patch(INSTANCE, namespace, "acme", body, manager="somebody")
            if api.find(DEPLOYMENT, namespace, "acme-server"):
                api.patch(DEPLOYMENT, namespace, "acme-server", body, manager="somebody")
            time.sleep(0.05)

    writer = threading.Thread(target=disturb)
    writer.start()
    try:
        wait_for(api, namespace, is_applied, seconds=SECONDS, what="applied")
    finally:
        writer.join()
    found = api.get(INSTANCE, namespace, "acme")
    assert get_str(found, "metadata", "labels", "example.test/round") == str(WRITER_ROUNDS - 1)
    assert [line for line in operator.logs() if get_str(line, "level") == "error"] == []


def _replicas(number: int, body: Manifest | None) -> bool:
    return is_applied(body) and get_str(body, "status", "summary", "login") == f"{number}/{number}"


def _answers(cluster: Cluster) -> bool:
    """Whether all of it does: a list may be answered long before custom kinds are (503 meanwhile)."""
    try:
        cluster.api.request("GET", "/readyz")
        cluster.api.list(INSTANCE)
    except (urllib3.exceptions.HTTPError, ApiError):  # nobody listens, or not all is loaded
        return False
    return True
