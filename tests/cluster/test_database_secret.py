"""The database Secret: missing, wrong, corrected, rotated and deleted. It is read, and never told."""

import base64
import time
from collections.abc import Callable

import pytest

from cluster.instances import condition, database_secret, instance, wait_for, wait_ready
from cluster.observing import (
    SECONDS,
    SERVER,
    finding,
    has_finding,
    kstatus_of,
    pod_names,
    uids,
    wait_stalled,
    work,
)
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, DISRUPTION_BUDGET, INSTANCE, JOB, SECRET, SERVICE
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = pytest.mark.cluster

PLANTED = "S3cret-planted"
NOTICED_SECONDS = 10


def encoded(**values: str) -> Manifest:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


def test_missing_wrong_and_corrected(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    api.create(instance(namespace))
    body = wait_for(api, namespace, has_finding("DatabaseSecretMissing"), what="DatabaseSecretMissing")
    found = finding(body, "DatabaseSecretMissing")
    assert found["responsible"] == "Customer"
    assert f"{namespace}/database" in get_str(found, "message")
    assert condition(body, "Ready")["reason"] == "DatabaseSecretMissing"
    assert kstatus_of(body) == "InProgress"
    base = ((SERVICE, "acme-login"), (DISRUPTION_BUDGET, "acme-server"), (CONFIG_MAP, "acme-identity"))
    for resource, name in base:
        api.wait_for(resource, namespace, name, lambda item: item is not None, what="it needs no database")
    assert uids(api, namespace, JOB, DEPLOYMENT) == {}

    wrong = {
        "neither key dsn": {"url": f"postgresql://u:{PLANTED}@h/d"},
        "does not begin with postgresql://": {"dsn": f"mysql://u:{PLANTED}@h/d"},
        "line end": {"dsn": f"postgresql://u:{PLANTED}@h/d\n"},
        "names no user": {"dsn": f"postgresql://:{PLANTED}@h/d"},
    }
    for problem, values in wrong.items():
        api.delete(SECRET, namespace, "database")
        data = encoded(**values)
        api.create({**database_secret(namespace, ""), "data": data})
        body = wait_for(api, namespace, _says(problem), seconds=NOTICED_SECONDS, what=problem)
        assert wait_stalled(api, namespace, "DatabaseSecretInvalid")
        assert finding(body, "DatabaseSecretInvalid")["responsible"] == "Customer"
        assert PLANTED not in str(body)
    assert uids(api, namespace, JOB, DEPLOYMENT) == {}

    api.patch(SECRET, namespace, "database", {"data": {**encoded(dsn=database), "url": None}})
    wait_for(
        api,
        namespace,
        lambda one: condition(one, "Stalled").get("status") == "False",
        seconds=NOTICED_SECONDS,
        what="noticed",
    )
    assert kstatus_of(wait_ready(api, namespace, seconds=SECONDS)) == "Current"
    assert PLANTED not in operator.log.read_text()
    assert PLANTED not in str(api.list("events.k8s.io/v1/events", namespace))


def _says(problem: str) -> Callable[[Manifest | None], bool]:
    return lambda body: problem in get_str(condition(body, "Stalled"), "message")


def test_created_later_rotated_and_deleted(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator
) -> None:
    api = cluster.api
    run_operator(namespace, watch=(namespace,))
    api.create(instance(namespace))
    wait_for(api, namespace, has_finding("DatabaseSecretMissing"), what="DatabaseSecretMissing")
    api.create(database_secret(namespace, database))
    started = time.monotonic()
    wait_for(
        api, namespace, lambda body: get_list(body, "status", "findings") == [], what="the Secret is noticed"
    )
    assert time.monotonic() - started < NOTICED_SECONDS
    wait_ready(api, namespace, seconds=SECONDS)

    servers, jobs = pod_names(api, namespace, SERVER), uids(api, namespace, JOB)
    before = api.get(DEPLOYMENT, namespace, "acme-server")
    api.patch(SECRET, namespace, "database", {"data": encoded(dsn=f"{database}&application_name=zitadel")})

    def rolled(body: Manifest | None) -> bool:
        same = pod_names(api, namespace, SERVER) & servers
        return not same and condition(body, "Ready").get("status") == "True"

    wait_for(api, namespace, rolled, seconds=SECONDS, what="every server pod has the new credentials")
    assert uids(api, namespace, JOB) == jobs
    after = api.get(DEPLOYMENT, namespace, "acme-server")
    template = ("spec", "template", "metadata", "annotations")
    assert get_map(before, *template) != get_map(after, *template)

    running, standing = pod_names(api, namespace), work(api, namespace)
    api.delete(SECRET, namespace, "database")
    body = wait_for(api, namespace, has_finding("DatabaseSecretMissing"), what="DatabaseSecretMissing")
    assert condition(body, "Available")["status"] == "True"
    assert kstatus_of(body) == "InProgress"
    api.create(database_secret(namespace, f"{database}&application_name=zitadel"))
    wait_ready(api, namespace)
    assert pod_names(api, namespace) == running
    assert work(api, namespace) == standing
    assert get_str(api.get(INSTANCE, namespace, "acme"), "status", "summary", "server") == "3/3"
