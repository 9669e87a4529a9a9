"""Every DedicatedInstance as last seen, from the two watches that see them (see `shell`) and our own writes.

The same change arrives up to three times: in the answer to our own write, through kopf, and as metadata
through the roll. Only what is newer than what we hold is taken, so that a slow watch cannot bring back an old
body (and a second status write with it).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Key

REMEMBERED_DEAD = 10_000


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


class Instances:
    """The store of bodies. `changed(key)` is called when there is reason to look at an instance again."""

    def __init__(
        self, *, changed: Callable[[Key], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._monotonic = monotonic
        self._bodies: dict[Key, Manifest] = {}
        self._roll: dict[Key, Presence] = {}
        self._behind: dict[Key, float] = {}
        self._dead: dict[str, None] = {}

    @property
    def bodies(self) -> Mapping[Key, Manifest]:
        """A live view of all instances, without `managedFields`."""
        return MappingProxyType(self._bodies)

    def lateness(self) -> float:
        """Seconds for which kopf has owed us a body that the roll has seen; 0 where it owes none."""
        first = min(self._behind.values(), default=None)
        return 0.0 if first is None else self._monotonic() - first

    def deliver(self, event: str, manifest: Manifest) -> None:
        """What kopf saw: the `on_instance` of `run_shell`."""
        key, seen = _key(manifest), presence_of(manifest)
        known = self._bodies.get(key)
        if event == "DELETED":
            if known is not None and presence_of(known).uid == seen.uid:
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
        known = presence_of(self._bodies[key]) if key in self._bodies else None
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
        if key in self._bodies and presence_of(self._bodies[key]).uid == old.uid:
            self._remove(key)

    def _keep(self, manifest: Manifest) -> bool:
        key, seen = _key(manifest), presence_of(manifest)
        if key in self._bodies and seen.version <= presence_of(self._bodies[key]).version:
            return False
        metadata = dict(get_map(manifest, "metadata"))
        metadata.pop("managedFields", None)
        self._bodies[key] = {**manifest, "metadata": metadata}
        if key in self._roll and seen.version >= self._roll[key].version:
            self._behind.pop(key, None)
        return True

    def _remove(self, key: Key) -> None:
        del self._bodies[key]
        self._behind.pop(key, None)
        self._changed(key)


def _key(manifest: Manifest) -> Key:
    return Key(get_str(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name"))
