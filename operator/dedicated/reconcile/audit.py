"""The full audit: what managedFields cannot tell, because somebody writes under our own manager's name.

Content is compared with what is wanted today: fields of ours that hold another value, and fields that our
entries own and we do not want. The API server writes some values in its own form, fills in defaults, and a
webhook may change what passes by; so what is found here is a suspicion, and `confirmed` asks what the API
server would make of the repair before anybody is accused.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from dedicated.api.json import JsonValue, Manifest, digest, get_list, get_map, get_str
from dedicated.api.names import FIELD_MANAGER
from dedicated.api.objects import Key
from dedicated.api.quantity import parse_quantity
from dedicated.reconcile.changes import FORGED, mark_of
from dedicated.reconcile.drift import Drift, Path
from dedicated.reconcile.ownership import as_fields, descends, holds, list_step, unwanted, value_at
from dedicated.reconcile.removal import pointer_of

AMOUNTS = frozenset({"f:requests", "f:limits"})
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_PART = 10
"""The first audit of a process comes no sooner than this part of the interval after its start."""


def next_audit(key: Key, *, after: datetime, every: timedelta) -> datetime:
    """The next audit of an instance: at moments of its own, which restarts do not move."""
    offset = every * (int(digest(str(key)), 16) / 16**16)
    return EPOCH + offset + every * ((after - EPOCH - offset) // every + 1)


def first_audit(key: Key, *, now: datetime, every: timedelta) -> datetime:
    """The first audit of a process that starts now."""
    return next_audit(key, after=now + every / FIRST_PART, every=every)


def suspicion(desired: Manifest, live: Manifest) -> Drift | None:
    """What of a child's content is not as applied, though managedFields call it ours; None: nothing.

    `desired` carries its hash; a child with another one waits for an apply of its own, or is a Job that keeps
    the manifest it was made with.
    """
    if mark_of(live) != mark_of(desired):
        return None
    entries = [
        entry
        for entry in get_list(live, "metadata", "managedFields")
        if get_str(entry, "manager") == FIELD_MANAGER and get_str(entry, "subresource") != "status"
    ]
    applied = next((item for item in entries if get_str(item, "operation") == "Apply"), None)
    lost = tuple(_different(as_fields(desired), as_fields(live), get_map(applied, "fieldsV1"), ()))
    found = (path for entry in entries for path in _unwanted(get_map(entry, "fieldsV1"), desired))
    added = tuple(dict.fromkeys(found))
    if not lost and not added:
        return None
    culprit = next(
        (item for item in entries for path in (*lost, *added) if holds(get_map(item, "fieldsV1"), path)),
        applied,
    )
    return Drift(lost, added, FORGED, get_str(culprit, "operation"), get_str(culprit, "time"))


def confirmed(drift: Drift, live: Manifest, *, applied: Manifest, removed: Manifest) -> Drift | None:
    """The suspicion as far as a repair would change anything: `applied` and `removed` are what the API server
    would make of the object by applying again, and by taking out what was added."""
    lost = tuple(path for path in drift.lost if _at(applied, path) != _at(live, path))
    added = tuple(
        path
        for path in drift.added
        if any(_at(after, path) != _at(live, path) for after in (applied, removed))
    )
    return Drift(lost, added, drift.manager, drift.operation, drift.time) if lost or added else None


def _at(manifest: Manifest, path: Path) -> tuple[JsonValue, ...]:
    """The value at a path; empty where there is none."""
    found = pointer_of(manifest, path)
    return () if found is None else (found[1],)


def _unwanted(fields: Manifest, desired: Manifest) -> Iterator[Path]:
    """Leaves of a field set of ours that the manifest does not have; metadata too, since it is all ours."""
    for step, node in fields.items():
        if isinstance(node, dict) and step != "f:status":
            yield from unwanted(node, desired.get(step.removeprefix("f:")), (step,))


def _different(wanted: JsonValue, live: JsonValue, node: Manifest, path: Path) -> Iterator[Path]:
    """Paths, as deep as the field set `node` goes, at which `live` is not what is wanted."""
    if isinstance(wanted, dict) and isinstance(live, dict) and (descends(node) or not path):
        for key, value in wanted.items():
            step = f"f:{key}"
            yield from _different(value, live.get(key), get_map(node, step), (*path, step))
    elif isinstance(wanted, list) and isinstance(live, list) and descends(node):
        for item in wanted:
            found = list_step(item, node)
            if found is not None:
                yield from _different(item, value_at(live, found), get_map(node, found), (*path, found))
    elif not _same(wanted, live, amount=not AMOUNTS.isdisjoint(path)):
        yield path


def _same(wanted: JsonValue, live: JsonValue, *, amount: bool) -> bool:
    """Equal as the API server stores it: empty values are left out, amounts have one form."""
    match wanted, live:
        case _, None:
            return not wanted
        case dict(), dict():
            keys = wanted.keys() | live.keys()
            return all(_same(wanted.get(key), live.get(key), amount=amount) for key in keys)
        case list(), list():
            return len(wanted) == len(live) and all(
                _same(one, other, amount=amount) for one, other in zip(wanted, live, strict=True)
            )
        case None, _:
            return False
        case _:
            amounts = [parse_quantity(str(value)) for value in (wanted, live)] if amount else [None]
            return wanted == live or (amounts[0] is not None and len(set(amounts)) == 1)


def manifests_by_kind(manifests: tuple[Manifest, ...]) -> Mapping[str, list[Manifest]]:
    """The manifests of each kind: one list request reads their objects."""
    found: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        found.setdefault(get_str(manifest, "kind"), []).append(manifest)
    return found
