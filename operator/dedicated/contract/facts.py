"""The facts of the contract (contract.md section 16): what a person or the operator recorded, as values.

Every clock, month, void interval and gate is computed from these and the time, never stored (K-6). A fact's
time is the API server's time of its record (K-7), and `name` is the record's. Facts may come in any order:
they are sorted by time, and within one second what withholds stands behind what permits, so that it is the
later word. Here nothing is judged; a fact about a request that nobody notified has no effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from dedicated.api.record import Gate
from dedicated.contract.calendar import Slot
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn
from dedicated.contract.transfer.imported import Imported

Kind = Literal["Regular", "Security", "Performance"]
Word = Literal["Permitted", "Refused", "Withdrawn", "Blocked"]
Stage = Literal["Started", "Completed", "Failed"]
StretchWord = Literal["NotMeasured", "FailedOver", "ForceMajeure"]
Step = Literal["Escalated", "TerminationNotice", "TerminationWithdrawn", "Waiver"]


@dataclass(frozen=True, slots=True)
class Notified:
    """A maintenance is asked for and visible to the customer. Security and Performance are emergencies (M-6).

    `duration` is the slot it needs; `supersedes` an earlier request that this one contains.
    """

    name: str
    at: datetime
    by: str
    request: str
    kind: Kind
    duration: timedelta
    reference: str = ""
    changes: tuple[str, ...] = ()
    downtime: timedelta = timedelta(0)
    supersedes: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The notice of a request reached the agreed channel for the first time (M-6)."""

    name: str
    at: datetime
    by: str
    request: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The customer's word on a request (M-13). Withdrawn takes a permission back.

    A permission names its slot; with `any_time` the run may start anywhere in it. Blocked is the provider's
    evidence that the customer's infrastructure let nobody in (M-1).
    """

    name: str
    at: datetime
    by: str
    request: str
    word: Word
    slot: Slot | None = None
    any_time: bool = False

    def __post_init__(self) -> None:
        if (self.word == "Permitted") != (self.slot is not None):
            raise ValueError(f"record {self.name}: a permission, and nothing else, names a slot")


@dataclass(frozen=True, slots=True)
class Run:
    """A request was started, completed, or failed.

    A start has the `version` that it brings and the `gates` as they answered, a failure its `reason`.
    """

    name: str
    at: datetime
    by: str
    request: str
    stage: Stage
    version: str = ""
    gates: tuple[Gate, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retracted:
    """The provider takes a request back."""

    name: str
    at: datetime
    by: str
    request: str


@dataclass(frozen=True, slots=True)
class Act:
    """The provider's step in an issue (M-8 to M-10); `reference` is the ticket or letter."""

    name: str
    at: datetime
    by: str
    issue: str
    step: Step
    reference: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStarted:
    """The instance was Ready for the first time: the contract's months begin."""

    name: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """A written agreement on a clause's value (K-9), from `valid_from` until before `valid_until`."""

    name: str
    at: datetime
    by: str
    clause: str
    value: str
    reference: str
    valid_from: datetime
    valid_until: datetime | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether it holds: never before it was recorded."""
        started = max(self.at, self.valid_from) <= now
        return started and (self.valid_until is None or now < self.valid_until)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch in which nothing was measured, in which the database failed over (B-5), or which nobody
    answers for (A-5), until before its end."""

    name: str
    at: datetime
    by: str
    word: StretchWord
    start: datetime
    end: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Grantee:
    """Who is instructed; `namespace` is a ServiceAccount's."""

    kind: Literal["User", "Group", "ServiceAccount"]
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Instructed:
    """The provider's instruction to modify an instance (O-4); `scope` are Kind/name, empty: all objects.

    `valid_from` and `valid_until` are as recorded: see `since` for when it begins.
    """

    name: str
    at: datetime
    by: str
    grantee: Grantee
    scope: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime
    reason: str = ""

    @property
    def since(self) -> datetime:
        """When it begins: never before it was recorded."""
        return max(self.at, self.valid_from)

    def in_force(self, now: datetime) -> bool:
        """Whether it holds."""
        return self.since <= now < self.valid_until


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored database became the instance's (B-4): cluster `cluster` instead of `source`.

    `point` is what it holds at least, and with `exact` at most. `expected` is the estimate by assumed rates.
    `part` is the database whose backups it was made from, empty: `source`. `earliest` and `newest` bound what
    could be restored of `source` when it was replaced.
    """

    name: str
    at: datetime
    by: str
    restore: str
    cluster: str
    source: str
    point: datetime
    exact: bool
    started: datetime
    verified: datetime
    retain: timedelta
    expected: timedelta | None = None
    part: str = ""
    earliest: datetime | None = None
    newest: datetime | None = None
    brought: bool = False
    """Brought back after a disaster: of databases that stood in a cluster that is lost."""

    @property
    def took(self) -> timedelta:
        """How long it was restored and looked at."""
        return self.verified - self.started


@dataclass(frozen=True, slots=True)
class DatabaseRemoved:
    """The cluster with this uid is no longer needed, and may be deleted from then on.

    `restore` is what it was made or replaced by; None where it goes with its instance.
    """

    name: str
    at: datetime
    by: str
    cluster: str
    uid: str
    restore: str | None = None


@dataclass(frozen=True, slots=True)
class Drilled:
    """A restore was tried out in a copy (B-4); `found` are its figures, or what was wrong.

    `took` is how long it was restored, `expected` what had been estimated. `logical`: a dump was imported
    into an empty server and compared instead, and `restore` names its InstanceExport.
    """

    name: str
    at: datetime
    by: str
    restore: str
    passed: bool
    reason: str
    found: str
    started: datetime
    ended: datetime
    restored_to: datetime | None = None
    shortfall: timedelta | None = None
    events: int | None = None
    newest_event: datetime | None = None
    keys: int = 0
    keys_opened: int = 0
    size: int = 0
    took: timedelta | None = None
    expected: timedelta | None = None
    logical: bool = False


@dataclass(frozen=True, slots=True)
class KeysOpened:
    """A recipient has opened a key bundle and found it whole; `reference` says which."""

    name: str
    at: datetime
    by: str
    reference: str = ""


Fact = (
    Notified | Delivered | Answer | Run | Retracted | Act | ServiceStarted | Agreed | Stretch | Instructed
    | Restored | DatabaseRemoved | Drilled | KeysOpened | DeletionConfirmed | DeletionWithdrawn
    | FinalBackup | Imported | Override | LoadTest | OverrideWithdrawn
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """A maintenance asked for, with all that was recorded about it in order of time.

    `slots` are those that a permission ever named.
    """

    notified: Notified
    delivered: datetime | None = None
    answers: tuple[Answer, ...] = ()
    slots: tuple[Slot, ...] = ()
    runs: tuple[Run, ...] = ()
    starts: tuple[datetime, ...] = ()
    failures: tuple[datetime, ...] = ()
    completed: datetime | None = None
    retracted: datetime | None = None

    @property
    def name(self) -> str:
        """Its own name, by which facts refer to it."""
        return self.notified.request

    @property
    def regular(self) -> bool:
        """Whether it is regular maintenance; else it is an emergency."""
        return self.notified.kind == "Regular"

    def last(self, stage: Stage) -> Run | None:
        """The last record of a stage, or None."""
        return next((run for run in reversed(self.runs) if run.stage == stage), None)


@dataclass(frozen=True, slots=True)
class History:
    """All facts, in order: of time, then of weight, then of name. A request is regular, or an emergency."""

    facts: tuple[Fact, ...]
    requests: tuple[Request, ...]
    regular: tuple[Request, ...]
    emergencies: tuple[Request, ...]
    acts: tuple[Act, ...]
    service_start: datetime | None

    def before(self, instant: datetime) -> "History":
        """The history as it stood just before an instant."""
        if not self.facts or self.facts[-1].at < instant:
            return self
        return history(fact for fact in self.facts if fact.at < instant)


def history(facts: Iterable[Fact]) -> History:
    """The facts in order; one record counts once, however often it comes."""
    ordered = tuple(sorted({fact.name: fact for fact in facts}.values(), key=_order))
    about: dict[str, list[Fact]] = {}
    for fact in ordered:
        if isinstance(fact, Notified | Delivered | Answer | Run | Retracted):
            about.setdefault(fact.request, []).append(fact)
    found = [request for facts_of in about.values() if (request := _request(facts_of)) is not None]
    requests = tuple(sorted(found, key=lambda request: (request.notified.at, request.name)))
    return History(
        facts=ordered,
        requests=requests,
        regular=tuple(request for request in requests if request.regular),
        emergencies=tuple(request for request in requests if not request.regular),
        acts=tuple(fact for fact in ordered if isinstance(fact, Act)),
        service_start=next((fact.at for fact in ordered if isinstance(fact, ServiceStarted)), None),
    )


def _order(fact: Fact) -> tuple[datetime, bool, str]:
    """Refused, Withdrawn and Blocked are the last word of their second."""
    return (fact.at, isinstance(fact, Answer) and fact.word != "Permitted", fact.name)


def _request(facts: list[Fact]) -> Request | None:
    # The first notice is the notice: a reminder never restarts a clock (M-6).
    notified = next((fact for fact in facts if isinstance(fact, Notified)), None)
    if notified is None:
        return None
    runs = [fact for fact in facts if isinstance(fact, Run)]
    answers = tuple(fact for fact in facts if isinstance(fact, Answer))
    return Request(
        notified=notified,
        delivered=next((fact.at for fact in facts if isinstance(fact, Delivered)), None),
        answers=answers,
        slots=tuple(answer.slot for answer in answers if answer.slot),
        runs=tuple(runs),
        starts=tuple(run.at for run in runs if run.stage == "Started"),
        failures=tuple(run.at for run in runs if run.stage == "Failed"),
        completed=next((run.at for run in runs if run.stage == "Completed"), None),
        retracted=next((fact.at for fact in facts if isinstance(fact, Retracted)), None),
    )
