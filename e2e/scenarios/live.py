"""The stage of a real cluster: the whole service as `service` brings it up, and real clients.

Clients are the processes of `clients`, on the runner's machine, outside of the cluster. What the database
holds is asked in its pod, so that it can be asked while no Service leads there.
"""

import asyncio
import base64
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from clients import process
from clients.enrol import Owner, RefusedError, enrol
from clients.rows import Row
from clients.session import NoAnswerError
from clients.target import Identity, Target
from dedicated.api.conditions import BACKUP_POLICY_SATISFIED, condition_in
from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_map, get_str
from dedicated.parts.config import OPERATOR_USER
from images.recipes import RELEASES
from scenarios import deeds, peers
from scenarios.record import DATABASE_SERVER, POINT, State
from scenarios.stage import Clients, Need, StageError
from service import cloudnativepg, database, instance, operator, rebuilding, store
from service.provider import Provider
from service.steps import Service, address

SINGLE = "engine external: one server that the service does not run"
TOKENS = "select payload->>'key' from eventstore.events2 where event_type = 'user.metadata.set'"
PRIMARY = "cnpg.io/instanceRole=primary"
SERVER = "cnpg.io/podRole=instance"
BURST = {"calls": ("call", 100.0), "pages": ("page", 20.0)}
"""Kind and rate of requests at twice the limit (RL-1)."""
SHORT = timedelta(days=2)
"""Life of a certificate that is about to end."""
SERVING = ("Ready", "UpToDate")
REDUNDANT = ("HighlyAvailable", "FailoverReady")
"""What else is so before the next fault, where the service runs the database."""
WORKLOADS = ("apps/v1/deployments", "apps/v1/statefulsets")


@dataclass(slots=True)
class LiveLoad:
    """Clients at work; their rows once they are stopped."""

    started: ExitStack
    log: Path

    def stop(self) -> Sequence[Row]:
        """Let them end."""
        self.started.close()
        return process.rows_of(self.log)


@dataclass(slots=True)
class LiveStage:
    """See `scenarios.stage.Stage`. Logs of clients go to `folder`."""

    service: Service
    folder: Path
    identity: Identity | None = None
    number: int = 0
    namespace: str = field(default=instance.NAMESPACE, init=False)
    instance: str = field(default=instance.NAME, init=False)

    @property
    def provider(self) -> Provider:
        """The cluster."""
        return self.service.provider

    def lacks(self, need: Need) -> str:
        """Why this stage cannot give what is needed; empty where it can."""
        external = self.service.engine == "external"
        reasons: dict[Need, str] = {
            "own-database": SINGLE if external else "",
            "backups": "engine external: backups are made by whoever runs it" if external else "",
            "volumes": "" if self.provider.name == "nodes" else "volumes do not have the size asked for",
            "rebuild": "",
        }
        return reasons.get(need, "")

    def install(self) -> None:
        """Ask for the instance and lead its name to it."""
        if self.provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME) is None:
            for step in (self.service.create_instance, self.service.publish_name):
                for _ in step():
                    pass

    def unsettled(self, *, redundant: bool = True) -> str:
        """What is not as it was before any fault."""
        clustered = self.service.engine != "external"
        wanted = (*SERVING, *REDUNDANT) if redundant and clustered else SERVING
        return "; ".join((*self._nodes(), *self._workloads(), *self._conditions(wanted)))

    def _nodes(self) -> Iterator[str]:
        for node in self.provider.api.list("v1/nodes"):
            if not deeds.is_ready(node) or get_map(node, "spec").get("unschedulable"):
                yield f"{get_str(node, 'metadata', 'name')} does not take pods"

    def _workloads(self) -> Iterator[str]:
        ours = {operator.NAMESPACE, instance.NAMESPACE, database.NAMESPACE, store.NAMESPACE}
        for kind in WORKLOADS:
            for one in self.provider.api.list(kind):
                wanted, ready = get_int(one, "spec", "replicas"), get_int(one, "status", "readyReplicas")
                short = ready < wanted or get_int(one, "status", "updatedReplicas") < wanted
                if short and get_str(one, "metadata", "namespace") in ours:
                    yield f"{get_str(one, 'metadata', 'name')} {ready} of {wanted}"

    def _conditions(self, wanted: Iterable[str]) -> Iterator[str]:
        found = self.provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
        values = {one.name: one.value for one in _of_instance(found, 0.0)} if found else {}
        for name in wanted:
            if values.get(name) != "True":
                yield f"{name} {values.get(name, 'not there')}"

    def load(self, what: Clients) -> LiveLoad:
        """Clients with a log of their own."""
        self.number += 1
        log = self.folder / f"clients-{self.number}.jsonl"
        log.unlink(missing_ok=True)
        started = ExitStack()
        target = self._target()
        if what in BURST:
            kind, rate = BURST[what]
            started.enter_context(process.bursting(target, kind, each_second=rate, log=log))  # type: ignore[arg-type]
        else:
            self.identity = self.identity or self._enrolled(target)
            started.enter_context(process.running(target, self.identity, log=log))
        return LiveLoad(started, log)

    def _target(self) -> Target:
        where = address(self.provider)
        if not where:
            raise StageError("the instance has no address")
        return Target(instance.DOMAIN, where, ca=str(self.service.authority.certificate))

    def _enrolled(self, target: Target) -> Identity:
        secret = self.provider.api.get("v1/secrets", self.namespace, f"{self.instance}-operator-key")
        owner = Owner(OPERATOR_USER, base64.b64decode(get_str(secret, "data", "private.pem")))
        try:
            return asyncio.run(enrol(target, owner=owner))
        except (NoAnswerError, RefusedError) as error:
            raise StageError(f"clients are not let in: {error}") from error

    def states(self, at: float) -> Sequence[State]:
        """The instance, the nodes, and the database's servers where the service runs them."""
        body = self.provider.api.find(instance.RESOURCE, instance.NAMESPACE, instance.NAME)
        nodes = self.provider.api.list("v1/nodes")
        external = self.service.engine == "external"
        servers = () if external else self.provider.api.list("v1/pods", self.namespace, labels=SERVER)
        ready = (
            State(at, f"{kind}/{get_str(one, 'metadata', 'name')}", "Ready", str(deeds.is_ready(one)))
            for kind, found in (("node", nodes), (DATABASE_SERVER, servers))
            for one in found
        )
        return (*(_of_instance(body, at) if body else ()), *ready)

    def stored(self) -> frozenset[str] | None:
        """Tokens in the database's events, asked in the pod that takes writes."""
        namespace, pod = self._database()
        socket = ("-h", "/run/postgresql") if self.service.engine == "external" else ()
        psql = ("psql", *socket, "-U", "postgres", "-d", "zitadel", "-Atc", TOKENS)
        return frozenset(self.provider.kubectl("exec", "-n", namespace, pod, "--", *psql).split())

    def _database(self) -> tuple[str, str]:
        """Namespace and pod of the database that takes writes."""
        if self.service.engine == "external":
            return database.NAMESPACE, f"{database.NAME}-0"
        for pod in self.provider.api.list("v1/pods", self.namespace, labels=PRIMARY):
            if deeds.is_ready(pod):
                return self.namespace, get_str(pod, "metadata", "name")
        raise StageError("no primary is ready")

    def database_pod(self) -> str:
        """The pod that takes writes."""
        return self._database()[1]

    def primary_node(self) -> str:
        """Its node."""
        namespace, pod = self._database()
        return get_str(self.provider.api.get("v1/pods", namespace, pod), "spec", "nodeName")

    def change(self, patch: Manifest) -> None:
        """Merge into the instance's spec."""
        where = (instance.RESOURCE, self.namespace, self.instance)
        self.provider.api.patch(*where, {"spec": patch})

    def store(self) -> str:
        """The object store."""
        return f"{store.NAMESPACE}/statefulset/{store.NAME}"

    def store_node(self) -> str:
        """Its pod's."""
        pod = self.provider.api.get("v1/pods", store.NAMESPACE, f"{store.NAME}-0")
        return get_str(pod, "spec", "nodeName")

    def switch_over(self, node: str) -> None:
        """To the first ready standby elsewhere."""
        cluster = f"{self.instance}-database"
        try:
            cloudnativepg.switch_over(self.provider, self.namespace, cluster, away_from=node)
        except LookupError as error:
            raise StageError(str(error)) from error

    def operator(self) -> str:
        """The operator."""
        return f"{operator.NAMESPACE}/deployment/{operator.RELEASE}"

    def newer_release(self) -> str:
        """The one after the release wanted now."""
        found = self.provider.api.get(instance.RESOURCE, self.namespace, self.instance)
        wanted = get_str(found, "spec", "release", "version")
        newer = RELEASES[RELEASES.index(wanted) + 1 :] if wanted in RELEASES else RELEASES[-1:]
        if not newer:
            raise StageError(f"no release is newer than {wanted}")
        return newer[0]

    def certificate(self) -> str:
        """The Secret of the edge's certificate."""
        return instance.TLS_SECRET

    def short_certificate(self) -> Sequence[str]:
        """One that ends soon."""
        pair = self.service.authority.issue(instance.DOMAIN, hosts=(instance.DOMAIN,), life=SHORT)
        return pair.certificate.decode(), pair.key.decode()

    def lose_all(self) -> None:
        """All but the store."""
        rebuilding.lose(self.service)

    def start_nodes(self) -> None:
        """All of them."""
        rebuilding.heal(self.service)

    def rebuild(self) -> None:
        """By the runbook, with the provider's identity."""
        self.number += 1
        rebuilding.rebuild(self.service, self.folder / f"rebuilt-{self.number}")

    def cut_peers(self) -> None:
        """On every node, for what passes between nodes."""
        peers.cut(self.provider)

    def join_peers(self) -> None:
        """Undo it."""
        peers.join(self.provider)


def _of_instance(body: Manifest, at: float) -> Iterator[State]:
    """Conditions, the summary's texts, findings."""
    for entry in get_list(body, "status", "conditions"):
        one = as_manifest(entry)
        yield State(at, "instance", get_str(one, "type"), get_str(one, "status"), get_str(one, "reason"))
    for name, value in get_map(body, "status", "summary").items():
        if name != "findings":
            yield State(at, "instance", f"summary/{name}", str(value))
    if "(B-5)" in get_str(condition_in(get_map(body, "status"), BACKUP_POLICY_SATISFIED), "message"):
        yield State(at, "instance", "unmet/B-5", "told")
    yield State(at, "instance", POINT, get_str(body, "status", "recovery", "newestRecoverablePoint"))
    codes = {get_str(as_manifest(one), "code") for one in get_list(body, "status", "findings")}
    for code in sorted(codes):
        yield State(at, "instance", f"finding/{code}", "present")


def now() -> float:
    """The clock of the runner, the clients and the samples."""
    return time.time()
