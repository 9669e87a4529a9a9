"""An instance on a played engine, with all that restores need played beside it, in a time that is moved."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cluster.engine_stage import arguments, clustered, install_engines
from cluster.observing import SECONDS, wait_applied
from cluster.standing import NOWHERE, SIMULATED, until
from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import API_VERSION
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, INSTANCE, INSTANCE_RESTORE, RECORD, Kind
from dedicated.controllers.contract_time import ContractTime
from engines.recovery_agent import RecoveryAgents
from engines.simulator import Simulator, playing
from engines.verification import Verifications
from testbed.client import Api
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator
from testbed.operator_process import OperatorProcess

RETAIN = "30m"


@dataclass(slots=True)
class RestoreStage:
    """The stage. `name` is the engine's first cluster."""

    api: Api
    namespace: str
    operator: OperatorProcess
    kind: Kind
    engine: Simulator
    agents: RecoveryAgents
    verifications: Verifications
    file: Path
    steps: list[JsonValue] = field(default_factory=list)

    def pass_time(self, **length: float) -> None:
        """From now on it is so much later."""
        since = datetime.now(UTC).replace(microsecond=0)  # what is made now is of this second
        becomes = self.agents.clock() + timedelta(**length)
        self.steps.append({"since": since.isoformat(), "becomes": becomes.isoformat()})
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps({"steps": self.steps}))
        fresh.replace(self.file)
        turned: Manifest = {"metadata": {"annotations": {"tests/turned": rfc3339(becomes)}}}
        self.api.patch(INSTANCE, self.namespace, "acme", turned)

    def body(self) -> Manifest:
        """The instance now."""
        return self.api.get(INSTANCE, self.namespace, "acme")

    def newest(self) -> datetime | None:
        """The newest recoverable point, as the instance tells it."""
        return parse_time(get_str(self.body(), "status", "recovery", "newestRecoverablePoint"))

    def ask(self, name: str, purpose: str, **spec: JsonValue) -> None:
        """Ask for a restore."""
        self.api.create(
            {
                "apiVersion": API_VERSION,
                "kind": INSTANCE_RESTORE.kind,
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"instance": "acme", "purpose": purpose, "retain": RETAIN, **spec},
            }
        )

    def status(self, name: str) -> Manifest:
        """What is told of a restore."""
        return get_map(self.api.get(INSTANCE_RESTORE, self.namespace, name), "status")

    def comes_to(self, name: str, phase: str) -> Manifest:
        """The status of a restore once it is in a phase."""
        told: list[Manifest] = []

        def holds() -> bool:
            told[:] = [self.status(name)]
            return get_str(told[0], "phase") == phase

        try:
            until(holds, f"{name} to be {phase}", seconds=SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {told[0]}") from error
        return told[0]

    def clusters(self) -> set[str]:
        """Names of the engine's clusters."""
        return {get_str(item, "metadata", "name") for item in self.api.list(self.kind, self.namespace)}

    def secret_of_server(self) -> str:
        """The Secret that the server connects by."""
        server = self.api.get(DEPLOYMENT, self.namespace, "acme-server")
        (container,) = get_list(server, "spec", "template", "spec", "containers")
        names = {
            get_str(item, "valueFrom", "secretKeyRef", "name")
            for item in get_list(container, "env")
            if "DATABASE" in get_str(item, "name")
        }
        (name,) = names - {""}
        return name

    def facts(self, fact: str) -> list[Manifest]:
        """The records of a fact."""
        found = self.api.list(RECORD, self.namespace)
        return [get_map(item, "spec") for item in found if get_str(item, "spec", "fact") == fact]


@contextlib.contextmanager
def restore_stage(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, folder: Path, *, kind: Kind
) -> Iterator[RestoreStage]:
    """A rolled out instance that has a backup, on the engine whose clusters are of this kind."""
    install_engines(cluster)
    namespace, file = make_namespace(labels=SIMULATED), folder / "clock.json"
    file.write_text('{"steps": []}')
    extra = (*arguments(folder), f"--test-clock={file}")
    operator = run_operator(namespace, watch=(namespace,), extra=extra)
    time = ContractTime(wall=lambda: datetime.now(UTC), steps=file)
    api, accounts = cluster.api, partial(cluster.as_account, namespace)
    agents = RecoveryAgents(api, namespace, accounts, clock=time.now, dated=time.of)
    engine = Simulator(api, namespace, NOWHERE)
    masterkey = partial(fingerprint, api, namespace)
    verifications = Verifications(api, engine, fingerprint=masterkey, clock=time.now)
    percona = kind.kind == "PerconaPGCluster"
    body = clustered(namespace, "percona" if percona else "cloudnative-pg")
    if not percona:
        del get_map(body, "spec", "backup", "repository", "encryption")["clientSide"]
    api.create(body)
    with playing(engine, agents, verifications):
        wait_applied(api, namespace)
        stage = RestoreStage(api, namespace, operator, kind, engine, agents, verifications, file)
        until(lambda: stage.newest() is not None, "a recoverable point", seconds=SECONDS)
        yield stage


def fingerprint(api: Api, namespace: str) -> str:
    """Of the masterkey of the instance, as each copy of its database has it."""
    return get_str(api.get(CONFIG_MAP, namespace, "acme-identity"), "data", "masterkey")
