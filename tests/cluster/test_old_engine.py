"""An engine of an older version: its definition does not know what is rendered, and a person is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from cluster.engine_stage import arguments, clustered, found_good, install_engines
from cluster.instances import wait_for
from cluster.observing import SECONDS
from cluster.standing import SIMULATED, until
from dedicated.api.json import Manifest, get_list, get_map, get_str
from dedicated.api.objects import PERCONA_CLUSTER
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster

DEFINITION = "perconapgclusters.pgv2.percona.com"
DEFINITIONS = "apiextensions.k8s.io/v1/customresourcedefinitions"
SCHEMA = ("schema", "openAPIV3Schema", "properties")
PATRONI = ("spec", "properties", "patroni", "properties")
FIELD = "leaderLeaseDurationSeconds"
OLD = "EngineVersionUnsupported"


@contextmanager
def of_before(api: Api, namespace: str) -> Iterator[None]:
    """The definition without a field that ours renders."""
    versions = get_list(api.get(DEFINITIONS, "", DEFINITION), "spec", "versions")
    number = next(n for n, one in enumerate(versions) if get_str(one, "name") == "v2")
    known = get_map(versions[number], *SCHEMA, *PATRONI)[FIELD]
    path = "/".join(("/spec/versions", str(number), *SCHEMA, *PATRONI, FIELD))
    _changed(api, {"op": "remove", "path": path})
    try:
        until(lambda: not _is_known(api, namespace), "the older definition")
        yield
    finally:
        _changed(api, {"op": "add", "path": path, "value": known})
        until(lambda: _is_known(api, namespace), "the definition as it was")


def _changed(api: Api, change: Manifest) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{DEFINITION}"
    api.request("PATCH", path, body=[change], content="json")


def _is_known(api: Api, namespace: str) -> bool:
    """Whether the API server takes the field by now."""
    body: Manifest = {
        "apiVersion": PERCONA_CLUSTER.api_version,
        "kind": PERCONA_CLUSTER.kind,
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": {"patroni": {FIELD: 20}},
    }
    path = f"/apis/{PERCONA_CLUSTER.api_version}/namespaces/{namespace}/{PERCONA_CLUSTER.plural}"
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        api.request("POST", path, body=body, query=query)
    except ApiError as error:
        return error.status != 429 and FIELD not in error.message
    return True


def findings(body: Manifest | None) -> dict[str, str]:
    return {
        get_str(item, "code"): get_str(item, "message") for item in get_list(body, "status", "findings")
    }


@pytest.mark.slow
def test_an_engine_that_is_too_old_is_told_with_the_field(
    cluster: Cluster, alone: None, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> None:
    install_engines(cluster)
    namespace, api = make_namespace(labels=SIMULATED), cluster.api
    with of_before(api, namespace):
        run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
        api.create(clustered(namespace, "percona"))
        found_good(cluster, namespace)
        body = wait_for(api, namespace, lambda found: OLD in findings(found), what="the finding")
        assert f".spec.patroni.{FIELD}: field not declared in schema" in findings(body)[OLD]
        assert api.find(PERCONA_CLUSTER, namespace, "acme-database") is None
    made = partial(api.find, PERCONA_CLUSTER, namespace, "acme-database")
    until(lambda: made() is not None, "the cluster", seconds=SECONDS)
    wait_for(api, namespace, lambda found: OLD not in findings(found), seconds=SECONDS, what="its end")
