"""The part of an API server that ownership lives in: objects, server-side apply, updates, JSON patches.

Its field sets were compared with those of a real 1.36 API server for every child of an instance: equal.
Admission, scheduling and garbage collection are the real control plane's to prove.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime

from builders import NOW
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_map, get_str
from dedicated.api.objects import DEPLOYMENT, Ref, ref_of
from reconcile.fieldsets import Flat, Path, build, fields_v1, flatten, new_maps

DEFAULTS: dict[str, Flat] = {
    DEPLOYMENT.kind: {
        ("f:spec", "f:template", "f:spec", "f:restartPolicy"): "Always",
        ("f:spec", "f:template", "f:spec", "f:dnsPolicy"): "ClusterFirst",
    },
}
"""A few of the fields that are filled in, again whenever they are taken away."""


@dataclass
class Entry:
    """One entry of managedFields."""

    manager: str
    operation: str
    subresource: str = ""
    time: str = ""
    owned: set[Path] = field(default_factory=set)

    def manifest(self) -> Manifest:
        """The entry as the API writes it."""
        found: Manifest = {
            "manager": self.manager,
            "operation": self.operation,
            "fieldsV1": fields_v1(sorted(self.owned)),
        }
        if self.time:
            found["time"] = self.time
        if self.subresource:
            found["subresource"] = self.subresource
        return found


@dataclass
class Object:
    """An object: what was written, and who owns which leaf."""

    manifest: Manifest
    uid: str
    version: int
    generation: int = 1
    entries: list[Entry] = field(default_factory=list)
    status: Manifest = field(default_factory=dict)
    deleting: bool = False

    def full(self) -> Manifest:
        """The object as it is read."""
        metadata: Manifest = {
            **get_map(self.manifest, "metadata"),
            "uid": self.uid,
            "resourceVersion": str(self.version),
            "generation": self.generation,
            "creationTimestamp": rfc3339(NOW),
            "managedFields": [entry.manifest() for entry in self.entries],
        }
        if self.deleting:
            metadata["deletionTimestamp"] = rfc3339(NOW)
        return {**self.manifest, "metadata": metadata, "status": self.status}


@dataclass
class Server:
    """All objects of one namespace."""

    now: datetime = NOW
    objects: dict[Ref, Object] = field(default_factory=dict)
    counter: int = 100

    def create(self, manifest: Manifest, *, manager: str) -> Object:
        """Create an object that does not exist."""
        entry = Entry(manager, "Update", "", rfc3339(self.now), set(flatten(manifest)))
        return self._add(manifest, [entry])

    def apply(self, manifest: Manifest, *, manager: str) -> Object:
        """Server-side apply with force."""
        thing = self.objects.get(ref_of(manifest))
        if thing is None:
            names = {key: get_map(manifest, "metadata")[key] for key in ("name", "namespace")}
            head: Manifest = {key: manifest[key] for key in ("apiVersion", "kind")}
            thing = self._add({**head, "metadata": names}, [])
        elif not thing.entries:
            every = set(flatten(thing.manifest))
            thing.entries.append(Entry("before-first-apply", "Update", "", rfc3339(self.now), every))
        mine = next((e for e in thing.entries if (e.manager, e.operation) == (manager, "Apply")), None)
        if mine is None:
            mine = Entry(manager, "Apply")
            thing.entries.append(mine)
        old, wanted = flatten(thing.manifest), flatten(manifest)
        others = [entry for entry in thing.entries if entry is not mine]
        gone = mine.owned - wanted.keys() - {path for entry in others for path in entry.owned}
        taken = {path for path, value in wanted.items() if old.get(path, value) != value}
        for entry in others:
            entry.owned -= taken
        moved, mine.owned = mine.owned != set(wanted), set(wanted)
        if self._store(thing, {path: old[path] for path in old if path not in gone} | wanted) or moved:
            mine.time = rfc3339(self.now)
            self._touch(thing)
        thing.entries = [entry for entry in thing.entries if entry.owned]
        return thing

    def update(
        self, thing: Object, new: Manifest, *, manager: str, subresource: str = "", timed: bool = True
    ) -> None:
        """An update: what it changes becomes the manager's, what it removes nobody's."""
        old, flat = flatten(thing.manifest), flatten(new)
        if not self._store(thing, flat):
            return
        mine = {path for path, value in flat.items() if path not in old or old[path] != value}
        for entry in thing.entries:
            entry.owned -= mine | (old.keys() - flat.keys())
        who = (manager, "Update", subresource)
        known = next((e for e in thing.entries if (e.manager, e.operation, e.subresource) == who), None)
        if known is None:
            known = Entry(*who)
            thing.entries.append(known)
        if mine:
            known.owned |= mine | new_maps(old, flat)
            known.time = rfc3339(self.now) if timed else ""
        thing.entries = [entry for entry in thing.entries if entry.owned]
        self._touch(thing)

    def patch(self, thing: Object, operations: list[JsonValue], *, manager: str) -> None:
        """A JSON patch."""
        live = deepcopy(thing.manifest)
        for operation in operations:
            apply_operation(live, as_manifest(operation))
        self.update(thing, live, manager=manager)

    def set_status(self, thing: Object, status: Manifest) -> None:
        """A controller's write of the status."""
        if thing.status != status:
            thing.status = status
            self._touch(thing)

    def forget_ownership(self, thing: Object) -> None:
        """Somebody resets managedFields, which the API server allows."""
        thing.entries.clear()
        self._touch(thing)

    def _add(self, manifest: Manifest, entries: list[Entry]) -> Object:
        ref = ref_of(manifest)
        assert ref not in self.objects, f"{ref} exists"
        self.counter += 1
        self.objects[ref] = Object(deepcopy(manifest), f"uid-{self.counter}", self.counter, entries=entries)
        return self.objects[ref]

    def _store(self, thing: Object, flat: Flat) -> bool:
        """Write the leaves, defaults filled in; whether anything changed."""
        old = flatten(thing.manifest)
        new = {**DEFAULTS.get(get_str(thing.manifest, "kind"), {}), **flat}
        if new == old:
            return False
        names = {key: get_map(thing.manifest, "metadata")[key] for key in ("name", "namespace")}
        built = build(new)
        thing.manifest = {
            **{key: thing.manifest[key] for key in ("apiVersion", "kind")},
            **built,
            "metadata": {**get_map(built, "metadata"), **names},
        }
        if any(new.get(path) != old.get(path) for path in {**new, **old} if path[0] == "f:spec"):
            thing.generation += 1
        return True

    def _touch(self, thing: Object) -> None:
        self.counter += 1
        thing.version = self.counter


def apply_operation(document: Manifest, operation: Manifest) -> None:
    """One operation of a JSON patch: test, remove or add. Raises where it does not apply."""
    raw = get_str(operation, "path").split("/")[1:]
    steps = [step.replace("~1", "/").replace("~0", "~") for step in raw]
    node: JsonValue = document
    for step in steps[:-1]:
        node = node[int(step)] if isinstance(node, list) else as_manifest(node)[step]
    last = steps[-1]
    match get_str(operation, "op"), node:
        case "test", list() if node[int(last)] == operation["value"]:
            pass
        case "test", dict() if node[last] == operation["value"]:
            pass
        case "remove", list():
            del node[int(last)]
        case "remove", dict():
            del node[last]
        case "add", dict():
            node[last] = operation["value"]
        case _:
            raise ValueError(f"cannot do {operation}")
