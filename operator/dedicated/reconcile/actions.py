"""What a plan can ask for. Each action is idempotent, so that a pass may be cut off between any two."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import LABEL_INSTANCE, MAINTENANCE_KIND
from dedicated.api.objects import ROLE, ROLE_BINDING, SECRET, Ref, ref_of
from dedicated.api.record import Gate
from dedicated.contract.dates import Month
from dedicated.contract.records import Record, Statement
from dedicated.contract.runs import Standing
from dedicated.reconcile.drift import Path
from dedicated.reconcile.observed import Child

Settled: TypeAlias = dict[Ref, tuple[str, str]]
"""Children found as they should be: the resourceVersion looked at, and the hash of the manifest wanted."""


@dataclass(frozen=True, slots=True)
class SetFinalizers:
    """Write the instance's whole list of finalizers, on the resourceVersion it was read at."""

    finalizers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EstablishIdentity:
    """Create the masterkey where none is brought along, then the identity with its fingerprint."""


@dataclass(frozen=True, slots=True)
class MarkNamespace:
    """Write `instance` into the namespace's label; empty: take off the label that says `was`."""

    instance: str = ""
    was: str = ""

    def __str__(self) -> str:
        return f"label {LABEL_INSTANCE}={self.instance or self.was} of the namespace"


@dataclass(frozen=True, slots=True)
class CreateKeyPair:
    """Create a system user's key pair once."""

    suffix: str

    def __str__(self) -> str:
        return f"the Secret of {self.suffix}"


@dataclass(frozen=True, slots=True)
class CreatePeers:
    """Create the Secret of this name for the link between a limiter's replicas once; `before` is the one in
    force until then, empty: none."""

    name: str
    before: str = ""

    def __str__(self) -> str:
        return f"{SECRET.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class CreateAdmin:
    """Create the first administrator's password once."""

    def __str__(self) -> str:
        return "the Secret of the first administrator"


@dataclass(frozen=True, slots=True)
class CreateMonitor:
    """Create the recovery agent's password for the database once, in the Secret of this name."""

    secret: str

    def __str__(self) -> str:
        return f"{SECRET.kind}/{self.secret}"


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of a whole manifest.

    `seen`: the child that was judged, and the only state of it that may be written over; None where nothing
    of that name is known, so that an object that others made there is not taken over. It makes no difference
    between two actions: the same manifest again is the same action.
    `remove`: fields that others added, to be taken out after the apply.
    `record`: the fact that is repaired, to be kept before: afterwards nobody can tell it.
    """

    manifest: Manifest
    seen: Child | None = field(default=None, compare=False)
    remove: tuple[Path, ...] = ()
    record: Record | None = None

    @property
    def fresh(self) -> bool:
        """Whether it is to be a new object."""
        return self.seen is None

    @property
    def ref(self) -> Ref:
        """The object applied."""
        return ref_of(self.manifest)

    @property
    def namespace(self) -> str:
        """Where it is applied."""
        return get_str(self.manifest, "metadata", "namespace")


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly the object seen (its uid), in the background; with a finalizer of its engine's first, by
    which its volumes go too."""

    ref: Ref
    uid: str
    finalizer: str = ""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Take our label and our owner reference off the object seen: it belongs to nobody, and stays."""

    seen: Child


@dataclass(frozen=True, slots=True)
class RecordFact:
    """Create a record of the operator's; one of that name that is there stays as it is."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class Ask:
    """Create a `Maintenance`, an engine's backup or a part of an export; one of that name that is there stays
    as it is."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Tell:
    """Write the status of a `Maintenance` or another order, whole: what it does not name goes."""

    name: str
    status: Manifest
    kind: str = MAINTENANCE_KIND


@dataclass(frozen=True, slots=True)
class RollUp:
    """Make the records of months that are over one record each, and take them away."""

    months: tuple[Month, ...]
    zone: str


Action: TypeAlias = (
    SetFinalizers
    | MarkNamespace
    | EstablishIdentity
    | CreateKeyPair
    | CreateAdmin
    | CreateMonitor
    | CreatePeers
    | Apply
    | Delete
    | HandOver
    | RecordFact
    | Ask
    | Tell
    | RollUp
)


@dataclass(frozen=True, slots=True)
class EventNote:
    """An event on the instance."""

    kind: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


TurnStage = Literal["", "Rolling", "Proving", "Over"]
"""How far an instance is that has its turn: rolled out next, then proven by its public name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The outcome of one pass. Stages run one after the other, the actions of a stage at once.

    `status` is None where there is nothing to tell (the object is going). `probe` is the public name to
    read, where there is a service to ask; `rolling` asks for readings more often. `pending` are children
    that wait for the instance's turn (see `turns`), None where that was not judged; `turn` is how far its
    own is; `announced` says that the status must be told before anything is done. `proving`: all is rolled
    out, and a run waits for its public name to be read. `standing` are the manifests that the children were
    made with, where nothing is left to do: a full audit compares with them. `requests` are those of
    maintenance, `gates` what the gates answer to the one whose turn it is.
    """

    stages: tuple[tuple[Action, ...], ...] = ()
    status: Manifest | None = None
    events: tuple[EventNote, ...] = ()
    wake_at: datetime | None = None
    probe: str | None = None
    rolling: bool = False
    settled: Settled = field(default_factory=dict)
    pending: tuple[Ref, ...] | None = None
    turn: TurnStage = ""
    announced: bool = False
    proving: bool = False
    standing: tuple[Manifest, ...] = ()
    requests: tuple[Standing, ...] = ()
    gates: tuple[Gate, ...] = ()

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions in order."""
        return tuple(action for stage in self.stages for action in stage)


def roles_first(stages: Iterable[tuple[Action, ...]]) -> tuple[tuple[Action, ...], ...]:
    """The stages, with a binding in a stage behind that of its role: the API server looks at the role's rules
    before it takes a binding, and answers 404 where there is none yet."""
    return tuple(part for stage in stages for part in _split(stage))


def _split(stage: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    applied = [action.ref for action in stage if isinstance(action, Apply)]
    roles = {ref.name for ref in applied if ref.kind == ROLE.kind}
    behind = tuple(
        action
        for action in stage
        if isinstance(action, Apply) and action.ref.kind == ROLE_BINDING.kind and action.ref.name in roles
    )
    yield tuple(action for action in stage if action not in behind)
    if behind:
        yield behind
