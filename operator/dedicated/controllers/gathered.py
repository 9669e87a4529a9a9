"""What the informers' entries of one instance come to, gathered for a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dedicated.api.objects import Ref
from dedicated.contract.facts import Fact
from dedicated.contract.limiter_report import Report
from dedicated.contract.reading import Reading
from dedicated.contract.records import Record
from dedicated.contract.recovery.escrow import Attempt
from dedicated.contract.recovery.proof import Verdict
from dedicated.controllers.informers import Entry
from dedicated.parts import escrow, recovery_agent, schema
from dedicated.parts.database.engine import EngineState
from dedicated.parts.edge.entry import EdgeState
from dedicated.parts.keys import Identity
from dedicated.parts.measured import KeptMonth
from dedicated.parts.recovery_agent import Kept
from dedicated.parts.schema import JobState
from dedicated.reconcile.asked import Asked, ExportOrder, Order, RestoreOrder
from dedicated.reconcile.observed import Child, PodState
from dedicated.reconcile.rollouts import DeploymentState


@dataclass(slots=True)
class Gathered:
    """An instance's children, and what each of them tells beside its metadata."""

    children: dict[Ref, Child] = field(default_factory=dict)
    deployments: dict[str, DeploymentState] = field(default_factory=dict)
    stateful_sets: dict[str, DeploymentState] = field(default_factory=dict)
    jobs: dict[str, JobState] = field(default_factory=dict)
    tasks: dict[str, JobState] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    escrowing: list[Attempt] = field(default_factory=list)
    export_report: str = ""
    import_report: str = ""
    limiter_hash: str = ""
    identity: Identity | None = None

    def add(self, ref: Ref, entry: Entry) -> None:
        """One more."""
        self.children[ref] = entry.child
        # The agent's own holds up nothing: whether it runs is told by what it reports.
        if entry.deployment is not None and entry.child.component != recovery_agent.COMPONENT:
            self.deployments[ref.name] = entry.deployment
        elif entry.stateful_set is not None:
            self.stateful_sets[ref.name] = entry.stateful_set
        elif entry.job is not None:
            (self.jobs if entry.child.component == schema.COMPONENT else self.tasks)[ref.name] = entry.job
        elif entry.verdict is not None:
            self.verdicts[entry.verdict.restore] = entry.verdict
        elif entry.escrowing is not None:
            self.escrowing.append(entry.escrowing)
        elif entry.limiter_hash:
            self.limiter_hash = entry.limiter_hash
        elif entry.import_report:
            self.import_report = entry.import_report
        elif entry.export_report:
            self.export_report = entry.export_report
        elif entry.identity is not None:
            self.identity = entry.identity


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the informers know of one instance's namespace."""

    children: Mapping[Ref, Child]
    deployments: Mapping[str, DeploymentState]
    stateful_sets: Mapping[str, DeploymentState]
    jobs: Mapping[str, JobState]
    pods: tuple[PodState, ...]
    identity: Identity | None
    deleted: Mapping[Ref, str]
    records: tuple[Record, ...]
    facts: tuple[Fact, ...]
    asked: tuple[Asked, ...]
    readings: tuple[Reading, ...]
    months: tuple[KeptMonth, ...]
    orders: tuple[Order, ...]
    engine: EngineState
    edge: EdgeState
    recovery: Kept | None
    restores: tuple[RestoreOrder, ...]
    tasks: Mapping[str, JobState]
    verdicts: Mapping[str, Verdict]
    escrowed: escrow.Kept | None
    escrowing: tuple[Attempt, ...]
    exports: tuple[ExportOrder, ...]
    export_report: str
    import_report: str
    limiter: tuple[Report, ...]
    limiter_hash: str
