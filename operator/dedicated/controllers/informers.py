"""One informer per kind, and what it keeps of each object.

Of most kinds metadata is enough; of some their progress is kept too, never the object.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.names import FIELD_MANAGER, LABEL_MANAGED_BY
from dedicated.api.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    NAMESPACE,
    NODE,
    POD,
    RECORD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Key,
    Kind,
    Ref,
)
from dedicated.cluster.informer import Informer, Source
from dedicated.contract.limiter_report import Report, report_name, reports_in
from dedicated.contract.prerequisites import Node
from dedicated.contract.reading import Reading, read
from dedicated.contract.recovery.escrow import Attempt
from dedicated.contract.recovery.proof import Verdict
from dedicated.parts import escrow, export, importing, keys, measured, recovery_agent, verification
from dedicated.parts.database.engine import (
    ClusterState,
    EngineRun,
    EngineState,
    PodLabels,
    instance_of_cluster,
)
from dedicated.parts.database.engines import ADAPTERS, BY_BACKUP, BY_CLUSTER
from dedicated.parts.edge import entry as edge
from dedicated.parts.edge.entry import EntryState
from dedicated.parts.keys import Identity
from dedicated.parts.limiter import names as limiter
from dedicated.parts.measured import KeptMonth
from dedicated.parts.recovery_agent import Kept
from dedicated.parts.schema import JobState
from dedicated.reconcile.observed import (
    Child,
    PodState,
    child_of,
    instance_of,
    job_of,
    mark_of,
    node_of,
    pod_of,
    server_of,
)
from dedicated.reconcile.rollouts import DeploymentState, deployment_of, stateful_set_of

LIMITERS = 3
"""Replicas of a limiter at most."""
FULL_KINDS = frozenset({CONFIG_MAP, DEPLOYMENT, STATEFUL_SET, JOB, SERVICE})
"""Kinds of which more than the metadata is needed: the identity's data, how far work is, and
the address of a load balancer."""
T = TypeVar("T")
OURS = f"{LABEL_MANAGED_BY}={FIELD_MANAGER}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A child as kept: its metadata, and what its kind adds."""

    instance: str
    child: Child
    deployment: DeploymentState | None = None
    stateful_set: DeploymentState | None = None
    job: JobState | None = None
    identity: Identity | None = None
    month: KeptMonth | None = None
    cluster: ClusterState | None = None
    run: EngineRun | None = None
    recovery: Kept | None = None
    verdict: Verdict | None = None
    escrowed: escrow.Kept | None = None
    escrowing: Attempt | None = None
    limiter: tuple[Report, ...] | None = None
    limiter_hash: str = ""
    export_report: str = ""
    import_report: str = ""
    way: EntryState | None = None


NO_ENTRY = Entry("", Child(Ref("", ""), "", ""))


@dataclass(frozen=True, slots=True)
class PodEntry:
    """A pod as kept; of a server of a database, with its cluster."""

    instance: str
    pod: PodState
    cluster: str = ""


def children_informer(
    client: Source,
    kind: Kind,
    namespaces: Sequence[str] | None,
    changed: Callable[[Key, Entry | None, Entry | None], None],
) -> Informer[Entry]:
    """Objects of a kind that instances are made of."""
    return Informer[Entry](
        client=client,
        kind=kind,
        namespaces=namespaces,
        selector="" if kind == SECRET else OURS,
        metadata_only=kind not in FULL_KINDS,
        reduce=entry_of,
        changed=changed,
    )


def pods_informer(
    client: Source,
    namespaces: Sequence[str] | None,
    changed: Callable[[Key, PodEntry | None, PodEntry | None], None],
) -> Informer[PodEntry]:
    """The pods of instances."""
    return Informer[PodEntry](
        client=client,
        kind=POD,
        namespaces=namespaces,
        selector=OURS,
        reduce=lambda manifest: PodEntry(instance_of(manifest), pod_of(manifest)),
        changed=changed,
    )


def engine_objects_informer(
    client: Source,
    kind: Kind,
    namespaces: Sequence[str] | None,
    changed: Callable[[Key, Entry | None, Entry | None], None],
    *,
    sought: asyncio.Event,
    appeared: Callable[[], None],
    dated: Callable[[Manifest], Manifest],
) -> Informer[Entry]:
    """Objects of a database engine's operator, which may not be there. `dated` gives a cluster its time in
    the contract's, since its age is held against the contract's now."""
    # An engine's own backups carry no label of ours.
    return Informer[Entry](
        client=client,
        kind=kind,
        namespaces=namespaces,
        selector="" if kind.kind in BY_BACKUP else OURS,
        metadata_only=kind.kind not in BY_CLUSTER and kind.kind not in BY_BACKUP,
        sought=sought,
        appeared=appeared,
        reduce=(lambda item: engine_entry_of(dated(item))) if kind.kind in BY_CLUSTER else engine_entry_of,
        changed=changed,
    )


def server_informers(
    client: Source,
    namespaces: Sequence[str] | None,
    changed: Callable[[Key, PodEntry | None, PodEntry | None], None],
) -> dict[str, Informer[PodEntry]]:
    """The pods of databases, by engine: they carry their engine's labels."""
    return {
        adapter.engine: Informer[PodEntry](
            client=client,
            kind=POD,
            namespaces=namespaces,
            selector=adapter.pods.selector,
            reduce=partial(_server, labels=adapter.pods),
            changed=changed,
        )
        for adapter in ADAPTERS.values()
        if adapter.pods is not None
    }


def _server(manifest: Manifest, labels: PodLabels) -> PodEntry:
    return PodEntry(*server_of(manifest, labels))


def records_informer(
    client: Source,
    namespaces: Sequence[str] | None,
    changed: Callable[[Key, Reading | None, Reading | None], None],
    dated: Callable[[Manifest], Manifest],
) -> Informer[Reading]:
    """What is recorded of instances."""
    # No selector: whoever may change a record's labels must not make it unseen.
    return Informer[Reading](
        client=client,
        kind=RECORD,
        namespaces=namespaces,
        reduce=lambda manifest: read(dated(manifest)),
        changed=changed,
    )


def asked_informer(
    client: Source,
    kind: Kind,
    namespaces: Sequence[str] | None,
    reduce: Callable[[Manifest], T | None],
    changed: Callable[[Key, T | None, T | None], None],
) -> Informer[T]:
    """What people ask for by objects of a kind."""
    return Informer[T](
        client=client, kind=kind, namespaces=namespaces, reduce=reduce, changed=changed
    )


def engine_of(
    engines: Mapping[Kind, Informer[Entry]], key: Key, children: dict[Ref, Child], *, live: str
) -> EngineState:
    """What an instance's engine tells of the cluster `live` and of those beside it; adds its objects to the
    children."""
    clusters: dict[str, ClusterState] = {}
    runs: list[EngineRun] = []
    for kind, informer in engines.items():
        for name, entry in informer.in_namespace(key.namespace).items():
            if entry.instance == key.name:
                children[Ref(kind.kind, name)] = entry.child
                if entry.cluster is not None:
                    clusters[name] = entry.cluster
                runs += [entry.run] if entry.run is not None else []
    runs.sort(key=lambda run: (run.asked, run.name))
    return EngineState(
        missing=frozenset(kind.kind for kind, informer in engines.items() if informer.is_absent),
        cluster=clusters.pop(live, None),
        runs=tuple(run for run in runs if run.cluster == live),
        others=clusters,
        past=tuple(run for run in runs if run.cluster != live),
    )


def nodes_informer(client: Source, wake_all: Callable[[], None]) -> Informer[Node]:
    """All nodes."""
    return Informer[Node](client=client, kind=NODE, reduce=node_of, changed=lambda *_: wake_all())


def marks_informer(client: Source, changed: Callable[[Key, str | None, str | None], None]) -> Informer[str]:
    """The labels of all namespaces."""
    return Informer[str](
        client=client,
        kind=NAMESPACE,
        metadata_only=True,
        reduce=mark_of,
        changed=changed,
    )


def engine_entry_of(manifest: Manifest) -> Entry:
    """The kept form of an engine's object. A backup's instance is its cluster's, whoever asked for it."""
    child = child_of(manifest)
    if (engine := BY_BACKUP.get(child.ref.kind)) is not None:
        run = engine.read_run(manifest)
        return Entry(instance_of_cluster(run.cluster) if run else "", child, run=run)
    cluster = engine.read_cluster(manifest) if (engine := BY_CLUSTER.get(child.ref.kind)) else None
    return Entry(instance_of(manifest), child, cluster=cluster)


def entry_of(manifest: Manifest) -> Entry:
    """The kept form of a child."""
    instance = instance_of(manifest)
    child = child_of(manifest)
    if not instance:  # somebody's own Secret: only that it changed is of interest
        return Entry("", Child(child.ref, child.uid, child.resource_version))
    found = Entry(instance, child)
    match child.ref.kind:
        case DEPLOYMENT.kind:
            found = Entry(instance, child, deployment=deployment_of(manifest))
        case STATEFUL_SET.kind:
            found = Entry(instance, child, stateful_set=stateful_set_of(manifest))
        case JOB.kind if child.component == escrow.COMPONENT:
            found = Entry(instance, child, escrowing=escrow.attempt_of(manifest))
        case JOB.kind:
            found = Entry(instance, child, job=job_of(manifest))
        case SERVICE.kind if child.component == edge.COMPONENT:
            found = Entry(instance, child, way=edge.state_of(manifest))
        case CONFIG_MAP.kind:
            found = _config_map_entry(instance, child, manifest)
    return found


def _config_map_entry(instance: str, child: Child, manifest: Manifest) -> Entry:
    """A ConfigMap, with what is read of those that tell something."""
    found = Entry(instance, child)
    match child.component:
        case keys.COMPONENT:
            data = get_map(manifest, "data")
            identity = Identity(salt=get_str(data, "salt"), masterkey=get_str(data, "masterkey"))
            found = Entry(instance, child, identity=identity)
        case measured.COMPONENT:
            found = Entry(instance, child, month=measured.month_of_manifest(manifest))
        case recovery_agent.COMPONENT:
            found = Entry(instance, child, recovery=recovery_agent.kept_of(manifest))
        case verification.COMPONENT:
            found = Entry(instance, child, verdict=verification.verdict_of(manifest, uid=child.owner_uid))
        case escrow.COMPONENT:
            found = Entry(instance, child, escrowed=escrow.kept_of(manifest))
        case importing.COMPONENT:
            found = Entry(instance, child, import_report=export.told_in(manifest))
        case export.COMPONENT:
            found = Entry(instance, child, export_report=export.told_in(manifest))
        case limiter.COMPONENT if child.ref == limiter.files_ref(instance):
            found = Entry(instance, child, limiter_hash=get_str(manifest, "data", limiter.HASH_KEY))
        case _ if child.ref.name == report_name(instance):
            found = Entry(instance, child, limiter=_limiter_reports(manifest))
    return found


def _limiter_reports(manifest: Manifest) -> tuple[Report, ...]:
    """What the limiter's replicas tell, but for the top paths, which only a command shows."""
    data = {key: get_str(manifest, "data", key) for key in get_map(manifest, "data")}
    found = reports_in(data, replicas=LIMITERS)
    return tuple(replace(report, top_paths=()) for report in found)
