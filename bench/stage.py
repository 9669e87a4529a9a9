"""The scene of the bench: a control plane, an operator in cluster mode, instances whose pods are simulated.

Simulated pods (kwok) keep the machine free for what is measured. Nothing serves behind them, so such an
instance settles with all of it applied and rolled out, and `Available` False.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import psutil

from cluster.instances import condition, database_secret, instance
from dedicated.api.json import Manifest, as_manifest, get_int, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import CHILD_KINDS, DEPLOYMENT, INSTANCE, JOB, Kind
from testbed import operator_process
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import CHECKOUT, default_home
from testbed.names import serve_names
from testbed.operator_process import OperatorProcess, Settings
from testbed.pki import Authority
from testbed.session import used

NAME = "acme"
DSN = "postgresql://acme:acme@db.example.test:6432/acme?sslmode=verify-full"
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
UPKEEP = frozenset({"leases", "selfsubjectaccessreviews", "selfsubjectreviews"})
CHILDREN = 21
"""Objects that an instance of the bench is made of."""
GATED = (DEPLOYMENT, JOB)
"""Kinds that wait for a gate; all others are the first wave."""
SETTLE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request of the operator: kind of object, and when it came in and was answered (seconds, epoch)."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    at: float
    done: float

    @property
    def upkeep(self) -> bool:
        """What the operator always does: leading and watching."""
        return self.verb == "watch" or self.resource == "leases"

    @property
    def writes(self) -> bool:
        """Whether it changes the cluster. Asking for one's own rights is a `create` that stores nothing."""
        return self.verb in WRITES and self.resource not in UPKEEP

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name} {self.code}"


@dataclass(slots=True)
class Stage:
    """The cluster, the operator of the moment, and the namespaces made so far."""

    cluster: Cluster
    folder: Path
    say: Callable[[str], None]
    home: str = ""
    """Namespace where the operator lives."""
    operator: OperatorProcess | None = None
    crowd: list[str] = field(default_factory=list)
    """Namespaces with an instance each that stay for later figures."""
    made: list[str] = field(default_factory=list)
    extra: tuple[str, ...] = ()
    """Further arguments of the operator that is started next."""

    def running(self) -> OperatorProcess:
        """The operator, started and synced if it does not run yet."""
        if self.operator is None:
            settings = Settings(self.home, (), extra=self.extra)
            self.operator = operator_process.start(self.cluster, settings, self.folder)
        return self.operator

    def stopped(self) -> None:
        """No operator runs."""
        if self.operator is not None:
            self.operator.stop()
            self.operator = None

    def new_namespace(self) -> str:
        """A namespace whose pods are simulated, with a database Secret."""
        name = f"bench-{secrets.token_hex(3)}"
        labels: Manifest = {"testbed/pods": "simulated", "pod-security.kubernetes.io/enforce": "restricted"}
        self.cluster.api.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
        self.made.append(name)
        self.cluster.api.create(database_secret(name, DSN))
        return name

    def create_instance(self, namespace: str) -> None:
        """Apply an instance, as users do."""
        self.cluster.api.apply(instance(namespace, NAME), manager="kubectl")

    def remove(self, namespace: str) -> None:
        """Delete an instance and its namespace; the operator that runs takes off its finalizer."""
        self.cluster.api.delete(INSTANCE, namespace, NAME)
        self.cluster.api.wait_for(
            INSTANCE, namespace, NAME, lambda found: found is None, timeout=60, what="deleted"
        )
        self.cluster.api.delete("v1/namespaces", "", namespace)

    def hold(self, number: int) -> list[str]:
        """At least so many instances at rest."""
        missing = number - len(self.crowd)
        if missing > 0:
            self.say(f"{missing} more instances")
            self.running()
            fresh = [self.new_namespace() for _ in range(missing)]
            for namespace in fresh:
                self.create_instance(namespace)
            self.crowd += fresh
        self.rest(self.crowd)
        return self.crowd[:number]

    def rest(self, namespaces: list[str], *, quiet: float = 8.0) -> None:
        """Wait until these instances are rolled out and the operator asked nothing for `quiet` seconds."""
        waiting = set(namespaces)
        until("all instances rolled out", lambda: self._all_applied(waiting), seconds=SETTLE_SECONDS)
        since = self.cluster.audit_position()
        last = time.time()

        def silent() -> bool:
            nonlocal last
            last = max([last, *(call.done for call in self.calls(since) if not call.upkeep)])
            return time.time() - last > quiet

        until("an operator at rest", silent, seconds=SETTLE_SECONDS)

    def _all_applied(self, namespaces: set[str]) -> bool:
        bodies = self.cluster.api.list(INSTANCE)
        done = {get_str(body, "metadata", "namespace") for body in bodies if is_applied(body)}
        return namespaces <= done

    def children(self, namespace: str, kinds: tuple[Kind, ...] = CHILD_KINDS) -> list[Manifest]:
        """The instance's children of these kinds that exist now."""
        label = f"{LABEL_INSTANCE}={NAME}"
        return [item for kind in kinds for item in self.cluster.api.list(kind, namespace, labels=label)]

    def calls(self, since: int) -> list[Call]:
        """The operator's requests after a position of the audit log."""
        account = self.running().account
        with self.cluster.home.audit.open("rb") as file:
            file.seek(since)
            lines = [line for line in file.read().splitlines() if line.endswith(b"}")]
        events = (as_manifest(json.loads(line)) for line in lines)
        return [
            _call(event)
            for event in events
            if get_str(event, "user", "username") == account and get_str(event, "stage") != "ResponseStarted"
        ]

    def writes(self, since: int) -> list[Call]:
        """The operator's writes after a position of the audit log."""
        return [call for call in self.calls(since) if call.writes]

    def process(self) -> psutil.Process:
        """The operator's process, for memory and CPU time."""
        return psutil.Process(self.running().process.pid)

    def clear(self) -> None:
        """Take everything down."""
        self.stopped()
        nothing: Manifest = {"metadata": {"finalizers": None}}
        for namespace in self.made:
            with contextlib.suppress(ApiError):
                self.cluster.api.patch(INSTANCE, namespace, NAME, nothing)
            self.cluster.api.delete("v1/namespaces", "", namespace)


@contextlib.contextmanager
def set_up(say: Callable[[str], None], *, answered: bool = False) -> Iterator[Stage]:
    """The scene for the time of the block, on a testbed that is started if none is up; where `answered`, all
    public names answer well."""
    with used(default_home()) as state, contextlib.ExitStack() as stack:
        if answered:
            authority = Authority(Path(state.ca).parent)
            state = replace(state, front=stack.enter_context(serve_names(authority)))  # noqa: PLW2901
        cluster = Cluster.of(default_home(), state)
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHECKOUT / "crds"))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=20s", "-f", str(CHECKOUT / "crds"))
        stage = Stage(cluster, default_home().logs / "bench", say)
        stage.home = stage.new_namespace()
        try:
            yield stage
        finally:
            say("clearing up")
            stage.clear()


def is_applied(body: Manifest, *, login: int = 3) -> bool:
    """Whether everything of this generation is applied and rolled out, with so many pods of the login."""
    seen = get_int(body, "status", "observedGeneration")
    applied = condition(body, "Reconciling").get("status") == "False"
    return seen == get_int(body, "metadata", "generation") and applied and _all_there(body, login)


def _all_there(body: Manifest, login: int) -> bool:
    summary = get_map(get_map(body, "status"), "summary")
    wanted = {"server": "3/3", "login": f"{login}/{login}", "zones": "3/3"}
    return all(summary.get(part) == number for part, number in wanted.items())


def until(what: str, holds: Callable[[], bool], *, seconds: float = 30.0, every: float = 0.05) -> float:
    """Wait for a condition; the seconds it took. AssertionError after `seconds`."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(every)
    return time.monotonic() - started


def seconds_of(stamp: str) -> float:
    """Epoch seconds of an RFC 3339 time."""
    return datetime.fromisoformat(stamp).timestamp()


def _call(event: Manifest) -> Call:
    ref = event.get("objectRef")
    parts = [get_str(ref, "resource"), get_str(ref, "subresource")]
    return Call(
        verb=get_str(event, "verb"),
        resource="/".join(part for part in parts if part),
        namespace=get_str(ref, "namespace"),
        name=get_str(ref, "name"),
        code=get_int(event, "responseStatus", "code"),
        at=seconds_of(get_str(event, "requestReceivedTimestamp")),
        done=seconds_of(get_str(event, "stageTimestamp")),
    )
