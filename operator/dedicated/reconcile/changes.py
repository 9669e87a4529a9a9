"""From what should exist and what does to the actions in between.

A child whose applied hash is today's is left alone unless managedFields tell of somebody else's hand; then
it is applied again and remembers who that was. A pass without change yields no action.
"""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, digest, get_list, get_map, get_str
from dedicated.api.names import ANNOTATION_APPLIED, ANNOTATION_MODIFIED
from dedicated.api.objects import JOB, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract.modifications import Modification, bounded, from_annotation
from dedicated.reconcile.actions import Action, Apply, Delete
from dedicated.reconcile.desired import Desired
from dedicated.reconcile.observed import Child, Observed
from dedicated.reconcile.ownership import Drift, drift_of


@dataclass(frozen=True, slots=True)
class Changes:
    """Actions, what they mend, and which children were found as they should be (ref -> resourceVersion).

    `unfinished` says that this generation is not applied yet, beyond mere repair.
    """

    actions: tuple[Action, ...]
    mended: tuple[Modification, ...]
    settled: dict[Ref, str]
    unfinished: bool


def changes(
    instance: Instance, desired: Desired, observed: Observed, *, settled: dict[Ref, str], now: datetime
) -> Changes:
    """Compare. `settled` is the previous answer's: a child at that resourceVersion is not judged again."""
    actions: list[Action] = []
    mended: list[Modification] = []
    clean: dict[Ref, str] = {}
    unfinished = False
    for manifest in desired.manifests:
        ref = ref_of(manifest)
        child = observed.children.get(ref)
        stamped, mark = _stamp(manifest)
        if child is None:
            fact = _deleted(ref, now) if ref in observed.deleted else None
            actions.append(Apply(_remember(stamped, fact.annotation() if fact else "")))
            mended.extend([fact] if fact else [])
            unfinished = unfinished or fact is None
        elif child.deleting or (ref.kind == JOB.kind and child.applied != mark):
            continue  # a Job's template cannot change: it keeps the manifest it was made with
        elif not child.ours or (child.applied != mark and not _only_annotation_lost(child)):
            # Without an entry of ours (anyone may reset managedFields) drift could not be told.
            actions.append(Apply(_remember(stamped, child.modified), seen=child))
            unfinished = unfinished or child.applied != mark
        elif settled.get(ref) == child.resource_version:
            clean[ref] = child.resource_version
        else:
            drift = drift_of(stamped, child)
            again = drift and _outlived_repair(child, drift)
            if drift is None or again:
                clean[ref] = child.resource_version
            if drift is not None:
                fact = again or _done_by_others(child, drift, now)
                actions.append(Apply(_remember(stamped, fact.annotation()), seen=child, remove=drift.added))
                mended.extend([] if again else [fact])
    actions.extend(_deletions(instance, desired, observed, applied=not unfinished))
    return Changes(tuple(actions), tuple(mended), clean, unfinished)


def reclaimed(manifest: Manifest, child: Child, *, now: datetime) -> Manifest | None:
    """The manifest for a child that seemed to be gone, but has only lost the label it is found by: it tells
    who took it. None where the object belongs to somebody else."""
    owners = get_list(manifest, "metadata", "ownerReferences")
    if not child.owner_uid or child.owner_uid not in [get_str(owner, "uid") for owner in owners]:
        return None
    drift = drift_of(manifest, child)
    return _remember(manifest, _done_by_others(child, drift, now).annotation() if drift else "")


def _stamp(manifest: Manifest) -> tuple[Manifest, str]:
    """The manifest with the hash of itself, and the hash."""
    mark = digest(manifest)
    metadata = get_map(manifest, "metadata")
    annotations = {**get_map(metadata, "annotations"), ANNOTATION_APPLIED: mark}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}, mark


def _remember(manifest: Manifest, kept: str) -> Manifest:
    """The manifest with a modification kept on it, in the form of its annotation; empty: none."""
    if not kept:
        return manifest
    metadata = get_map(manifest, "metadata")
    annotations = {**get_map(metadata, "annotations"), ANNOTATION_MODIFIED: kept}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _only_annotation_lost(child: Child) -> bool:
    """Somebody took our hash away or wrote over it: drift, not a change of ours."""
    return bool(child.ours) and ANNOTATION_APPLIED not in child.ours


def _outlived_repair(child: Child, drift: Drift) -> Modification | None:
    """The addition that a repair did not take away, as the child remembers it; None for anything else.

    Who owns a field at the server's own default keeps it: taken away, it comes back at once. The repair is
    tried once more, and if the object then still is as it was, left at that (`settled`).
    """
    kept = from_annotation(child.modified, of=str(child.ref))
    if kept is None or drift.lost or drift.time not in ("", kept.at):
        return None
    found = (drift.manager, drift.operation, bounded(drift.fields()))
    return kept if found == (kept.manager, kept.operation, kept.fields) else None


def _done_by_others(child: Child, drift: Drift, now: datetime) -> Modification:
    """The API server puts no time on a change by `kubectl scale`: then the time is when we saw it."""
    return Modification(
        object=str(child.ref),
        manager=drift.manager,
        operation=drift.operation,
        at=drift.time or rfc3339(now),
        fields=tuple(drift.fields()),
    )


def _deleted(ref: Ref, now: datetime) -> Modification:
    """The API keeps no trace of who deleted an object; the time is ours, of when it was seen."""
    return Modification(
        object=str(ref), manager="unknown", operation="Delete", at=rfc3339(now), fields=("(whole object)",)
    )


def _deletions(instance: Instance, desired: Desired, observed: Observed, *, applied: bool) -> list[Action]:
    """Children to delete: Jobs to be replaced, and, once all is rolled out, what nothing needs any more.

    `applied` says that nothing of this generation is applied only now: what is observed as rolled out is it.
    """
    wanted = {ref_of(manifest) for manifest in desired.manifests} | desired.untouched
    rolled_out = all(state.rolled_out for state in observed.deployments.values())
    over = applied and desired.complete and rolled_out
    return [
        Delete(ref, child.uid)
        for ref, child in observed.children.items()
        if child.owner_uid == instance.meta.uid
        and not child.deleting
        and (ref in desired.replaced or (over and ref not in wanted))
    ]


def kept_modifications(observed: Observed, mended: tuple[Modification, ...]) -> list[Modification]:
    """Modifications known: those found in this pass, and those that children remember."""
    fresh = {fact.object for fact in mended}
    remembered = (from_annotation(child.modified, of=str(ref)) for ref, child in observed.children.items())
    return [*mended, *(fact for fact in remembered if fact is not None and fact.object not in fresh)]
