"""A namespace with an operator of its own behind a fault proxy of its own: where one run of a scenario is.

Runs share the control plane and nothing else, so that many go on at once. Pods are simulated (kwok); the
domain is the same for all, so that objects named by their content have the same names everywhere.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cluster.engine_stage import AGENT
from cluster.instances import database_secret, instance
from cluster.limits_stage import LIMITER
from cluster.observing import change
from cluster.restore_stage import fingerprint
from cluster.standing import NOWHERE, SIMULATED
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_list
from dedicated.api.objects import INSTANCE, RECORD, Kind
from engines.escrow_jobs import EscrowJobs
from engines.export_jobs import ExportJobs
from engines.simulator import Simulator, playing
from engines.verification import Verifications
from faultproxy import FaultProxy, fault_proxy
from faults.chronicle import Chronicle, chronicle
from limiters.agents import LimiterAgents
from testbed import operator_process
from testbed.client import Api, ApiError
from testbed.cluster import Cluster
from testbed.forked import Clock, ForkServer, fork_server
from testbed.home import write_atomically
from testbed.names import serve_names
from testbed.operator_process import Installed, Launch, OperatorProcess, Settings
from testbed.pki import Authority

NAME = "acme"
DOMAIN = "faults.example.test"
OLD, NEW = "v4.15.2", "v4.16.0"
RELEASES: Manifest = {
    "releases": {
        "versions": [
            {"version": OLD, "channel": "stable"},
            {"version": NEW, "channel": "stable", "downtime": "5m"},
        ]
    }
}
"""Both may begin an instance (V-1), so that a run ends alike whether an operator saw the first one or not."""
BEGIN = "2036-12-10T12:00:00Z"
"""The contract's time when a site with a contract begins: in the middle of a month, and never behind us."""
LEASE_SECONDS = 30
"""A dozen operators and more share two processors, for want of which they would lose a lease of 10 s."""
QUIET = 2.5
"""Longer than the operator holds back a status in which only figures moved."""
LOOK = 0.1
ENGINE_STEP = 0.5
"""Seconds between two steps of the engine: the operator sees each state of a backup."""
_SAMPLE = "faults-sample"


@dataclass(frozen=True, slots=True)
class Stage:
    """What all runs of a session share.

    `chart` is rendered once, for a namespace that does not exist; `names` is where every public name answers.
    """

    cluster: Cluster
    forks: ForkServer
    folder: Path
    chronicle: Chronicle
    chart: str
    names: str

    def manifests(self, namespace: str) -> list[Manifest]:
        """The chart for an operator that lives in a namespace and watches it."""
        found: list[Manifest] = json.loads(self.chart.replace(_SAMPLE, namespace))
        return found


@contextlib.contextmanager
def stage_on(cluster: Cluster, folder: Path, *, engine: bool = False) -> Iterator[Stage]:
    """The stage on a cluster for the time of the block; logs of operators go into the folder.

    `engine`: the engine's definitions are installed.
    """
    values: Manifest = {**RELEASES, "leaseSeconds": LEASE_SECONDS}
    rendered = operator_process.render(Settings(_SAMPLE, (_SAMPLE,), values=values))
    authority = Authority(cluster.ca.parent)
    with (
        fork_server(folder / "forkserver.log") as forks,
        chronicle(cluster.api, engine=engine) as kept,
        serve_names(authority) as names,
    ):
        yield Stage(cluster, forks, folder, kept, json.dumps(rendered), names)


class CrashedError(AssertionError):
    """An operator ended, and nobody had told it to."""


@dataclass(slots=True)
class Site:
    """One run's namespace, proxy and operator. Its methods are for the run's own thread, but `kill`."""

    stage: Stage
    namespace: str
    settings: Settings
    installed: Installed
    proxy: FaultProxy
    clock: Clock
    steps: Path
    kept: EscrowJobs
    exported: ExportJobs
    engine: bool = False
    operator: OperatorProcess | None = None
    started: float = 0.0
    starts: int = 0
    killed: bool = False
    """By us, and not started again yet."""

    @property
    def api(self) -> Api:
        """The administrator's API."""
        return self.stage.cluster.api

    def body(self) -> Manifest | None:
        """The instance now."""
        return self.api.find(INSTANCE, self.namespace, NAME)

    def create(self, **spec: JsonValue) -> None:
        """What a user creates: a database Secret that leads nowhere, and the instance."""
        self.api.create(database_secret(self.namespace, NOWHERE))
        self.api.create(instance(self.namespace, NAME, domain=DOMAIN, **spec))

    def turn(self, becomes: str) -> None:
        """From now on it is that time (RFC 3339) for the contract of a site that has one."""
        # A record's time has no fractions: the step begins with a whole second.
        since = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        known = get_list(json.loads(self.steps.read_text()), "steps") if self.steps.exists() else []
        step: Manifest = {"since": rfc3339(since), "becomes": becomes}
        write_atomically(self.steps, json.dumps({"steps": [*known, step]}))
        time.sleep(max(0.0, (since - datetime.now(UTC)).total_seconds()))
        if self.body() is not None:
            metadata: Manifest = {"annotations": {"tests/turned": becomes}}
            self.api.patch(INSTANCE, self.namespace, NAME, {"metadata": metadata})

    def state(self, fact: str, **fields: JsonValue) -> None:
        """A fact of the customer's, once. Nobody guards the ledger here."""
        spec: Manifest = {"instance": NAME, "fact": fact, "by": "customer", **fields}
        metadata: Manifest = {"name": fact.lower(), "namespace": self.namespace}
        self.api.create(
            {"apiVersion": RECORD.api_version, "kind": RECORD.kind, "metadata": metadata, "spec": spec}
        )

    def change(self, spec: Manifest) -> None:
        """Merge something into the instance's spec."""
        change(self.api, self.namespace, spec, NAME)

    def start(self) -> None:
        """Start an operator, with the same identity as ever."""
        self.killed = False
        self.operator = operator_process.launch(
            self.stage.cluster, self.settings, self.installed, ready=False, run=self._fork
        )
        self.started = time.monotonic()
        self.starts += 1

    def ready(self) -> None:
        """Wait until the operator just started works."""
        assert self.operator is not None
        self.operator.wait_ready()

    def _fork(self, launch: Launch) -> operator_process.Process:
        return self.stage.forks.start(
            launch.arguments, env=launch.env, cwd=launch.cwd, log=launch.log, clock=self.clock
        )

    def kill(self) -> None:
        """SIGKILL; returns when it is dead. For the proxy's thread too."""
        self.killed = True
        if self.operator is not None:
            self.operator.kill()

    def revive(self) -> None:
        """Start the operator again if it was killed. Raises `CrashedError` if it ended by itself."""
        operator = self.operator
        if operator is None or (code := operator.process.poll()) is None:
            return
        if not self.killed:
            raise CrashedError(f"the operator ended with {code}\n{operator.tail()}")
        self.start()

    def is_quiet(self) -> bool:
        """Whether a ready operator has written nothing for a while, nor has one that was just started."""
        last = max((one.done or time.monotonic() for one in self.proxy.writes()), default=0.0)
        if time.monotonic() - max(last, self.started) < QUIET or self.operator is None:
            return False
        return self.operator.http("/readyz")[0] == 200

    def rest(
        self,
        is_over: Callable[["Site"], bool],
        *,
        seconds: float,
        look: Callable[["Site"], None] = lambda _: None,
    ) -> None:
        """Wait until the operator is at rest and `is_over` holds; `look` each time, and `revive`."""
        deadline = time.monotonic() + seconds
        while True:
            look(self)
            self.revive()
            if self.is_quiet() and is_over(self):
                return
            if time.monotonic() > deadline:
                tail = self.operator.tail() if self.operator else ""
                raise AssertionError(f"not at rest within {seconds:g} s\n{tail}")
            time.sleep(LOOK)

    def history(self) -> dict[Kind, Sequence[Manifest]]:
        """Every version of the chronicle's kinds so far."""
        return self.stage.chronicle.of(self.namespace)


@contextlib.contextmanager
def site(
    stage: Stage,
    *,
    in_order: bool = False,
    contract: bool = False,
    engine: bool = False,
    jobs: bool = False,
    limiters: bool = False,
) -> Iterator[Site]:
    """A site for the time of the block, without an operator yet. With a contract its public name answers, so
    that the service begins, and `turn` moves the contract's time, which is `BEGIN` at first. With an engine,
    that is played, whatever becomes of the operator, and so with `jobs` are those of the key bundle and of
    exports, with `limiters` the agents of the limiter.

    The test has its turn on the cluster already: another one would wait for those who wait for the test.
    """
    cluster = stage.cluster
    with contextlib.ExitStack() as stack:
        namespace = f"faults-{secrets.token_hex(4)}"
        labels: Manifest = {**SIMULATED, "pod-security.kubernetes.io/enforce": "restricted"}
        cluster.api.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
        stack.callback(stage.chronicle.forget, namespace)
        stack.callback(_remove, cluster, namespace)
        proxy = stack.enter_context(
            fault_proxy(server=cluster.state.server, ca=cluster.ca, in_order=in_order)
        )
        folder = stage.folder / namespace
        steps = folder / "steps.json"
        turned = (f"--test-clock={steps}",) if contract or engine else ()
        extra = (*turned, *(AGENT if engine or jobs else ()), *(LIMITER if limiters else ()))
        names = stage.names if contract else ""
        settings = Settings(namespace, (namespace,), server=proxy.url, extra=extra, front=names)
        manifests = stage.manifests(namespace)
        installed = operator_process.install(cluster, settings, folder, manifests)
        stack.callback(operator_process.remove_rights, cluster, manifests)
        clock = Clock(folder / "clock")
        clock.step(0)
        kept = EscrowJobs(cluster.api, namespace, lambda _: cluster.api)
        exported = ExportJobs(cluster.api, namespace, lambda _: cluster.api)
        made = Site(stage, namespace, settings, installed, proxy, clock, steps, kept, exported, engine)
        if contract:
            made.turn(BEGIN)
        elif engine:  # whose times are the API server's: the contract's are the same until they are turned
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(steps, json.dumps({"steps": []}))
        stack.callback(made.kill)
        if engine:
            played = Simulator(cluster.api, namespace, NOWHERE)
            masterkey = partial(fingerprint, cluster.api, namespace)
            looked_at = Verifications(cluster.api, played, fingerprint=masterkey)
            stack.enter_context(playing(played, looked_at, pause=ENGINE_STEP))
        if jobs:
            stack.enter_context(playing(kept, exported, pause=ENGINE_STEP))
        if limiters:
            agents = LimiterAgents(cluster.api, namespace, lambda _: cluster.api)
            stack.enter_context(playing(agents, pause=ENGINE_STEP))
        yield made


def _remove(cluster: Cluster, namespace: str) -> None:
    with contextlib.suppress(ApiError):
        cluster.api.patch(INSTANCE, namespace, NAME, {"metadata": {"finalizers": None}})
    cluster.api.delete("v1/namespaces", "", namespace)
