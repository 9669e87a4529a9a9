"""What is known of the cluster: one informer per kind, and the snapshot of one instance from them.

Reading a snapshot costs no request. Secrets are watched as metadata without a selector, because the user's
own Secrets carry no label of ours; of foreign ones only name, uid and version are kept. What is in a Secret
is read on demand, see `secrets_reader`.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias

from dedicated.api.instance import InstanceSpec
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import (
    CHILD_KINDS,
    CONFIG_MAP,
    EDGE_KINDS,
    ENGINE_KINDS,
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    KIND_BY_NAME,
    MAINTENANCE,
    NAMESPACE,
    NODE,
    POD,
    RECORD,
    SECRET,
    SERVICE,
    Key,
    Kind,
    Ref,
)
from dedicated.cluster.informer import Informer, Source
from dedicated.contract.limiter_report import report_name
from dedicated.contract.limits_sight import is_news
from dedicated.contract.prerequisites import Node
from dedicated.contract.reading import Reading, facts_in, modifications_in
from dedicated.contract.records import Record
from dedicated.contract.recovery.restore import database_in
from dedicated.controllers.edge import EdgeInformers
from dedicated.controllers.gathered import Gathered, Snapshot
from dedicated.controllers.informers import (
    NO_ENTRY,
    Entry,
    PodEntry,
    asked_informer,
    children_informer,
    engine_objects_informer,
    engine_of,
    marks_informer,
    nodes_informer,
    pods_informer,
    records_informer,
    server_informers,
)
from dedicated.controllers.instances import Presence, presence_of
from dedicated.parts import escrow, keys
from dedicated.parts.database.engine import cluster_of
from dedicated.parts.measured import KeptMonth
from dedicated.parts.recovery_agent import record_name
from dedicated.reconcile.asked import (
    Asked,
    ExportOrder,
    Order,
    RestoreOrder,
    asked_of,
    export_of,
    order_of,
    restore_of,
)
from dedicated.reconcile.observed import Child

About: TypeAlias = Reading | Asked | Order | RestoreOrder | ExportOrder
AnyInformer: TypeAlias = (
    Informer[Entry]
    | Informer[PodEntry]
    | Informer[Reading]
    | Informer[Asked]
    | Informer[Order]
    | Informer[RestoreOrder]
    | Informer[ExportOrder]
    | Informer[Node]
    | Informer[str]
)


class World:
    """The informers. `wake(key)` is called when something about an instance changed.

    `namespaces` None means all. `with_nodes`, `with_marks` and `with_classes` are False where nodes, the
    labels of namespaces, or IngressClasses may not be watched.
    `roll` is told of instances themselves, as metadata. `dated` gives a record its time in the contract's.
    """

    def __init__(
        self,
        *,
        client: Source,
        namespaces: Sequence[str] | None,
        with_nodes: bool,
        with_marks: bool,
        wake: Callable[[Key], None],
        wake_all: Callable[[], None],
        roll: Callable[[Key, Presence | None, Presence | None], None],
        is_alive: Callable[[Key], bool],
        dated: Callable[[Manifest], Manifest] = lambda manifest: manifest,
        with_classes: bool = False,
    ) -> None:
        self.dated = dated
        self._wake = wake
        self._wake_all = wake_all
        self._is_alive = is_alive
        self._deleted: dict[Key, dict[Ref, str]] = {}
        self._expected: set[str] = set()
        self._interests: dict[Key, set[Key]] = {}
        self._children = {
            kind: children_informer(client, kind, namespaces, self._child_changed) for kind in CHILD_KINDS
        }
        self._engines_sought = asyncio.Event()
        made = partial(engine_objects_informer, client, sought=self._engines_sought, dated=dated)
        self._engines = {
            kind: made(kind, namespaces, self._child_changed, appeared=wake_all) for kind in ENGINE_KINDS
        }
        self._edge = EdgeInformers(
            client, namespaces, self._child_changed,
            wake_all=wake_all, with_classes=with_classes, dated=dated,
        )
        self._pods = pods_informer(client, namespaces, self._pod_changed)
        self._servers = server_informers(client, namespaces, self._pod_changed)
        self._records = records_informer(client, namespaces, self._about_changed, dated)
        told = self._about_changed
        self._asked = asked_informer(client, MAINTENANCE, namespaces, asked_of, told)
        self._orders = asked_informer(client, INSTANCE_BACKUP, namespaces, order_of, told)
        restored = lambda item: restore_of(dated(item))  # noqa: E731
        self._restores = asked_informer(client, INSTANCE_RESTORE, namespaces, restored, told)
        self._exports = asked_informer(client, INSTANCE_EXPORT, namespaces, export_of, told)
        self._nodes = nodes_informer(client, self._wake_all) if with_nodes else None
        self.marks = marks_informer(client, self._namespace_changed) if with_marks else None
        self.roll = Informer[Presence](
            client=client,
            kind=INSTANCE,
            namespaces=namespaces,
            metadata_only=True,
            reduce=presence_of,
            changed=roll,
        )

    def informers(self) -> Iterator[tuple[str, AnyInformer]]:
        """All informers but the roll, with the name of what they watch."""
        for kind, informer in self._children.items():
            yield kind.plural, informer
        for kind, informer in self._engines.items():
            yield f"{kind.plural}.{kind.group}", informer
        yield from self._edge.informers()
        yield POD.plural, self._pods
        for engine, servers in self._servers.items():
            yield f"{POD.plural} ({engine})", servers
        yield RECORD.plural, self._records
        yield MAINTENANCE.plural, self._asked
        yield INSTANCE_BACKUP.plural, self._orders
        yield INSTANCE_RESTORE.plural, self._restores
        yield INSTANCE_EXPORT.plural, self._exports
        if self._nodes is not None:
            yield NODE.plural, self._nodes
        if self.marks is not None:
            yield NAMESPACE.plural, self.marks

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.roll.run())
            for _, informer in self.informers():
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Wait until everything has been listed once."""
        await self.roll.synced()
        for _, informer in self.informers():
            await informer.synced()

    @property
    def nodes(self) -> tuple[Node, ...] | None:
        """All nodes, or None where they may not be read."""
        return None if self._nodes is None else tuple(self._nodes.store.values())

    def seek(self, spec: InstanceSpec) -> None:
        """What an instance wants, and is not installed, is looked for from now on."""
        if spec.database.engine != "external":
            self._engines_sought.set()
        if spec.edge is not None:
            self._edge.seek()

    def snapshot(self, key: Key) -> Snapshot:
        """What is known of an instance now."""
        found = self._gathered(key)
        children = found.children
        pods = [
            *self._pods.in_namespace(key.namespace).values(),
            *(pod for each in self._servers.values() for pod in each.in_namespace(key.namespace).values()),
        ]
        readings = self.readings(key)
        facts = facts_in(readings)
        live = cluster_of(key.name, database_in(facts))
        engine = engine_of(self._engines, key, children, live=live)
        services = self._children[SERVICE].in_namespace(key.namespace)
        edge = self._edge.state(key, children, iter(services.items()))
        gone = self._deleted.get(key, {})
        asked = self._asked.in_namespace(key.namespace).values()
        return Snapshot(
            children=children,
            deployments=found.deployments,
            stateful_sets=found.stateful_sets,
            jobs=found.jobs,
            pods=tuple(
                entry.pod
                for entry in pods
                if entry.instance == key.name and entry.cluster in ("", live)
            ),
            identity=found.identity,
            deleted={ref: uid for ref, uid in gone.items() if ref not in children},
            records=modifications_in(readings),
            facts=facts,
            readings=readings,
            asked=tuple(item for item in asked if item.instance == key.name),
            months=self.months(key),
            orders=self.orders(key),
            engine=engine,
            edge=edge,
            recovery=self._record(key, record_name(key.name)).recovery,
            restores=self.restores(key),
            tasks=found.tasks,
            verdicts=found.verdicts,
            escrowed=self._record(key, escrow.record_name(key.name)).escrowed,
            escrowing=tuple(sorted(found.escrowing, key=lambda attempt: attempt.made)),
            exports=self.exports(key),
            export_report=found.export_report,
            import_report=found.import_report,
            limiter_hash=found.limiter_hash,
            limiter=self._record(key, report_name(key.name)).limiter or (),
        )

    def _gathered(self, key: Key) -> Gathered:
        """An instance's children."""
        found = Gathered()
        named = {f"{key.name}-{suffix}" for suffix in (keys.OPERATOR_KEY, keys.LOGIN_KEY, keys.ADMIN)}
        for kind, informer in self._children.items():
            for name, entry in informer.in_namespace(key.namespace).items():
                # What is made once is known by its name: without its label it must not seem to be missing.
                if entry.instance == key.name or (kind == SECRET and name in named):
                    found.add(Ref(kind.kind, name), entry)
        return found

    def restores(self, key: Key) -> tuple[RestoreOrder, ...]:
        """The restores asked for of an instance, whether it exists or not."""
        found = self._restores.in_namespace(key.namespace).values()
        return tuple(order for order in found if order.instance == key.name)

    def orders(self, key: Key) -> tuple[Order, ...]:
        """The backups asked for of an instance, whether it exists or not."""
        found = self._orders.in_namespace(key.namespace).values()
        return tuple(order for order in found if order.instance == key.name)

    def exports(self, key: Key) -> tuple[ExportOrder, ...]:
        """The exports asked for of an instance, whether it exists or not."""
        found = self._exports.in_namespace(key.namespace).values()
        return tuple(order for order in found if order.instance == key.name)

    def child(self, namespace: str, ref: Ref) -> Child | None:
        """One child as last heard of."""
        entry = self._informer(KIND_BY_NAME[ref.kind]).in_namespace(namespace).get(ref.name)
        return None if entry is None else entry.child

    def records(self, key: Key) -> tuple[Record, ...]:
        """The recorded modifications of an instance."""
        return modifications_in(self.readings(key))

    def readings(self, key: Key) -> tuple[Reading, ...]:
        """The records of an instance."""
        found = self._records.in_namespace(key.namespace).values()
        return tuple(reading for reading in found if reading.instance == key.name)

    def months(self, key: Key) -> tuple[KeptMonth, ...]:
        """What is kept of an instance's service level."""
        entries = self._children[CONFIG_MAP].in_namespace(key.namespace).values()
        return tuple(
            entry.month for entry in entries if entry.instance == key.name and entry.month is not None
        )

    def _record(self, key: Key, name: str) -> Entry:
        """One of the ConfigMaps in which others tell of an instance; an empty one where there is none."""
        entry = self._children[CONFIG_MAP].in_namespace(key.namespace).get(name)
        return entry if entry is not None and entry.instance == key.name else NO_ENTRY

    def secret(self, instance: Key, name: str) -> Child | None:
        """A Secret in the instance's namespace, whosever it is; from now on its changes wake the instance."""
        self._interests.setdefault(Key(instance.namespace, name), set()).add(instance)
        entry = self._children[SECRET].in_namespace(instance.namespace).get(name)
        return None if entry is None else entry.child

    def learn(self, manifest: Manifest) -> None:
        """Take over the answer to a write of our own."""
        kind = KIND_BY_NAME[get_str(manifest, "kind")]
        stores: dict[Kind, AnyInformer] = {
            RECORD: self._records,
            MAINTENANCE: self._asked,
            INSTANCE_BACKUP: self._orders,
            INSTANCE_RESTORE: self._restores,
            INSTANCE_EXPORT: self._exports,
        }
        (stores.get(kind) or self._informer(kind)).put(manifest)

    def _informer(self, kind: Kind) -> Informer[Entry]:
        return self._engines.get(kind) or self._edge.kinds.get(kind) or self._children[kind]

    def expect_deletion(self, uid: str) -> None:
        """The object with this uid is being deleted by us: that is nobody's modification."""
        self._expected.add(uid)

    def settle(self, key: Key) -> None:
        """What was deleted has been made again: forget it."""
        self._deleted.pop(key, None)

    def forget(self, key: Key) -> None:
        """The instance is gone."""
        self._deleted.pop(key, None)
        for wanted in [name for name, who in self._interests.items() if key in who]:
            self._interests[wanted].discard(key)
            if not self._interests[wanted]:
                del self._interests[wanted]

    def _child_changed(self, key: Key, old: Entry | None, new: Entry | None) -> None:
        entry = new or old
        if entry is None:
            return
        for instance in self._interests.get(key, ()) if entry.child.ref.kind == SECRET.kind else ():
            self._wake(instance)
        if not entry.instance:
            return
        if old and new and old.limiter is not None and not is_news(old.limiter, new.limiter or ()):
            return
        owner = Key(key.namespace, entry.instance)
        if new is None and old is not None:
            if old.child.uid in self._expected:
                self._expected.discard(old.child.uid)
            elif self._is_alive(owner) and old.run is None:  # the engine prunes its backups
                self._deleted.setdefault(owner, {})[old.child.ref] = old.child.uid
        self._wake(owner)

    def _about_changed(self, key: Key, old: About | None, new: About | None) -> None:
        about = new or old
        if about is not None:
            self._wake(Key(key.namespace, about.instance))

    def _namespace_changed(self, key: Key, _old: str | None, mark: str | None) -> None:
        # Whom the label names is looked at too: an instance that went without us has left it behind.
        for name in {*self.roll.in_namespace(key.name), *([mark] if mark else [])}:
            self._wake(Key(key.name, name))

    def _pod_changed(self, key: Key, old: PodEntry | None, new: PodEntry | None) -> None:
        entry = new or old
        if entry is not None and entry.instance:
            self._wake(Key(key.namespace, entry.instance))


def kinds_to_read() -> tuple[Kind, ...]:
    """Every kind that the operator lists and watches, nodes and namespaces apart."""
    asked = (MAINTENANCE, INSTANCE_BACKUP, INSTANCE_RESTORE, INSTANCE_EXPORT)
    return (*CHILD_KINDS, *ENGINE_KINDS, *EDGE_KINDS, POD, RECORD, *asked, INSTANCE)
