"""docs/runbooks/wrong-restore-target.md, word by word: one is taken back, one that is live made good."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cluster.observing import DISCOVERY, SECONDS, visited
from cluster.runbook_stage import NAME, Scene, arguments, followed, scene
from cluster.standing import until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, get_map, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import CONFIG_MAP, INSTANCE_RESTORE, PERCONA_CLUSTER, RECORD
from dedicated.contract.recovery.report import REPORT, from_json
from engines.recovery_agent import LISTED_EVERY
from lab.trial import note
from testbed.cluster import Cluster
from testbed.fixtures import RunOperator

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]


def window(at: Scene) -> tuple[datetime, datetime] | None:
    """Earliest and newest recoverable point, as the agent reported them last."""
    record = at.api.find(CONFIG_MAP, at.namespace, f"{NAME}-recovery")
    report = from_json(get_str(record, "data", REPORT))
    found = report.found if report else None
    if found is None or found.earliest is None or found.newest is None:
        return None
    return found.earliest, found.newest


def room(at: Scene) -> bool:
    """Whether there are two points to choose from."""
    found = window(at)
    return found is not None and found[1] >= found[0] + timedelta(seconds=3)


def recover(at: Scene, name: str, to: datetime) -> None:
    """What somebody asked for who was wrong."""
    spec: dict[str, JsonValue] = {"instance": NAME, "purpose": "Recovery", "retain": "1h"}
    spec |= {"target": rfc3339(to), "acceptLossSince": rfc3339(to)}
    head: dict[str, JsonValue] = {"name": name, "namespace": at.namespace}
    kind = INSTANCE_RESTORE.kind
    at.api.create({"apiVersion": API_VERSION, "kind": kind, "metadata": head, "spec": spec})


def comes_to(at: Scene, name: str, phase: str) -> None:
    def told() -> bool:
        status = get_map(at.api.get(INSTANCE_RESTORE, at.namespace, name), "status")
        assert get_str(status, "phase") != "Failed", status
        return get_str(status, "phase") == phase

    until(told, f"{name} to be {phase}", seconds=SECONDS)


def clusters(at: Scene) -> set[str]:
    return {get_str(one, "metadata", "name") for one in at.api.list(PERCONA_CLUSTER, at.namespace)}


def restored(at: Scene) -> dict[str, str]:
    """Cluster -> point, of the switches on record."""
    told = [get_map(one, "spec", "restored") for one in at.api.list(RECORD, at.namespace)]
    return {get_str(one, "cluster"): get_str(one, "point") for one in told if one}


def test_a_wrong_point_is_left_for_the_right_one_by_the_old_databases_backups(
    cluster: Cluster, namespace: str, database: str, run_operator: RunOperator, tmp_path: Path
) -> None:
    run_operator(namespace, watch=(namespace,), extra=arguments(tmp_path))
    with scene(cluster, namespace, database, tmp_path) as at:
        until(lambda: room(at), "points to choose from", seconds=LISTED_EVERY.total_seconds() + SECONDS)
        found = window(at)
        assert found is not None
        late, right = found[1], rfc3339(found[1] - timedelta(seconds=1))
        with (
            visited(cluster, f"{namespace}.example.test") as guest,
            followed(
                "wrong-restore-target.md", cluster, tmp_path, NS=namespace, NAME=NAME, WRONG="wrong",
                RIGHT=right,
            ) as person,
        ):  # fmt: skip
            at.engine.restoring = "restore job runs"
            recover(at, "wrong", late)
            comes_to(at, "wrong", "Restoring")
            person.follow("It is not switched to yet")
            until(lambda: clusters(at) == {f"{NAME}-database"}, "the copy to go", seconds=SECONDS)
            at.engine.restoring = ""
            assert restored(at) == {}

            recover(at, "wrong", late)
            comes_to(at, "wrong", "Retained")
            (live,) = restored(at)
            person.follow("It is live")
            person.follow("See what the right one reaches")
            assert set(restored(at)) == {live}
            before = person.seconds
            person.follow("Restore to the right one")
            person.follow("It is over")
            took = person.seconds - before
        (good,) = set(restored(at)) - {live}
        assert restored(at)[good] == right
        assert get_str(at.body(), "status", "database", "cluster") == good
        assert clusters(at) == {f"{NAME}-database", live, good}
        assert guest.failures(DISCOVERY) == []
        note("wrong-restore-target.md, from the order to the end", seconds=took)
