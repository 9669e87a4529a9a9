"""From what should exist and what does to the actions in between.

A child whose applied hash is today's is left alone unless managedFields tell of somebody else's hand, or a
full audit has found a forged one; then that is recorded, and the child applied again. A pass without change
yields no action.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.conditions import parse_time, rfc3339
from dedicated.api.json import Manifest, digest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, FIELD_MANAGER
from dedicated.api.objects import JOB, SECRET, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract import instructions
from dedicated.contract.modifications import Modification
from dedicated.contract.records import Record, is_same_hand, is_worth, record_for
from dedicated.parts import escrow, instruction
from dedicated.reconcile.actions import Action, Apply, Delete, Settled
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.drift import Drift
from dedicated.reconcile.limiting import is_run_time
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.ownership import drift_of

FORGED = f"{FIELD_MANAGER} (forged)"
"""Manager told of what somebody else wrote under our own manager's name."""
OUR_HASH = ("f:metadata", "f:annotations", f"f:{ANNOTATION_APPLIED}")


@dataclass(frozen=True, slots=True)
class Changes:
    """Actions, what they mend, and which children were found as they should be.

    `unfinished` says that this generation is not applied yet, beyond mere repair. `standing` are the
    manifests wanted, as applied.
    """

    actions: tuple[Action, ...]
    mended: tuple[Modification, ...]
    settled: Settled
    unfinished: bool
    standing: tuple[Manifest, ...]


def changes(
    instance: Instance, desired: Desired, observed: Observed, *, settled: Settled, now: datetime
) -> Changes:
    """Compare. `settled` is the previous answer's: a child at that resourceVersion is not judged again."""
    actions: list[Action] = []
    mended: list[Modification] = []
    clean: Settled = {}
    unfinished = False
    standing = tuple(stamp(manifest) for manifest in desired.manifests)
    wanted = {ref_of(manifest) for manifest in standing}
    for manifest in standing:
        ref, mark = ref_of(manifest), mark_of(manifest)
        child = observed.children.get(ref)
        if child is None:
            repair = _remake(instance, manifest, observed, now=now)
            actions.append(repair.action)
            mended.extend(repair.told)
            unfinished = unfinished or not repair.told
        elif child.deleting or (ref.kind == JOB.kind and child.applied != mark):
            continue  # a Job's template cannot change: it keeps the manifest it was made with (`is_stranded`)
        elif drift := observed.forged.get(ref) or _forged_hash(child, mark, settled):
            repair = _repair(instance, manifest, child, drift, observed.records, now=now)
            actions.append(repair.action)
            mended.extend(repair.told)
        elif not child.ours or (child.applied != mark and not _only_annotation_lost(child)):
            # Without an entry of ours (anyone may reset managedFields) drift could not be told.
            apply = Apply(manifest, seen=child)
            actions.append(apply)
            unfinished = unfinished or not (child.applied == mark or _is_by_record(instance, apply, observed))
        elif settled.get(ref) == (child.resource_version, mark):
            clean[child.ref] = settled[ref]
        elif drift := drift_of(manifest, child):
            verdict = _verdict(child, drift, observed, now=now)
            if verdict == "Kept":
                continue  # and judged again: when the instruction ends, nothing of the child changes
            again = _outlived_repair(child, drift, observed.records)
            if again:
                clean[child.ref] = child.resource_version, mark
            repair = _repair(instance, manifest, child, drift, observed.records, now=now)
            allowed = verdict == "Undone"
            actions.append(replace(repair.action, record=None) if allowed else repair.action)
            mended.extend(() if again or allowed else repair.told)
        else:
            clean[child.ref] = child.resource_version, mark
    actions.extend(_deletions(instance, desired, observed, wanted, applied=not unfinished))
    return Changes(tuple(actions), tuple(mended), clean, unfinished, standing)


def instructed(instance: Instance, observed: Observed, *, settled: Settled, now: datetime) -> Changes:
    """The same for what lets the instructed through the protection: it stands while an instruction does, and
    is no part of what was specified."""
    given = instruction.manifests(instance, instructions.grantees(observed.facts, now=now))
    over = frozenset() if given else instruction.refs(instance)
    desired = Desired(given, untouched=frozenset(), replaced=over, waiting="", complete=False)
    return changes(instance, desired, observed, settled=settled, now=now)


def together(found: Changes, own: Changes) -> Changes:
    """Both; how far the generation is, is told by the first."""
    return Changes(
        actions=(*found.actions, *own.actions),
        mended=(*found.mended, *own.mended),
        settled=found.settled | own.settled,
        unfinished=found.unfinished,
        standing=(*found.standing, *own.standing),
    )


@dataclass(frozen=True, slots=True)
class _Repair:
    """An action, and what it mends."""

    action: Apply
    told: tuple[Modification, ...] = ()


def reclaimed(
    instance: Instance, action: Apply, child: Child, *, known: tuple[Record, ...], now: datetime
) -> Apply | None:
    """The action for a child that seemed to be gone, but has only lost the label it is found by: it tells who
    took it. None where the object belongs to somebody else."""
    owners = get_list(action.manifest, "metadata", "ownerReferences")
    if not child.owner_uid or child.owner_uid not in [get_str(owner, "uid") for owner in owners]:
        return None
    drift = drift_of(action.manifest, child)
    if drift is None:
        return Apply(action.manifest, seen=child)
    return _repair(instance, action.manifest, child, drift, known, now=now).action


def stamp(manifest: Manifest) -> Manifest:
    """The manifest with the hash of itself, unless it brings one along."""
    if mark_of(manifest):
        return manifest
    metadata = get_map(manifest, "metadata")
    annotations = {**get_map(metadata, "annotations"), ANNOTATION_APPLIED: digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def mark_of(manifest: Manifest) -> str:
    """The hash that a manifest or an object carries; empty: none."""
    return get_str(manifest, "metadata", "annotations", ANNOTATION_APPLIED)


def _is_by_record(instance: Instance, apply: Apply, observed: Observed) -> bool:
    """Whether a record alone asks for it, and what runs takes it over: no generation is under way for it."""
    seen = instance.meta.status.get("observedGeneration") == instance.meta.generation
    return seen and is_run_time(apply, observed)


def _only_annotation_lost(child: Child) -> bool:
    """Somebody took our hash away or wrote over it: drift, not a change of ours."""
    return bool(child.ours) and ANNOTATION_APPLIED not in child.ours


def _forged_hash(child: Child, mark: str, settled: Settled) -> Drift | None:
    """Drift of a child that was found with today's hash, and now carries another under our name."""
    known = settled.get(child.ref)
    if known is None or known[1] != mark or child.applied == mark or _only_annotation_lost(child):
        return None
    return Drift((OUR_HASH,), (), FORGED, "Apply", "") if child.ours else None


def _verdict(child: Child, drift: Drift, observed: Observed, *, now: datetime) -> instructions.Verdict:
    """Whether the provider's instruction covers a change. What instructs is covered by none."""
    if child.component == instruction.COMPONENT:
        return "Modification"
    return instructions.judge(observed.facts, str(child.ref), made=parse_time(drift.time), now=now)


def _outlived_repair(child: Child, drift: Drift, known: tuple[Record, ...]) -> bool:
    """Whether this is an addition that a repair did not take away, as a record tells.

    Who owns a field at the server's own default keeps it: taken away, it comes back at once. The repair is
    tried once more, and if the object then still is as it was, left at that (`settled`).
    """
    if drift.lost:
        return False
    fact = _modification(child.ref, drift, "")
    return any(
        is_same_hand(record.modification, fact) and drift.time in ("", record.modification.at)
        for record in known
    )


def _repair(
    instance: Instance,
    manifest: Manifest,
    child: Child,
    drift: Drift,
    known: tuple[Record, ...],
    *,
    now: datetime,
) -> _Repair:
    """Apply again, and record what is undone by it as far as the ledger has room.

    The API server puts no time on a change by `kubectl scale`, nor on the removal of a field: then the time
    is when we saw it, and the child's version tells the change from the same one made again.
    """
    fact = _modification(child.ref, drift, drift.time or rfc3339(now))
    moment = drift.time or _version(child, drift)
    record = record_for(instance.name, fact, uid=child.uid, moment=moment)
    kept = record if is_worth(record, known, now=now) else None
    return _Repair(Apply(manifest, seen=child, remove=drift.added, record=kept), (fact,))


def _version(child: Child, drift: Drift) -> str:
    """What moves with the change: the generation knows no metadata, and not every kind has one."""
    in_spec = any(path[0] == "f:spec" for path in (*drift.lost, *drift.added))
    return f"generation {child.generation}" if in_spec and child.generation else child.resource_version


def _modification(ref: Ref, drift: Drift, at: str) -> Modification:
    return Modification(str(ref), drift.manager, drift.operation, at, drift.fields())


def _remake(instance: Instance, manifest: Manifest, observed: Observed, *, now: datetime) -> _Repair:
    """Make a child that is not there. The API keeps no trace of who deleted one; the time is ours, of when it
    was seen."""
    ref = ref_of(manifest)
    uid = observed.deleted.get(ref)
    if uid is None:
        return _Repair(Apply(manifest))
    fact = Modification(str(ref), "unknown", "Delete", rfc3339(now), ("(whole object)",))
    record = record_for(instance.name, fact, uid=uid, moment="")
    kept = record if is_worth(record, observed.records, now=now) else None
    return _Repair(Apply(manifest, record=kept), (fact,))


def _deletions(
    instance: Instance, desired: Desired, observed: Observed, wanted: set[Ref], *, applied: bool
) -> list[Action]:
    """Children to delete: Jobs to be replaced, and, once all is rolled out, what nothing needs any more.

    `applied` says that nothing of this generation is applied only now: what is observed as rolled out is it.
    Jobs of the key bundle come and go by `reconcile.escrow`.
    """
    kept = desired.untouched | desired.beside | instruction.refs(instance)
    needed = wanted | kept
    over = applied and desired.complete and not observed.rolling(needed)
    return [
        Delete(ref, child.uid)
        for ref, child in observed.children.items()
        if child.owner_uid == instance.meta.uid
        and not child.deleting
        and ref.kind != SECRET.kind  # none is the operator's to take away
        and not (ref.kind == JOB.kind and child.component == escrow.COMPONENT)
        and (ref in desired.replaced or (over and ref not in needed))
    ]
