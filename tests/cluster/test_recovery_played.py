"""Recoverability of an instance on a played engine, its agent played beside it, in a time that is moved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from cluster.engine_stage import arguments, create_kept, install_engines
from cluster.instances import condition, wait_for
from cluster.observing import SECONDS, wait_applied
from cluster.standing import NOWHERE, SIMULATED, until
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.objects import INSTANCE, PERCONA_BACKUP
from dedicated.controllers.contract_time import ContractTime
from dedicated.parts.database.percona import read_run
from dedicated.reconcile.backups import Wish, mark_of
from engines.escrow_jobs import EscrowJobs
from engines.recovery_agent import RecoveryAgents
from engines.simulator import Simulator, playing
from testbed import protection
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

pytestmark = pytest.mark.cluster


@dataclass(slots=True)
class Stage:
    """An instance on played Percona whose agent is played, all by the test's clock."""

    api: Api
    namespace: str
    file: Path
    engine: Simulator
    agents: RecoveryAgents
    steps: list[JsonValue] = field(default_factory=list)

    def pass_time(self, **length: float) -> None:
        """From now on it is so much later."""
        since = datetime.now(UTC)
        becomes = self.agents.clock() + timedelta(**length)
        self.steps.append({"since": since.isoformat(), "becomes": becomes.isoformat()})
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"steps": self.steps}))
        fresh.replace(self.file)
        turned: Manifest = {"metadata": {"annotations": {"tests/turned": rfc3339(becomes)}}}
        self.api.patch(INSTANCE, self.namespace, "acme", turned)

    def wait(self, kind: str, status: str, *reasons: str) -> Manifest:
        """The instance once a condition is so."""

        def holds(body: Manifest | None) -> bool:
            found = condition(body, kind)
            return found.get("status") == status and (not reasons or found.get("reason") in reasons)

        what = f"{kind}={status} {' or '.join(reasons)}"
        return wait_for(self.api, self.namespace, holds, seconds=SECONDS, what=what)


@pytest.fixture
def stage(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, tmp_path: Path
) -> Iterator[Stage]:
    install_engines(cluster)
    namespace, file = make_namespace(labels=SIMULATED), tmp_path / "clock.json"
    file.write_text('{"steps": []}')
    run_operator(namespace, watch=(namespace,), extra=(*arguments(tmp_path), f"--test-clock={file}"))
    policies = protection.policies(namespace, watch=(namespace,))
    protection.replace(cluster, namespace, old=(), new=policies)
    time = ContractTime(wall=lambda: datetime.now(UTC), steps=file)
    agents = RecoveryAgents(
        cluster.api, namespace, partial(cluster.as_account, namespace), clock=time.now, dated=time.of
    )
    engine = Simulator(cluster.api, namespace, NOWHERE)
    kept = EscrowJobs(cluster.api, namespace, partial(cluster.as_account, namespace))
    try:
        create_kept(cluster.api, namespace)
        with playing(engine, agents, kept):
            wait_applied(cluster.api, namespace)
            yield Stage(cluster.api, namespace, file, engine, agents)
    finally:
        protection.replace(cluster, namespace, old=policies, new=())


def test_an_archive_that_stops_is_told_in_time_and_one_that_goes_on_is_believed(stage: Stage) -> None:
    body = stage.wait("DataProtected", "True", "Protected")
    assert condition(body, "FailoverReady")["reason"] == "InAnotherZone"
    told = get_map(body, "status", "recovery")
    assert get_str(told, "lastFull", "kind") == "full"
    assert len(get_list(told, "replication", "synchronous")) == 2

    stage.agents.stop_archiving("acme")
    stage.pass_time(minutes=4)
    stage.wait("WalArchiving", "True", "Archiving")
    stage.pass_time(minutes=4)
    body = stage.wait("WalArchiving", "False", "Stalled", "Failing")
    assert condition(body, "RecoveryPointObjectiveMet")["status"] == "True", "an hour is not over"
    stage.pass_time(minutes=60)
    body = stage.wait("RecoveryPointObjectiveMet", "False", "ExposureTooHigh")
    assert condition(body, "DataProtected")["status"] == "False"

    stage.agents.resume_archiving("acme")
    stage.pass_time(minutes=6)
    stage.wait("RecoveryPointObjectiveMet", "True", "Met")
    stage.wait("DataProtected", "True")


def test_a_gap_is_closed_by_a_differential_that_is_asked_for(stage: Stage) -> None:
    stage.wait("DataProtected", "True")
    stage.engine.holding = True
    stage.agents.lose_next_segment("acme")
    stage.pass_time(minutes=6)
    body = stage.wait("WalContinuous", "False", "Gap")
    assert len(get_list(body, "status", "recovery", "gaps")) == 1
    until(lambda: asked_for_a_gap(stage), "a differential asked for")
    stage.engine.holding = False
    stage.wait("WalContinuous", "True", "Continuous")
    body = stage.wait("DataProtected", "True")
    assert get_list(body, "status", "recovery", "gaps") == []
    assert get_str(body, "status", "recovery", "lastDifferential", "label").endswith("D")


def asked_for_a_gap(stage: Stage) -> bool:
    """Whether one of the backups has the name of one that a gap made wanted."""
    found = stage.api.list(PERCONA_BACKUP, stage.namespace)
    runs = [run for item in found if (run := read_run(item)) is not None]
    marks = {mark_of(Wish("differential", "Gap"), (run,)) for run in runs}
    return any(run.name.rpartition("-")[2] in marks for run in runs)


@pytest.mark.parametrize(
    ("lost", "apart", "reason"),
    [
        pytest.param(2, 0, "WritesBlocked", marks=pytest.mark.slow),
        pytest.param(1, 0, "StandbyMissing", marks=pytest.mark.slow),
        (1, 1, "StandbyDiverged"),
    ],
    ids=["all standbys", "one standby", "one that left the history"],
)
def test_a_standby_that_is_lost_is_told(stage: Stage, lost: int, apart: int, reason: str) -> None:
    stage.wait("FailoverReady", "True")
    standbys = servers(stage)[1:]
    stage.agents.apart.update(standbys[:apart])
    stage.agents.cut.update(standbys[:lost])
    stage.pass_time(minutes=2)
    stage.wait("FailoverReady", "False", reason)
    stage.agents.cut.clear()
    stage.pass_time(minutes=1)
    stage.wait("FailoverReady", "True", "InAnotherZone")


def test_a_failover_is_followed_by_a_backup_of_the_new_timeline(stage: Stage) -> None:
    stage.wait("DataProtected", "True")
    stage.engine.fail_over("acme-database")
    stage.pass_time(minutes=2)
    until(lambda: get_map(recovery(stage), "lastFailover").get("timeline") == 2, "the failover told")
    stage.wait("DataProtected", "True")
    assert get_str(recovery(stage), "replication", "primary", "name") == servers(stage)[1]


def recovery(stage: Stage) -> Manifest:
    return get_map(stage.api.get(INSTANCE, stage.namespace, "acme"), "status", "recovery")


def servers(stage: Stage) -> list[str]:
    return [f"acme-database-db-{number:04d}-0" for number in range(3)]
