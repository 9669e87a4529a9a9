"""A spec that slips past admission is told with path and reason; children are left as they are.

It slips past on the real API server: CEL cannot list keys that the schema does not name, so a computed key in
another case (ZITADEL reads keys in any case) is judged by the operator alone.
"""

import pytest

from cluster.instances import condition, database_secret, instance
from cluster.observing import change, finding, uids, versions, wait_applied, wait_stalled
from dedicated.api.json import get_map, get_str
from dedicated.api.objects import CHILD_KINDS, DEPLOYMENT, JOB
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


def test_an_invalid_spec_is_told_and_nothing_is_touched(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator
) -> None:
    namespace = make_namespace(labels={"testbed/pods": "simulated"})
    api = cluster.api
    operator = run_operator(namespace, watch=(namespace,))
    api.create(database_secret(namespace, "postgresql://u:p@db.example.test/d"))
    api.create(instance(namespace))
    known = wait_applied(api, namespace)
    before = uids(api, namespace, *CHILD_KINDS), versions(api, namespace, DEPLOYMENT, JOB)

    change(api, namespace, {"server": {"config": {"externalDomain": "evil.example.test"}}})
    body = wait_stalled(api, namespace, "InvalidSpec")
    found = finding(body, "InvalidSpec")
    assert found["responsible"] == "Customer"
    assert get_str(found, "message").startswith("spec.server.config: config.ExternalDomain is computed")
    assert "evil" not in str(body["status"])
    assert condition(body, "Ready")["status"] == "False"
    for fact in ("url", "summary", "versions", "zones"):
        assert get_map(body, "status")[fact] == get_map(known, "status")[fact] or fact == "summary"
    assert (uids(api, namespace, *CHILD_KINDS), versions(api, namespace, DEPLOYMENT, JOB)) == before
    log = operator.log.read_text()
    assert "Traceback" not in log
    assert [line for line in operator.logs() if get_str(line, "level") in {"error", "critical"}] == []

    change(api, namespace, {"server": {"config": {"externalDomain": None}}})
    wait_applied(api, namespace)
    assert (uids(api, namespace, *CHILD_KINDS), versions(api, namespace, DEPLOYMENT, JOB)) == before
