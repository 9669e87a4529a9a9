"""docs/runbooks/lost-masterkey.md, word by word."""

from pathlib import Path

import pytest

from cluster.observing import DISCOVERY, has_finding, pod_names, secret_data, visited
from cluster.runbook_stage import NAME, arguments, followed, scene
from cluster.standing import until
from dedicated.api.json import get_list
from dedicated.api.objects import SECRET
from lab.trial import note
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

MASTERKEY = f"{NAME}-masterkey"


def test_a_lost_masterkey_comes_back_from_the_bundle_while_the_service_goes_on(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    with (
        scene(cluster, namespace, database, tmp_path) as at,
        followed(
            "lost-masterkey.md", cluster, tmp_path, store=at.keys.store, NS=namespace, NAME=NAME,
            KEYS=at.bucket, IDENTITY=str(at.keys.customer.file),
        ) as person,
        visited(cluster, f"{namespace}.example.test") as guest,
    ):  # fmt: skip
        key, pods = secret_data(at.api, namespace, MASTERKEY), pod_names(at.api, namespace)
        at.api.delete(SECRET, namespace, MASTERKEY)
        until(lambda: has_finding("MasterkeyLost")(at.body()), "the loss told")

        person.follow("What you see")
        assert at.api.find(SECRET, namespace, MASTERKEY) is None, "no other key is made"
        person.follow("Fetch the bundle and look at it")
        person.follow("Bring it back")
        person.follow("It is over")
        assert secret_data(at.api, namespace, MASTERKEY) == key
        assert get_list(at.body(), "status", "findings") == []
        assert pod_names(at.api, namespace) == pods
        assert guest.failures(DISCOVERY) == []
        note("lost-masterkey.md", seconds=person.seconds)
