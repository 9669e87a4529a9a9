"""Whose turn it is to take the changes that a new version of the operator asks for: one instance at a time.

Problem: a new operator, or a new release catalogue, renders other manifests for instances whose users
changed nothing; applied at sight, they roll a whole fleet at once. Choice: such changes wait. They are told
in each instance's status, then one instance takes them, and the next one begins when it is rolled out and its
public name answers. One that does not come back keeps the others as they are.

A change is the operator's where the status of the same generation is known, nothing of it was under way, and
the server stands. What a user asks for (another spec, a rotated Secret) runs at once and takes waiting
changes along; drift of children whose manifest stays is repaired as ever. The seam for maintenance slots is
`next_in_line`: whom it does not name, waits.
Limits: what is missing is made at once (it may have been deleted while nobody looked, and nothing uses yet
what a new version adds), but for Jobs and NetworkPolicies, which act by being there. Drift of a child that
waits is repaired with its turn, unless somebody takes a field of a Deployment while this operator looks on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dedicated.api.conditions import (
    AVAILABLE,
    UP_TO_DATE,
    UPGRADE_RUNNING,
    UPGRADE_UNPROVEN,
    condition_in,
)
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import ANNOTATION_APPLIED
from dedicated.api.objects import CONFIG_MAP, DEPLOYMENT, JOB, NETWORK_POLICY, SECRET, STATEFUL_SET, Key, Ref
from dedicated.api.resource import Instance
from dedicated.parts import server
from dedicated.reconcile.actions import Action, Apply
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.limiting import is_run_time
from dedicated.reconcile.observed import Observed, ServiceReading

UNDER_WAY = frozenset({"RollingOut", "Progressing", "SchemaJobFailing"})
"""Reasons of `UpToDate` that tell of a change of this generation that had begun: it goes on."""
ACTING = frozenset({JOB.kind, NETWORK_POLICY.kind})
"""Kinds that change something by being made."""
WORKLOADS = frozenset({DEPLOYMENT.kind, STATEFUL_SET.kind})
ROLLING = frozenset({JOB.kind}) | WORKLOADS
"""Kinds of which a change leads to new pods."""
PATIENCE = timedelta(minutes=10)
"""A turn that lasts longer is told to those who wait."""
DATABASE = Ref("", "database")
"""Stands for the content of the database Secret among the causes."""
NAMED = 5
"""Objects named in a message."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What an instance may do in one pass with changes that are the operator's.

    `before` is how many instances were before it when all were counted, None until then; `held_by` tells of a
    turn that lasts longer than `PATIENCE`. `since` is the begin of its own turn, RFC 3339; `heard` says that
    its public name was read since the rollout ended.
    """

    state: Literal["Free", "Waiting", "Running"] = "Free"
    before: int | None = None
    held_by: str = ""
    since: str = ""
    heard: bool = False


FREE = Turn()
"""Nothing waits: whatever differs is applied."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An instance in the line.

    `resumes`: it had its turn when an operator ended. `answers`: its public name does, as its status has it.
    `heard`: this operator has read it, or there is none to read. `told`: its status says what waits.
    """

    objects: tuple[Ref, ...]
    resumes: bool = False
    answers: bool = True
    heard: bool = True
    told: bool = False

    @property
    def may_begin(self) -> bool:
        """Whether people know, and the operator knows what to compare with."""
        return self.told and self.heard


def in_order(waiting: Mapping[Key, Waiting]) -> list[Key]:
    """The line. One that answers goes before one that does not: only there it shows whether it came back."""
    return sorted(waiting, key=lambda key: (not waiting[key].resumes, not waiting[key].answers, key))


def next_in_line(waiting: Mapping[Key, Waiting]) -> Key | None:
    """Who may begin now that nobody else has the turn; None where nobody may yet."""
    resuming = {key: item for key, item in waiting.items() if item.resumes}
    return next((key for key in in_order(resuming or waiting) if waiting[key].may_begin), None)


def reason_of(status: Manifest) -> str:
    """Why the instance is up to date or not, as its status has it; empty where it has none."""
    return get_str(condition_in(status, UP_TO_DATE), "reason")


def answers_now(status: Manifest) -> bool:
    """Whether the public name answers, as the status has it."""
    return get_str(condition_in(status, AVAILABLE), "status") == "True"


def has_begun(status: Manifest) -> bool:
    """Whether the instance has its turn, as its status has it."""
    return reason_of(status) in (UPGRADE_RUNNING, UPGRADE_UNPROVEN)


def answer_expected(status: Manifest, service: ServiceReading | None) -> bool:
    """Whether the public name answers, or did when the turn began or since: then it has to again.

    One that failed since before the change began cannot show anything, and is not waited for. Which of both
    it is stays in the status, as a reason: the times of two conditions may be those of two clocks.
    """
    return reason_of(status) == UPGRADE_RUNNING or (service is not None and service.ok)


def caused_by_operator(
    instance: Instance, observed: Observed, desired: Desired, actions: Iterable[Action]
) -> tuple[Ref, ...]:
    """Children that change because the operator is another one; empty where something else asks for it."""
    return changing(observed, desired, actions) if stood(instance, observed) else ()


def changing(observed: Observed, desired: Desired, actions: Iterable[Action]) -> tuple[Ref, ...]:
    """Children that change, repair of drift apart, and what follows behind a gate."""
    applied = [
        action for action in actions if isinstance(action, Apply) and not is_run_time(action, observed)
    ]
    found = {action.ref for action in applied if _acts(action, observed)}
    if any(ref.kind in ROLLING for ref in found):
        # What comes with new pods: the configuration they read, and what follows behind a gate.
        new = {action.ref for action in applied if action.ref not in observed.children}
        found |= {ref for ref in new if ref.kind == CONFIG_MAP.kind} | desired.untouched
    return tuple(sorted(found))


def causes(observed: Observed) -> dict[Ref, str]:
    """What may ask for a change beside spec and operator: credentials, keys, a hand on a Deployment."""
    found = {
        ref: child.uid if ref.kind == SECRET.kind else child.ours
        for ref, child in observed.children.items()
        if ref.kind == SECRET.kind or ref.kind in WORKLOADS
    }
    return {**found, DATABASE: observed.database.mark}


def is_urgent(before: Mapping[Ref, str], now: Mapping[Ref, str], *, pending: tuple[Ref, ...]) -> bool:
    """Whether one of the causes moved since the first look, so that what is `pending` must not wait.

    What was or is not known is no move. A Deployment that does not wait itself is repaired as it is, and so
    are all where a Job is pending: then the operator's own repair moves them.
    """
    repaired = any(ref.kind == JOB.kind for ref in pending)
    return any(
        value and now.get(ref, "") not in ("", value)
        for ref, value in before.items()
        if ref.kind not in WORKLOADS or (ref in pending and not repaired)
    )


def stood(instance: Instance, observed: Observed) -> bool:
    """Whether this generation was seen before, nothing of it was under way, and there is a server to roll."""
    status = instance.meta.status
    return (
        status.get("observedGeneration") == instance.meta.generation
        and reason_of(status) not in ("", *UNDER_WAY)
        and observed.deployment(instance.name, server.COMPONENT) is not None
    )


def listed(refs: Sequence[Ref]) -> str:
    """Objects in a message: the first ones by name, and how many more."""
    named = ", ".join(str(ref) for ref in refs[:NAMED])
    return f"{named} and {len(refs) - NAMED} more" if len(refs) > NAMED else named


def words(turn: Turn, pending: tuple[Ref, ...]) -> str:
    """What the status says of changes that wait."""
    count = f"{len(pending)} object{'s' if len(pending) > 1 else ''} ({listed(pending)})"
    place = "" if turn.before is None else f"; {turn.before} were before it when all were counted"
    held = f"; {turn.held_by}" if turn.held_by else ""
    return f"this operator changes {count}, and one instance after the other{place}{held}"


def running_words(turn: Turn, progress: str, *, expected: bool) -> str:
    """What the status says of changes that run; `expected` as `answer_expected` has it."""
    done = progress or "rolled out, its public name is read"
    unproven = "" if expected else "; its public name failed before and is not waited for"
    told = f"this operator's changes run since {turn.since}, and other instances wait for them: {done}"
    return told + unproven


def _acts(action: Apply, observed: Observed) -> bool:
    """Whether an apply is more than a repair."""
    child = observed.children.get(action.ref)
    if child is None:
        return action.ref.kind in ACTING and action.ref not in observed.deleted
    mark = get_str(action.manifest, "metadata", "annotations", ANNOTATION_APPLIED)
    return child.applied != mark and ANNOTATION_APPLIED in child.ours
