"""docs/runbooks/diverged-standby.md, word by word: a server that left the history is made anew."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.instances import condition
from cluster.observing import SECONDS
from cluster.runbook_stage import NAME, Scene, arguments, followed, scene
from cluster.standing import until
from dedicated.api.json import Manifest, get_list, get_str
from engines.simulator import INSTANCE_NAME, playing
from lab.trial import note
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SERVER = f"{NAME}-database-2"


@dataclass(slots=True)
class CopiedAnew:
    """A server in another pod has the primary's history: it was copied from it."""

    at: Scene
    before: str

    def step(self) -> None:
        """Look at whose pod it is."""
        pod = self.at.api.find("v1/pods", self.at.namespace, SERVER)
        if pod is not None and get_str(pod, "metadata", "uid") != self.before:
            self.at.agents.cut.clear()
            self.at.agents.apart.clear()


def volume(namespace: str) -> Manifest:
    """The server's, as the engine labels it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": SERVER, "namespace": namespace, "labels": {INSTANCE_NAME: SERVER}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_a_standby_that_left_the_history_is_made_anew(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    with (
        scene(cluster, namespace, database, tmp_path, engine="cloudnative-pg") as at,
        followed("diverged-standby.md", cluster, tmp_path, NS=namespace, NAME=NAME) as person,
    ):
        at.api.create(volume(namespace))
        until(lambda: at.says("FailoverReady", "True"), "standbys that stream", seconds=SECONDS)
        before = get_str(at.api.get("v1/pods", namespace, SERVER), "metadata", "uid")
        at.agents.apart.add(SERVER)
        at.agents.cut.add(SERVER)
        until(
            lambda: get_str(condition(at.body(), "FailoverReady"), "reason") == "StandbyDiverged",
            "the fork told",
            seconds=SECONDS,
        )
        with playing(CopiedAnew(at, before)):
            person.follow("What you see")
            person.follow("Which one it is")
            person.follow("Make it anew")
            person.follow("It is over")
        assert at.api.find("v1/persistentvolumeclaims", namespace, SERVER) is None
        assert get_list(at.body(), "status", "findings") == []
        note("diverged-standby.md", seconds=person.seconds)
