"""What is seen of ways in: an informer per kind of their objects.

The kinds of the Gateway API and of cert-manager may be missing; they are looked for once an instance wants a
way in. IngressClasses tell whose a class is, and belong to the cluster: without the right to list them a
class is known by its name alone.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import EDGE_KINDS, INGRESS_CLASS, SERVICE, Key, Ref
from dedicated.cluster.informer import Informer, Source
from dedicated.controllers.informers import OURS, Entry
from dedicated.parts.edge.entry import EdgeState, EntryState, state_of
from dedicated.reconcile.observed import Child, child_of, instance_of


class EdgeInformers:
    """The informers of ways in. `with_classes`: IngressClasses may be listed."""

    def __init__(
        self,
        client: Source,
        namespaces: Sequence[str] | None,
        changed: Callable[[Key, Entry | None, Entry | None], None],
        *,
        wake_all: Callable[[], None],
        with_classes: bool,
        dated: Callable[[Manifest], Manifest],
    ) -> None:
        self._sought = asyncio.Event()
        self.kinds = {
            kind: Informer[Entry](
                client=client,
                kind=kind,
                namespaces=namespaces,
                selector=OURS,
                sought=self._sought,
                appeared=wake_all,
                reduce=lambda manifest: way_of(dated(manifest)),
                changed=changed,
            )
            for kind in EDGE_KINDS
        }
        self.classes = (
            Informer[str](
                client=client,
                kind=INGRESS_CLASS,
                reduce=lambda manifest: get_str(manifest, "spec", "controller"),
                changed=lambda *_: wake_all(),
            )
            if with_classes
            else None
        )

    def informers(self) -> Iterator[tuple[str, Informer[Entry] | Informer[str]]]:
        """All, with the name of what they watch."""
        for kind, informer in self.kinds.items():
            yield f"{kind.plural}.{kind.group}", informer
        if self.classes is not None:
            yield INGRESS_CLASS.plural, self.classes

    def seek(self) -> None:
        """An instance wants a way in: from now on kinds that are missing are looked for."""
        self._sought.set()

    def state(
        self, key: Key, children: dict[Ref, Child], services: Iterator[tuple[str, Entry]]
    ) -> EdgeState:
        """What is seen of an instance's way in; adds its objects to the children. `services` are those of the
        instance's namespace, the load balancer's among them."""
        found: dict[Ref, EntryState] = {}
        for kind, informer in self.kinds.items():
            for name, entry in informer.in_namespace(key.namespace).items():
                if entry.instance == key.name:
                    children[Ref(kind.kind, name)] = entry.child
                    if entry.way is not None:
                        found[Ref(kind.kind, name)] = entry.way
        for name, entry in services:
            if entry.instance == key.name and entry.way is not None:
                found[Ref(SERVICE.kind, name)] = entry.way
        return EdgeState(
            missing=frozenset(kind.kind for kind, informer in self.kinds.items() if informer.is_absent),
            objects=found,
            controllers=self._controllers(),
        )

    def _controllers(self) -> dict[str, str]:
        return {} if self.classes is None else dict(self.classes.in_namespace(""))


def way_of(manifest: Manifest) -> Entry:
    """The kept form of an object of a way in."""
    return Entry(instance_of(manifest), child_of(manifest), way=state_of(manifest))
