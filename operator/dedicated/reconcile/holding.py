"""What of a difference is done now, and what waits: for the operator's turn, or for a slot of maintenance.

`spec.maintenance.confine` says what waits for a slot. Updates: a release that a channel brings, and whatever
nobody edited the spec for, as `turns` tells it (another rendering, an image digest, a rotated credential);
edits run now. AllChanges: edits too. Repair of drift never waits: while a release waits, the plan is made
at the release that runs. In a run only what was announced is done (M-5); the rest goes on waiting.
An engine's objects wait for the operator's turn, but for no slot: their schedules follow the zone's clock.
A restored database is switched to at once, at the release that runs.
Limits: an edit of the spec that rolls pods takes along what waits for the same pods, but for a release. What
is missing is made at once, as `turns` says.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.catalogue import Catalogue
from dedicated.api.json import get_str
from dedicated.api.objects import ENGINE_KINDS, JOB, Ref
from dedicated.api.resource import Instance
from dedicated.parts import server
from dedicated.parts.wanted import Wanted
from dedicated.reconcile import edge, turns
from dedicated.reconcile.actions import Action, Apply, Delete, Settled
from dedicated.reconcile.changes import Changes, changes
from dedicated.reconcile.desired import Desired, compose
from dedicated.reconcile.judgement import Judgement
from dedicated.reconcile.limiting import out_of_slots
from dedicated.reconcile.observed import Observed
from dedicated.reconcile.requests import is_announced
from dedicated.reconcile.turns import Turn
from dedicated.reconcile.upkeep import Upkeep

ENGINE_NAMES = frozenset(kind.kind for kind in ENGINE_KINDS)


@dataclass(frozen=True, slots=True)
class Doing:
    """What should exist now, what is done for it, and which children wait.

    `pending` wait for the operator's turn, `later` for a slot; `whole` says that nothing but repair is done.
    """

    desired: Desired
    found: Changes
    pending: tuple[Ref, ...] = ()
    later: tuple[Ref, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """One pass's input, to compare what is with what is wanted at one release or another."""

    instance: Instance
    observed: Observed
    judgement: Judgement
    catalogue: Catalogue
    settled: Settled
    now: datetime
    beside: frozenset[Ref] = frozenset()
    """Children that restores have made, and that go with them."""

    @property
    def wanted(self) -> Wanted:
        """What is wanted in the end. It is known: nothing is compared without it."""
        assert self.judgement.wanted is not None
        return self.judgement.wanted

    def compare(self, wanted: Wanted) -> tuple[Desired, Changes]:
        """What should exist, and what is to be done for it."""
        lacking = self.judgement.arrival.waiting or self.judgement.database.waiting
        ready = self.judgement.first("Rollout") is None and not lacking
        desired = compose(wanted, self.observed, database_ready=ready, waiting_for=lacking)
        desired = edge.with_way(replace(desired, beside=self.beside), self.instance, self.observed)
        return desired, changes(self.instance, desired, self.observed, settled=self.settled, now=self.now)

    @property
    def running(self) -> Wanted | None:
        """What is wanted at the release that runs; None where the catalogue no longer has it."""
        state = self.observed.deployment(self.wanted.name, server.COMPONENT)
        entry = self.catalogue.entry(state.version) if state else None
        return replace(self.wanted, release=self.catalogue.images_of(entry)) if entry else None


def doing(sight: Sight, on: Upkeep, turn: Turn) -> Doing:
    """What is done in this pass."""
    if is_switching(sight.instance):
        return Doing(*sight.compare(sight.running or sight.wanted))
    if on.mode == "Waits":
        return _until_slot(sight)
    if on.mode == "Running":
        return _in_run(sight, on)
    desired, found = sight.compare(sight.wanted)
    if turn.state != "Waiting":
        return Doing(desired, found)
    pending = turns.caused_by_operator(sight.instance, sight.observed, desired, found.actions)
    if not pending:
        return Doing(desired, found)
    desired, found = sight.compare(sight.running or sight.wanted)
    later = turns.caused_by_operator(sight.instance, sight.observed, desired, found.actions)
    return Doing(replace(desired, waiting=""), _without(found, later), pending=pending)


def is_switching(instance: Instance) -> bool:
    """Whether a restored database is the instance's, and not rolled out to yet: that waits for nothing."""
    cluster = instance.database.cluster
    return cluster != "" and get_str(instance.meta.status, "database", "cluster") != cluster


def _until_slot(sight: Sight) -> Doing:
    """Edits of the spec where they run now, and repair."""
    policy, wanted, running = sight.instance.spec.maintenance, sight.wanted, sight.running
    edited = not turns.stood(sight.instance, sight.observed)
    whole = running is None or not edited or (policy is not None and policy.confine == "AllChanges")
    desired, found = sight.compare(wanted)
    moves = running is not None and running.release.version != wanted.release.version
    if not whole and not (moves and sight.instance.spec.release.channel):
        return Doing(desired, found)
    # A setup of another release may be under way or stuck: what is behind it waits all the same.
    behind = desired.untouched if moves else frozenset[Ref]()
    later = tuple(sorted({*_in_slots(sight, desired, found), *behind}))
    if not later:
        return Doing(desired, found)
    desired, found = sight.compare(running or wanted)
    if not whole:
        return Doing(desired, replace(found, actions=_sparing(found.actions, ())), later=later)
    mine = _in_slots(sight, desired, found)
    kept = _without(found, mine)
    return Doing(replace(desired, waiting=""), kept, later=tuple(sorted({*later, *mine})), whole=True)


def _in_run(sight: Sight, on: Upkeep) -> Doing:
    """What was announced."""
    wanted = replace(sight.wanted, release=on.release or sight.wanted.release)
    desired, found = sight.compare(wanted)
    if on.changes is None:
        return Doing(desired, found)
    changing = _in_slots(sight, desired, found)
    later = tuple(ref for ref in changing if not is_announced(ref, on.changes))
    if any(ref.kind == JOB.kind for ref in later):  # the rest is behind it
        return Doing(replace(desired, waiting=""), _without(found, changing), later=later, whole=True)
    if not later:
        return Doing(desired, found)
    kept = tuple(item for item in found.actions if not (isinstance(item, Apply) and item.ref in later))
    unfinished = any(isinstance(item, Apply) for item in kept)
    return Doing(desired, replace(found, actions=kept, unfinished=unfinished), later=later)


def _in_slots(sight: Sight, desired: Desired, found: Changes) -> tuple[Ref, ...]:
    """What changes, but for an engine's objects, whose schedules follow the zone's clock on the day itself,
    and for what the limiter takes over as it runs."""
    changing = turns.changing(sight.observed, desired, found.actions)
    spared = frozenset(out_of_slots(desired.manifests))
    return tuple(ref for ref in changing if ref.kind not in ENGINE_NAMES and ref not in spared)


def _without(found: Changes, later: tuple[Ref, ...]) -> Changes:
    """The changes without those that wait, which are not unfinished business."""
    return replace(found, actions=_sparing(found.actions, later), unfinished=False)


def _sparing(actions: tuple[Action, ...], later: tuple[Ref, ...]) -> tuple[Action, ...]:
    """The actions without those that wait. A Job is not taken away either: a setup that runs is let end."""
    return tuple(
        action
        for action in actions
        if not (isinstance(action, Apply) and action.ref in later)
        and not (isinstance(action, Delete) and action.ref.kind == JOB.kind)
    )
