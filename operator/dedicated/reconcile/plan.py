"""`plan(instance, observed, now) -> Plan`: the whole decision of one pass, and nothing else.

No I/O, no clock, no environment, no randomness: the same input gives the same plan, so that every promise
can be tested without a cluster.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import (
    MAINTENANCE_PENDING,
    MAINTENANCE_RUNNING,
    UPGRADE_PENDING,
    UPGRADE_RUNNING,
    UPGRADE_UNPROVEN,
)
from dedicated.api.json import JsonValue
from dedicated.api.names import FINALIZER
from dedicated.api.objects import SECRET, Ref, ref_of
from dedicated.api.resource import Instance, InvalidInstance, Meta
from dedicated.contract.dates import earliest
from dedicated.contract.transfer.importing import imported
from dedicated.parts import keys, schema
from dedicated.parts.database.engines import adapter_of
from dedicated.reconcile import escrow, exports, service_level, turns
from dedicated.reconcile.actions import (
    Action,
    CreateAdmin,
    CreateKeyPair,
    CreateMonitor,
    CreatePeers,
    Delete,
    EstablishIdentity,
    MarkNamespace,
    Plan,
    RecordFact,
    SetFinalizers,
    Settled,
    Tell,
    TurnStage,
    roles_first,
)
from dedicated.reconcile.backups import backups
from dedicated.reconcile.beside import beside
from dedicated.reconcile.changes import Changes, instructed, together
from dedicated.reconcile.deletion import plan_deletion
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.drills import drilling
from dedicated.reconcile.holding import Doing, Sight, doing
from dedicated.reconcile.instance_backups import orders
from dedicated.reconcile.judgement import Judgement, judge, judge_invalid, serving_version
from dedicated.reconcile.observed import Observed, without_lag
from dedicated.reconcile.pending import announced_ones, asking, pending_words, waiting_for_slot
from dedicated.reconcile.recording import records_wanted
from dedicated.reconcile.restore_steps import standing_beside, steps
from dedicated.reconcile.restores import Course, Scene, courses
from dedicated.reconcile.status import NOTHING, Facts, Progress, is_served, render, render_invalid
from dedicated.reconcile.transitions import events
from dedicated.reconcile.turns import FREE, Turn
from dedicated.reconcile.upkeep import Upkeep, conclusion, upkeep


def plan(
    instance: Instance | InvalidInstance,
    observed: Observed,
    *,
    catalogue: Catalogue,
    now: datetime,
    settled: Settled,
    turn: Turn = FREE,
    proven: bool = False,
) -> Plan:
    """Decide one pass. `settled` is the previous plan's, empty after a start; `now` is timezone-aware.

    `turn` says what may be done with changes that only a new operator asks for; `proven` that the public name
    was read since the plan said `proving`.
    """
    if instance.meta.deleting:
        return plan_deletion(instance, observed, catalogue=catalogue, now=now)
    if isinstance(instance, InvalidInstance):
        status = render_invalid(instance.meta, judge_invalid(instance), observed, now=now)
        return Plan(status=status, events=events(instance.meta, status, ()))
    observed = without_lag(observed, instance.meta)
    judgement = judge(instance, observed, catalogue, now=now)
    on = upkeep(instance, observed, judgement, catalogue, now=now)
    judgement = replace(judgement, findings=(*judgement.findings, *on.findings))
    sight = Sight(instance, observed, judgement, catalogue, settled, now)
    own = instructed(instance, observed, settled=settled, now=now)
    if judgement.wanted is None or judgement.holding is not None:
        return _held(sight, on, own, turn)
    made = (*judgement.arrival.manifests, *beside(*_restores(sight)))
    sight = replace(sight, beside=frozenset(map(ref_of, made)))
    done = doing(sight, on, turn)
    again = judgement.arrival.replaced
    stood = standing_beside(instance, observed, made, again, settled=settled, now=now)
    return _decided(sight, on, done, together(own, stood), turn, proven=proven)


def _restores(sight: Sight, *, rolled: bool = False) -> tuple[Scene, tuple[Course, ...]]:
    """The restores, as they are known before or after it is known whether all is rolled out."""
    wanted = (sight.running or sight.wanted) if sight.judgement.wanted else None
    scene = Scene(sight.instance, sight.observed, sight.judgement, wanted, sight.now, rolled)
    return scene, courses(scene)


def _decided(
    sight: Sight, on: Upkeep, done: Doing, own: Changes, turn: Turn, *, proven: bool
) -> Plan:
    """What is done and told about what differs. `own` is what is no part of what was specified."""
    instance, observed, judgement = sight.instance, sight.observed, sight.judgement
    found = together(done.found, own)
    progress = _progress(judgement, done.desired, observed, found)
    rolled = not (progress.waiting or done.found.actions)
    restores = _restores(sight, rolled=rolled)
    restoring, drills = steps(*restores), drilling(*restores, on.current)
    judgement = replace(judgement, findings=(*judgement.findings, *restoring.findings))
    done = replace(done, found=found)
    stage = _stage(instance, observed, turn, busy=bool(progress.waiting or found.actions))
    later = waiting_for_slot(sight, on, done.later)
    upgrade = NOTHING
    if stage != "Over":
        upgrade = _upgrade(instance.meta, observed, turn, done.pending, progress)
    upgrade = _in_slot(on, done, progress, later) or upgrade
    facts = Facts(judgement, observed, progress, upgrade, later, restoring.status, rolled)
    status, wake_at = render(instance, facts, now=sight.now)
    stages = _stages(instance, observed, found.actions, judgement.limiting.creates)
    records, records_at = records_wanted(
        instance, observed, status, zone=judgement.obligations.terms.zone, now=sight.now
    )
    recorded = _concluded(sight, on, done, busy=progress.waiting, proven=proven)
    protecting = _protecting(sight, on)
    asked = asking(sight, on, done.later)
    arrived = _arrived(instance, judgement)
    after = (*arrived, *recorded, *records, *drills.stages, *restoring.stages, *asked, *protecting.stages)
    return Plan(
        stages=(*stages, *_marking(instance.meta, observed), *after, *_keeping(sight)),
        status=status,
        events=events(instance.meta, status, found.mended),
        wake_at=earliest(
            wake_at, on.wake_at, records_at, protecting.wake_at, restoring.wake_at, drills.wake_at,
            judgement.arrival.wake_at, judgement.limiting.wake_at,
        ),
        probe=_probe(instance, observed),
        rolling=bool(progress.waiting) or turn.state == "Running" or _runs(on),
        settled=found.settled,
        pending=done.pending,
        turn=stage,
        announced=turn.state == "Running" and not turns.has_begun(instance.meta.status),
        proving=_runs(on) and not (progress.waiting or found.actions),
        standing=() if stages or after else found.standing,
        requests=on.standings,
        gates=on.gates,
    )


def _arrived(instance: Instance, judgement: Judgement) -> tuple[tuple[Action, ...], ...]:
    """The record that the instance has what it was to begin with: all else of it follows from that."""
    fact = judgement.arrival.fact
    return ((RecordFact(imported(instance.name, fact)),),) if fact else ()


def _runs(on: Upkeep) -> bool:
    return on.current is not None and on.current.phase == "Running"


def _in_slot(on: Upkeep, done: Doing, progress: Progress, later: tuple[JsonValue, ...]) -> Progress | None:
    """What `UpToDate` says of changes that wait for a slot, or run in theirs; None where there are none.

    An edit of the spec that runs meanwhile is told as ever.
    """
    if on.mode == "Running" and on.current is not None and (progress.waiting or done.found.actions):
        text = f"{on.current.request.name} runs: {progress.waiting or 'changes are being applied'}"
        return Progress(waiting=text, reason=MAINTENANCE_RUNNING)
    if later and (done.whole or not progress.waiting):
        return Progress(waiting=pending_words(later), reason=MAINTENANCE_PENDING)
    return None


def _concluded(
    sight: Sight, on: Upkeep, done: Doing, *, busy: str, proven: bool
) -> tuple[tuple[Action, ...], ...]:
    """The record that the run has come to, if it has come to one. What is done in this pass is seen first."""
    if _runs(on) and done.found.actions:
        return ()
    statement = conclusion(
        sight.instance,
        sight.observed,
        on,
        busy=busy,
        waiting=on.mode == "Waits" and bool(announced_ones(on, done.later)),
        proven=proven,
        now=sight.now,
    )
    return ((RecordFact(statement),),) if statement is not None else ()


def _stage(instance: Instance, observed: Observed, turn: Turn, *, busy: bool) -> TurnStage:
    """How far the instance's turn is. It is over when the public name was read well after the rollout, as far
    as that can be."""
    if turn.state != "Running":
        return ""
    if busy:
        return "Rolling"
    reading = observed.service
    well = reading is not None and reading.ok and turn.heard
    expected = is_served(instance, observed) and turns.answer_expected(instance.meta.status, reading)
    return "Over" if well or not expected else "Proving"


def _upgrade(
    meta: Meta, observed: Observed, turn: Turn, pending: tuple[Ref, ...], progress: Progress
) -> Progress:
    """What the status says of the operator's own changes."""
    if turn.state == "Running":
        expected = turns.answer_expected(meta.status, observed.service)
        text = turns.running_words(turn, progress.waiting, expected=expected)
        return Progress(waiting=text, reason=UPGRADE_RUNNING if expected else UPGRADE_UNPROVEN)
    if turn.state == "Waiting" and turns.has_begun(meta.status):
        kept = turns.reason_of(meta.status)
        return Progress(waiting="its turn goes on when all instances are counted", reason=kept)
    return Progress(waiting=turns.words(turn, pending), reason=UPGRADE_PENDING) if pending else NOTHING


def _held(sight: Sight, on: Upkeep, own: Changes, turn: Turn) -> Plan:
    """Nothing is built or changed; what runs goes on and is watched. An instruction that is over ends."""
    instance, observed, judgement = sight.instance, sight.observed, sight.judgement
    ended = tuple(action for action in own.actions if isinstance(action, Delete))
    marking = _marking(instance.meta, observed) if judgement.installed else ()
    held = judgement.holding
    waiting = f"{held.message}. {held.responsible}: {held.action}" if held and not judgement.stalled else ""
    progress = Progress(waiting=waiting, reason=held.code if held else "Held")
    words = Progress(waiting or (held.message if held else ""), "")
    upgrade = _upgrade(instance.meta, observed, turn, (), words)
    protecting = _protecting(sight, on)
    restoring = steps(*_restores(sight))
    judgement = replace(judgement, findings=(*judgement.findings, *restoring.findings))
    told = tuple(
        action for stage in restoring.stages for action in stage if isinstance(action, Tell)
    )
    facts = Facts(judgement, observed, progress, upgrade, restore=restoring.status)
    status, wake_at = render(instance, facts, now=sight.now)
    return Plan(
        stages=(
            *_stages(instance, observed, None),
            *((ended,) if ended else ()),
            *marking,
            *asking(sight, on, ()),
            *((told,) if told else ()),
            *protecting.stages,
            *_keeping(sight),
        ),
        status=status,
        events=events(instance.meta, status, ()),
        wake_at=earliest(wake_at, on.wake_at, protecting.wake_at, restoring.wake_at),
        probe=_probe(instance, observed),
        requests=on.standings,
        gates=on.gates,
    )


def _stages(
    instance: Instance,
    observed: Observed,
    actions: tuple[Action, ...] | None,
    peers: tuple[CreatePeers, ...] = (),
) -> tuple[tuple[Action, ...], ...]:
    """The finalizer before anything, the identity before any other key, keys before their users.

    `actions` is None where nothing may be built.
    """
    stages: list[tuple[Action, ...]] = []
    meta = instance.meta
    if FINALIZER not in meta.finalizers:
        stages.append((SetFinalizers((*meta.finalizers, FINALIZER)),))
    if actions is None:
        return tuple(stages)
    if observed.identity is None:
        if instance.spec.keys is not None and not observed.masterkey.found:
            return tuple(stages)  # a masterkey brought along is waited for
        # The pass after it knows the database too: its Secret is marked with the masterkey.
        return (*stages, (EstablishIdentity(),))
    made: list[Action] = [
        CreateKeyPair(suffix)
        for suffix in (keys.OPERATOR_KEY, keys.LOGIN_KEY)
        if Ref(SECRET.kind, f"{instance.name}-{suffix}") not in observed.children
    ]
    role = adapter_of(instance).made_by_us(instance)
    if role and Ref(SECRET.kind, role) not in observed.children:
        made.append(CreateMonitor(role))
    made += peers
    admin = Ref(SECRET.kind, f"{instance.name}-{keys.ADMIN}")
    if keys.needs_admin_secret(instance) and admin not in observed.children:
        stages.append((*made, CreateAdmin(), *actions))
    elif made or actions:
        stages.append((*made, *actions))
    return roles_first(stages)


def _marking(meta: Meta, observed: Observed) -> tuple[tuple[Action, ...], ...]:
    """The label of the namespace, the senior instance's; last, so that a refusal holds up nothing else."""
    if observed.senior or observed.mark in (None, meta.key.name):
        return ()
    return ((MarkNamespace(meta.key.name),),)


@dataclass(frozen=True, slots=True)
class _Protecting:
    """What is asked of the database's engine, last of all that is done, and when to look again."""

    stages: tuple[tuple[Action, ...], ...]
    wake_at: datetime | None


def _protecting(sight: Sight, on: Upkeep) -> _Protecting:
    """Backups that are owed, those that were ordered, exports, and the key bundle beside them."""
    instance, observed, judgement = sight.instance, sight.observed, sight.judgement
    owed = backups(
        instance,
        observed,
        judgement.database,
        report=judgement.recovery.report,
        current=on.current,
        zone=judgement.obligations.terms.zone,
        now=sight.now,
    )
    ordered = orders(instance, observed, busy=bool(owed.asks), now=sight.now)
    kept = escrow.actions(instance, observed, judgement.escrow, now=sight.now)
    ground = exports.Ground(
        wanted=judgement.wanted,
        located=judgement.located,
        agreed=judgement.obligations.agreed,
        serving=serving_version(instance, observed),
    )
    out = exports.exports(instance, observed, ground, now=sight.now)
    asked = ((*owed.asks, *ordered.actions, *kept, *out.actions), *out.after, owed.prunes)
    stages = tuple(stage for stage in asked if stage)
    due = earliest(ordered.wake_at, owed.wake_at, out.wake_at, judgement.database.wake_at)
    return _Protecting(stages, due)


def _keeping(sight: Sight) -> tuple[tuple[Action, ...], ...]:
    """The record of the service level, where it is not as kept; last, for the same reason."""
    zone = sight.judgement.obligations.terms.zone
    found = service_level.keeping(sight.instance, sight.observed, zone=zone, now=sight.now)
    return (found,) if found else ()


def _probe(instance: Instance, observed: Observed) -> str | None:
    """The public name to read: what is measured once is measured on, also where nothing serves any more."""
    measured = observed.measured.record.since is not None
    return instance.spec.domain if measured or is_served(instance, observed) else None


def _progress(judgement: Judgement, desired: Desired, observed: Observed, found: Changes) -> Progress:
    blocked = judgement.first("Rollout") or judgement.refused
    if blocked is not None:
        text = f"{blocked.message}. {blocked.responsible}: {blocked.action}"
        return Progress(waiting=text, reason=blocked.code)
    if desired.waiting:
        failing = next((item for item in judgement.findings if item.code == "SchemaJobFailing"), None)
        if failing is not None:
            return Progress(waiting=failing.message, reason=failing.code)
        return Progress(waiting=desired.waiting, reason="Progressing")
    pending = observed.rolling({*map(ref_of, desired.manifests), *desired.untouched})
    if found.unfinished or pending or not observed.deployments:
        stuck = [pod for pod in observed.pods if pod.problem and pod.component != schema.COMPONENT]
        cause = f"; pod {stuck[0].name}: {stuck[0].problem}" if stuck else ""
        only = bool(pending) and pending <= observed.stateful_sets.keys()
        what = "the limiter" if only else "server and login"
        return Progress(waiting=f"rolling out {what}{cause}", reason="RollingOut")
    return NOTHING
