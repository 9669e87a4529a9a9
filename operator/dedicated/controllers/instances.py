"""Every DedicatedInstance as last seen, from the two watches that see them (see `shell`) and our own writes.

The same change arrives up to three times: in the answer to our own write, through kopf, and as metadata
through the roll. Only what is newer than what we hold is taken, so that a slow watch cannot bring back an old
body (and a second status write with it).

A body is kept as packed text and decoded once per pass: as dicts, 1,000 of them are 20 MB, as text 5,
packed 1.5.
"""

import json
import time
import zlib
from collections.abc import Callable, KeysView
from dataclasses import dataclass

from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.api.objects import Key

REMEMBERED_DEAD = 10_000
PACKING = 1
"""zlib's fastest: a tenth of a millisecond, and what is repeated in a status is gone all the same."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What the roll knows of an instance. `created` is the API server's time, RFC 3339."""

    uid: str
    version: int
    created: str = ""


def presence_of(manifest: Manifest) -> Presence:
    """For the roll's informer: `reduce`, on metadata only."""
    version = get_str(manifest, "metadata", "resourceVersion")
    return Presence(
        uid=get_str(manifest, "metadata", "uid"),
        version=int(version) if version.isdecimal() else 0,
        created=get_str(manifest, "metadata", "creationTimestamp"),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A body, packed, and what is asked of it without unpacking it."""

    presence: Presence
    deleting: bool
    packed: bytes


class Instances:
    """The store of bodies. `changed(key)` is called when there is reason to look at an instance again."""

    def __init__(
        self, *, changed: Callable[[Key], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._monotonic = monotonic
        self._bodies: dict[Key, _Kept] = {}
        self._roll: dict[Key, Presence] = {}
        self._behind: dict[Key, float] = {}
        self._dead: dict[str, None] = {}

    @property
    def keys(self) -> KeysView[Key]:
        """A live view of all instances' names."""
        return self._bodies.keys()

    def body(self, key: Key) -> Manifest | None:
        """The body as last seen, without `managedFields`; the caller's own copy."""
        kept = self._bodies.get(key)
        return None if kept is None else as_manifest(json.loads(zlib.decompress(kept.packed)))

    def presence(self, key: Key) -> Presence | None:
        """Which body we hold."""
        kept = self._bodies.get(key)
        return None if kept is None else kept.presence

    def is_alive(self, key: Key) -> bool:
        """Whether it exists and is not being deleted."""
        kept = self._bodies.get(key)
        return kept is not None and not kept.deleting

    def lateness(self) -> float:
        """Seconds for which kopf has owed us a body that the roll has seen; 0 where it owes none."""
        first = min(self._behind.values(), default=None)
        return 0.0 if first is None else self._monotonic() - first

    def deliver(self, event: str, manifest: Manifest) -> None:
        """What kopf saw: the `on_instance` of `run_shell`."""
        key, seen = _key(manifest), presence_of(manifest)
        known = self.presence(key)
        if event == "DELETED":
            if known is not None and known.uid == seen.uid:
                self._remove(key)
        elif seen.uid not in self._dead and self._keep(manifest):
            self._changed(key)

    def returned(self, manifest: Manifest) -> None:
        """The answer to a write of our own; no reason to look again."""
        if presence_of(manifest).uid not in self._dead:
            self._keep(manifest)

    def present(self, key: Key, old: Presence | None, new: Presence | None) -> None:
        """What the roll saw: the `changed` of its informer."""
        if new is None:
            self._call_dead(key, old)
            return
        self._dead.pop(new.uid, None)
        self._roll[key] = new
        known = self.presence(key)
        if known is not None and old is not None and old.uid == new.uid and new.version < old.version:
            # Versions run backwards only after a restored etcd: what we hold is from a lost future.
            del self._bodies[key]
            known = None
        if known is None or known.uid != new.uid or known.version < new.version:
            self._behind.setdefault(key, self._monotonic())

    def _call_dead(self, key: Key, old: Presence | None) -> None:
        self._roll.pop(key, None)
        self._behind.pop(key, None)
        if old is None:
            return
        self._dead[old.uid] = None
        while len(self._dead) > REMEMBERED_DEAD:
            del self._dead[next(iter(self._dead))]
        known = self.presence(key)
        if known is not None and known.uid == old.uid:
            self._remove(key)
        else:  # kopf told first; only now is it certain that the instance is gone
            self._changed(key)

    def _keep(self, manifest: Manifest) -> bool:
        key, seen = _key(manifest), presence_of(manifest)
        known = self.presence(key)
        if known is not None and seen.version <= known.version:
            return False
        metadata = {**get_map(manifest, "metadata")}
        metadata.pop("managedFields", None)
        text = json.dumps({**manifest, "metadata": metadata}, separators=(",", ":")).encode()
        packed = zlib.compress(text, PACKING)
        self._bodies[key] = _Kept(seen, deleting="deletionTimestamp" in metadata, packed=packed)
        if key in self._roll and seen.version >= self._roll[key].version:
            self._behind.pop(key, None)
        return True

    def _remove(self, key: Key) -> None:
        del self._bodies[key]
        self._behind.pop(key, None)
        self._changed(key)


def _key(manifest: Manifest) -> Key:
    return Key(get_str(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name"))
