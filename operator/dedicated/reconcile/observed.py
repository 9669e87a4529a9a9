"""One snapshot of the world around an instance: everything `plan` may know.

Children are kept as metadata only, reduced at once: 1,000 instances of 20 children are 20,000 of these, so
a child holds strings that are shared between instances and no manifest.
"""

import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from dedicated.api.conditions import MAINTENANCE_PENDING, UP_TO_DATE, UPGRADE_PENDING, parse_time
from dedicated.api.json import Manifest, get_int, get_list, get_map, get_str, shared
from dedicated.api.names import (
    ANNOTATION_APPLIED,
    API_VERSION,
    KIND,
    LABEL_APP_VERSION,
    LABEL_COMPONENT,
    LABEL_INSTANCE,
    REGION_LABEL,
    ZONE_LABEL,
)
from dedicated.api.objects import STATEFUL_SET, Ref
from dedicated.api.probing import Entry
from dedicated.api.quantity import parse_quantity
from dedicated.api.resource import Meta
from dedicated.contract import downtime
from dedicated.contract.downtime import Span
from dedicated.contract.facts import Fact
from dedicated.contract.limiter_report import Report as LimiterReport
from dedicated.contract.limits_sight import Ways
from dedicated.contract.places import Atlas, built_in, place_of_node
from dedicated.contract.prerequisites import Node, Platform
from dedicated.contract.reading import Reading
from dedicated.contract.records import Record
from dedicated.contract.recovery.escrow import Attempt
from dedicated.contract.recovery.proof import Verdict
from dedicated.parts import escrow
from dedicated.parts.database.engine import COMPONENT, EngineState, PodLabels, instance_of_cluster
from dedicated.parts.database.external import DatabaseReading
from dedicated.parts.edge.entry import EdgeState
from dedicated.parts.keys import Identity, MasterkeyReading
from dedicated.parts.measured import KeptMonth
from dedicated.parts.metadata import image_of
from dedicated.parts.recovery_agent import Kept
from dedicated.parts.schema import JobState
from dedicated.reconcile.asked import Asked, ExportOrder, Order, RestoreOrder
from dedicated.reconcile.drift import Drift
from dedicated.reconcile.field_owners import Ownership, owners_of
from dedicated.reconcile.rollouts import DeploymentState, looked_at

WAITING = (UPGRADE_PENDING, MAINTENANCE_PENDING)
"""Reasons of `UpToDate` that tell of what is not applied yet, and of nothing under way."""


@dataclass(frozen=True, slots=True)
class Child:
    """A child's metadata. `ours` is the `fieldsV1` of our last apply (empty: created, never applied), but
    for the owner reference, which `owner_uid` tells."""

    ref: Ref
    uid: str
    resource_version: str
    component: str = ""
    applied: str = ""
    owner_uid: str = ""
    deleting: bool = False
    generation: int = 0
    ours: str = ""
    foreign: tuple[Ownership, ...] = ()


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod of the instance: where it is, and whether it serves. `primary`: of a database's servers, the one
    that its engine has labelled so. `ready_since` is None where it does not serve."""

    name: str
    component: str
    node: str
    ready: bool
    finished: bool
    deleting: bool
    problem: str
    primary: bool = False
    ready_since: datetime | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """The newest answer of the public name: whether all checks passed, what failed, and the way in."""

    ok: bool
    detail: str
    entry: Entry = field(default_factory=Entry)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the service level: all that is to be kept, the months that are, and the times in which
    the operator as a whole measured nothing."""

    record: downtime.Record = field(default_factory=downtime.Record)
    kept: tuple[KeptMonth, ...] = ()
    gaps: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that the API server refused in the last pass. `reason` is the finding's code."""

    what: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observed:
    """The snapshot. `nodes` is None where nodes may not be read; `service` before the first probe, `mail`
    (whether a mail provider is active) where it was not asked for, or not answered.

    `deleted` are children that somebody else deleted since the last pass, with the uid they had. `records`
    are all of this instance's modifications, `facts` all else that is recorded of it; `readings` tells in
    which records both stand. `asked` are its `Maintenance` objects. `forged` is what a full audit has found,
    in the pass after it. `recovery` is the recovery agent's record, `escrowed` the key bundle's, `escrowing`
    are its Jobs under way; `bundled`: version of each Secret that a bundle would hold, empty: it is missing.
    `tasks` are Jobs beside the schema's, `verdicts` what was found in restored copies, by the restore's uid.
    """

    children: Mapping[Ref, Child] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentState] = field(default_factory=dict)
    stateful_sets: Mapping[str, DeploymentState] = field(default_factory=dict)
    jobs: Mapping[str, JobState] = field(default_factory=dict)
    pods: tuple[PodState, ...] = ()
    nodes: tuple[Node, ...] | None = ()
    platform: Platform = field(default_factory=Platform)
    atlas: Atlas = field(default_factory=built_in)
    agent_image: str = ""
    """Image of the agents beside the instance; empty: there are none."""
    limiter_image: str = ""
    """Image of HAProxy in the limiter; empty: none can be made."""
    identity: Identity | None = None
    masterkey: MasterkeyReading = field(default_factory=lambda: MasterkeyReading(found=False))
    database: DatabaseReading = field(default_factory=lambda: DatabaseReading(found=False))
    engine: EngineState = field(default_factory=EngineState)
    edge: EdgeState = field(default_factory=EdgeState)
    service: ServiceReading | None = None
    mail: bool | None = None
    failures: tuple[Failure, ...] = ()
    deleted: Mapping[Ref, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    facts: tuple[Fact, ...] = ()
    asked: tuple[Asked, ...] = ()
    orders: tuple[Order, ...] = ()
    restores: tuple[RestoreOrder, ...] = ()
    tasks: Mapping[str, JobState] = field(default_factory=dict)
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    exports: tuple[ExportOrder, ...] = ()
    export_report: str = ""
    """What the export under way has written into its record."""
    import_report: str = ""
    """What the import under way has written into its record."""
    readings: tuple[Reading, ...] = ()
    forged: Mapping[Ref, Drift] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    recovery: Kept | None = None
    escrowed: escrow.Kept | None = None
    escrowing: tuple[Attempt, ...] = ()
    bundled: Mapping[str, str] = field(default_factory=dict)
    limiter: tuple[LimiterReport, ...] = ()
    """What the replicas of the limiter have reported."""
    limiter_hash: str = ""
    """Of the policy that its ConfigMap holds."""
    ways: Ways = field(default_factory=Ways)
    """Ways to server and login past the limiter."""
    volumes: tuple[Child, ...] | None = None
    """Claims of clusters that are taken away (`deletion.claims_wanted`); None where they were not read."""
    senior: str = ""
    """Name of an older instance in the same namespace."""
    mark: str | None = None
    """Name of the instance in the namespace's label, empty without one; None where it cannot be known."""
    test_clock: str = ""
    """How a test moves the contract's time; empty, but in tests."""

    def deployment(self, instance: str, component: str) -> DeploymentState | None:
        """The Deployment of one of an instance's components, where it exists."""
        return self.deployments.get(f"{instance}-{component}")

    def rolling(self, wanted: Container[Ref]) -> frozenset[str]:
        """Names of workloads that are not rolled out; of StatefulSets, those that are still wanted: one that
        never came up must not outlive the wish for it."""
        kept = {
            name: state
            for name, state in self.stateful_sets.items()
            if Ref(STATEFUL_SET.kind, name) in wanted
        }
        found = {**self.deployments, **kept}
        return frozenset(name for name, state in found.items() if not state.rolled_out)

    def is_stranded(self, image: str, component: str, *, failures: int) -> bool:
        """Whether a Job of ours, which keeps the manifest it was made with, is of another operator's image
        and gets nowhere: its pods fail, or cannot start. It is made anew then; one at work is let end."""
        pods = (pod for pod in self.pods if pod.component == component and not pod.finished)
        stuck = failures > 0 or any(pod.problem for pod in pods)
        return stuck and "" != image != self.agent_image != ""


def without_lag(observed: Observed, meta: Meta) -> Observed:
    """Deployments whose controller has not looked at their newest generation yet count as if it had, once
    the status says that this generation of the instance is applied: then the step was none of ours. An
    annotation of somebody else is one too, and must not make an instance that is Ready look otherwise."""
    applied = any(
        get_str(item, "type") == UP_TO_DATE
        and (get_str(item, "status") == "True" or get_str(item, "reason") in WAITING)
        for item in get_list(meta.status, "conditions")
    )
    if not applied or meta.status.get("observedGeneration") != meta.generation:
        return observed
    return replace(
        observed,
        deployments=looked_at(observed.deployments),
        stateful_sets=looked_at(observed.stateful_sets),
    )


def child_of(manifest: Manifest) -> Child:
    """The reduced form of a child's manifest or metadata."""
    metadata = get_map(manifest, "metadata")
    annotations = get_map(metadata, "annotations")
    component = shared(metadata, "labels", LABEL_COMPONENT)
    ours, foreign = owners_of(get_list(metadata, "managedFields"), component)
    owners = get_list(metadata, "ownerReferences")
    return Child(
        ref=Ref(shared(manifest, "kind"), get_str(metadata, "name")),
        uid=get_str(metadata, "uid"),
        resource_version=get_str(metadata, "resourceVersion"),
        component=component,
        applied=get_str(annotations, ANNOTATION_APPLIED),
        owner_uid=shared(owners[0], "uid") if owners else "",
        deleting=bool(metadata.get("deletionTimestamp")),
        generation=get_int(metadata, "generation"),
        ours=ours,
        foreign=foreign,
    )


def instance_of(manifest: Manifest) -> str:
    """Name of the instance that a child belongs to: its owner, else by its label, which others can change."""
    for owner in get_list(manifest, "metadata", "ownerReferences"):
        if get_str(owner, "kind") == KIND and get_str(owner, "apiVersion") == API_VERSION:
            return shared(owner, "name")
    return shared(manifest, "metadata", "labels", LABEL_INSTANCE)


def mark_of(manifest: Manifest) -> str:
    """Name of the instance that a namespace is labelled with, or empty."""
    return get_str(manifest, "metadata", "labels", LABEL_INSTANCE)


def job_of(manifest: Manifest) -> JobState:
    """A Job's progress."""
    conditions = {
        get_str(item, "type"): item
        for item in get_list(manifest, "status", "conditions")
        if get_str(item, "status") == "True"
    }
    return JobState(
        complete="Complete" in conditions,
        failed="Failed" in conditions,
        failures=get_int(manifest, "status", "failed"),
        version=shared(manifest, "metadata", "labels", LABEL_APP_VERSION),
        deleting=bool(get_map(manifest, "metadata").get("deletionTimestamp")),
        image=image_of(manifest),
    )


def pod_of(manifest: Manifest) -> PodState:
    """A pod as far as the plan asks."""
    status = get_map(manifest, "status")
    found = [item for item in get_list(status, "conditions") if get_str(item, "type") == "Ready"]
    ready = next((item for item in found if get_str(item, "status") == "True"), None)
    return PodState(
        name=get_str(manifest, "metadata", "name"),
        component=shared(manifest, "metadata", "labels", LABEL_COMPONENT),
        node=shared(manifest, "spec", "nodeName"),
        ready=ready is not None,
        finished=get_str(status, "phase") in ("Succeeded", "Failed"),
        deleting=bool(get_map(manifest, "metadata").get("deletionTimestamp")),
        problem=_pod_problem(status),
        ready_since=parse_time(get_str(ready, "lastTransitionTime")),
        address=get_str(status, "podIP"),
    )


def server_of(manifest: Manifest, labels: PodLabels) -> tuple[str, PodState, str]:
    """The instance that a pod of a database belongs to, empty: none of ours; the pod, and its cluster."""
    found = get_map(manifest, "metadata", "labels")
    pod = replace(
        pod_of(manifest), component=COMPONENT, primary=get_str(found, labels.role) in labels.primaries
    )
    cluster = shared(found, labels.cluster)
    return instance_of_cluster(cluster), pod, cluster


def node_of(manifest: Manifest) -> Node:
    """A node: its zone, its size, its place, and whether pods can go there."""
    ready = any(
        get_str(item, "type") == "Ready" and get_str(item, "status") == "True"
        for item in get_list(manifest, "status", "conditions")
    )
    return Node(
        name=get_str(manifest, "metadata", "name"),
        zone=get_str(manifest, "metadata", "labels", ZONE_LABEL),
        schedulable=ready and get_map(manifest, "spec").get("unschedulable") is not True,
        cpu=parse_quantity(get_str(manifest, "status", "capacity", "cpu")) or Decimal(),
        memory=parse_quantity(get_str(manifest, "status", "capacity", "memory")) or Decimal(),
        place=sys.intern(
            place_of_node(
                get_str(manifest, "spec", "providerID"),
                get_str(manifest, "metadata", "labels", REGION_LABEL),
            )
        ),
    )


def _pod_problem(status: Manifest) -> str:
    """Why a container does not run, in the words of the kubelet; empty where nothing is known to be wrong."""
    for item in (*get_list(status, "initContainerStatuses"), *get_list(status, "containerStatuses")):
        waiting = get_str(item, "state", "waiting", "reason")
        if waiting and waiting not in ("PodInitializing", "ContainerCreating"):
            return f"{get_str(item, 'name')}: {waiting}"
        code = get_int(item, "state", "terminated", "exitCode")
        if code:
            return f"{get_str(item, 'name')}: exit code {code}"
    for item in get_list(status, "conditions"):
        if get_str(item, "type") == "PodScheduled" and get_str(item, "status") == "False":
            return f"not scheduled: {get_str(item, 'message')[:200]}"
    return ""
