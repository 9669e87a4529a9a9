"""`plan(instance, observed, now) -> Plan`: the whole decision of one pass, and nothing else.

No I/O, no clock, no environment, no randomness: the same input gives the same plan, so that every promise
can be tested without a cluster.
"""

from datetime import datetime

from dedicated.api.catalogue import Catalogue
from dedicated.api.conditions import AVAILABLE, HIGHLY_AVAILABLE, PREREQUISITES_MET, READY, STALLED, shorten
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.names import FINALIZER
from dedicated.api.objects import SECRET, Ref
from dedicated.api.resource import Instance, InvalidInstance, Meta
from dedicated.contract.modifications import Modification, newest
from dedicated.parts import keys, schema
from dedicated.reconcile.actions import (
    Action,
    CreateAdmin,
    CreateKeyPair,
    EstablishIdentity,
    EventNote,
    Plan,
    SetFinalizers,
)
from dedicated.reconcile.changes import Changes, changes, kept_modifications
from dedicated.reconcile.deletion import plan_deletion
from dedicated.reconcile.desired import Desired, compose
from dedicated.reconcile.judgement import Judgement, judge, judge_invalid
from dedicated.reconcile.observed import Observed, without_lag
from dedicated.reconcile.status import Facts, Progress, is_served, render, render_invalid

TOLD = {
    READY: ("Ready", "NotReady"),
    AVAILABLE: ("Available", "NotAvailable"),
    HIGHLY_AVAILABLE: ("HighlyAvailable", "NotHighlyAvailable"),
    PREREQUISITES_MET: ("PrerequisitesMet", "PrerequisitesNotMet"),
    STALLED: ("Stalled", "StalledOver"),
}
"""Conditions whose transitions become events: the event's reason when it turns True, and False."""
NOTE_LIMIT = 1024


def plan(
    instance: Instance | InvalidInstance,
    observed: Observed,
    *,
    catalogue: Catalogue,
    now: datetime,
    settled: dict[Ref, str],
) -> Plan:
    """Decide one pass. `settled` is the previous plan's, empty after a start; `now` is timezone-aware."""
    if instance.meta.deleting:
        return plan_deletion(instance.meta, observed)
    if isinstance(instance, InvalidInstance):
        status = render_invalid(instance.meta, judge_invalid(instance), now=now)
        return Plan(status=status, events=_events(instance.meta, status, ()))
    observed = without_lag(observed, instance.meta)
    judgement = judge(instance, observed, catalogue)
    if judgement.wanted is None or judgement.holding is not None:
        return _held(instance, observed, judgement, now=now)
    desired = compose(
        judgement.wanted, observed, database_ready=judgement.first("Rollout") is None
    )
    found = changes(instance, desired, observed, settled=settled, now=now)
    modified = newest(kept_modifications(observed, found.mended))
    progress = _progress(judgement, desired, observed, found)
    status, wake_at = render(instance, Facts(judgement, observed, progress, modified), now=now)
    return Plan(
        stages=_stages(instance, observed, found.actions),
        status=status,
        events=_events(instance.meta, status, found.mended),
        wake_at=wake_at,
        probe=instance.spec.domain if is_served(instance, observed) else None,
        rolling=bool(progress.waiting),
        settled=found.settled,
    )


def _held(instance: Instance, observed: Observed, judgement: Judgement, *, now: datetime) -> Plan:
    """Nothing is built or changed; what runs goes on and is watched."""
    modified = newest(kept_modifications(observed, ()))
    held = judgement.holding
    waiting = f"{held.message}. {held.responsible}: {held.action}" if held and not judgement.stalled else ""
    progress = Progress(waiting=waiting, reason=held.code if held else "Held")
    status, wake_at = render(instance, Facts(judgement, observed, progress, modified), now=now)
    return Plan(
        stages=_stages(instance, observed, None),
        status=status,
        events=_events(instance.meta, status, ()),
        wake_at=wake_at,
        probe=instance.spec.domain if is_served(instance, observed) else None,
    )


def _stages(
    instance: Instance, observed: Observed, actions: tuple[Action, ...] | None
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
    made = [
        CreateKeyPair(suffix)
        for suffix in (keys.OPERATOR_KEY, keys.LOGIN_KEY)
        if Ref(SECRET.kind, f"{instance.name}-{suffix}") not in observed.children
    ]
    admin = Ref(SECRET.kind, f"{instance.name}-{keys.ADMIN}")
    if keys.needs_admin_secret(instance) and admin not in observed.children:
        stages.append((*made, CreateAdmin(), *actions))
    elif made or actions:
        stages.append((*made, *actions))
    return tuple(stages)


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
    pending = [name for name, state in sorted(observed.deployments.items()) if not state.rolled_out]
    if found.unfinished or pending or not observed.deployments:
        stuck = [pod for pod in observed.pods if pod.problem and pod.component != schema.COMPONENT]
        cause = f"; pod {stuck[0].name}: {stuck[0].problem}" if stuck else ""
        return Progress(waiting=f"rolling out server and login{cause}", reason="RollingOut")
    return Progress(waiting="", reason="")


def _events(meta: Meta, status: Manifest, mended: tuple[Modification, ...]) -> tuple[EventNote, ...]:
    """Transitions since the status as it stands. First sight is no transition."""
    before = {get_str(item, "type"): item for item in get_list(meta.status, "conditions")}
    notes = [
        EventNote(
            kind="Warning",
            reason="ModificationRepaired",
            action="Repair",
            note=shorten(
                f"{fact.object}: {', '.join(fact.fields[:5])} changed by {fact.manager} ({fact.operation}) "
                f"at {fact.at or 'an unknown time'}",
                NOTE_LIMIT,
            ),
        )
        for fact in mended
    ]
    for condition in get_list(status, "conditions"):
        note = _transition(condition, before)
        if note is not None:
            notes.append(note)
    return tuple(notes)


def _transition(condition: JsonValue, before: dict[str, JsonValue]) -> EventNote | None:
    kind, now = get_str(condition, "type"), get_str(condition, "status")
    old = get_str(before.get(kind), "status")
    if kind not in TOLD or not old or now in (old, "Unknown"):
        return None
    good = now == ("False" if kind == STALLED else "True")
    # What was not known yet is no bad news when it turns out to be not there yet.
    if old == "Unknown" and not good:
        return None
    on_true, on_false = TOLD[kind]
    return EventNote(
        kind="Normal" if good else "Warning",
        reason=on_true if now == "True" else on_false,
        action="Reconcile",
        note=shorten(f"{kind} is {now}: {get_str(condition, 'message')}", NOTE_LIMIT),
    )
