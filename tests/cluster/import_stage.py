"""An instance that starts from a backup of another one, on a played engine."""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from api.source_examples import BACKUP, KEYS
from cluster.engine_stage import arguments, clustered, install_engines
from cluster.observing import secret
from cluster.restore_stage import RestoreStage
from cluster.standing import NOWHERE, SIMULATED
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.objects import Kind
from engines.recovery_agent import RecoveryAgents
from engines.simulator import Simulator, playing
from engines.verification import Verifications
from testbed.cluster import Cluster
from testbed.fixtures import MakeNamespace, RunOperator

MASTERKEY = "0123456789abcdefghijklmnopqrstuv"


def arriving(namespace: str, *, percona: bool, **backup: JsonValue) -> Manifest:
    """The instance."""
    source: Manifest = {**BACKUP, **backup}
    if not percona:
        source = {**source, "server": "acme-a-uid"}
        del source["passphraseSecretName"]
    engine = "percona" if percona else "cloudnative-pg"
    more: Manifest = {**KEYS, "from": {"backup": source}}
    body = clustered(namespace, engine, **more)
    if not percona:
        del get_map(body, "spec", "backup", "repository", "encryption")["clientSide"]
    return body


@contextlib.contextmanager
def import_stage(
    cluster: Cluster, make_namespace: MakeNamespace, run_operator: RunOperator, folder: Path, *, kind: Kind
) -> Iterator[RestoreStage]:
    """The masterkey and all that is played; nobody has made the instance yet."""
    install_engines(cluster)
    namespace = make_namespace(labels=SIMULATED)
    run_operator(namespace, watch=(namespace,), extra=arguments(folder))
    api = cluster.api
    agents = RecoveryAgents(api, namespace, partial(cluster.as_account, namespace))
    engine = Simulator(api, namespace, NOWHERE)
    api.create(secret(namespace, "own", masterkey=MASTERKEY))
    with playing(engine, agents, verifications := Verifications(api, engine)):
        yield RestoreStage(api, namespace, kind, engine, agents, verifications, folder / "clock.json")
