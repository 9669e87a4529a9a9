"""Carries out a plan: thin, restart-safe between any two requests, and the only writer of children.

What the API server refuses for good (a quota, a policy, a name that others took) becomes a `Failure`, told in
the next pass; what it cannot do now is raised and retried with back-off.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeGuard

from dedicated.api import instance_backup, instance_export, instance_restore, maintenance_request
from dedicated.api.json import JsonValue, Manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import (
    CONFIG_MAP,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    KIND_BY_NAME,
    MAINTENANCE,
    RECORD,
    SECRET,
    VOLUME_CLAIM,
    Kind,
)
from dedicated.api.resource import Instance, InvalidInstance
from dedicated.cluster.errors import ApiError
from dedicated.contract.records import Record, Statement, manifest_of, statement_of
from dedicated.controllers import material
from dedicated.controllers.namespaces import NamespaceClient, Namespaces
from dedicated.controllers.peers import peers_secret
from dedicated.controllers.refusals import refusal
from dedicated.controllers.roller import Ledger, roll_up
from dedicated.controllers.secrets_reader import SecretsReader, decoded
from dedicated.controllers.world import World
from dedicated.parts import keys
from dedicated.parts.database import monitor
from dedicated.parts.keys import Identity
from dedicated.reconcile.actions import (
    Action,
    Apply,
    Ask,
    CreateAdmin,
    CreateKeyPair,
    CreateMonitor,
    CreatePeers,
    Delete,
    EstablishIdentity,
    HandOver,
    MarkNamespace,
    RecordFact,
    RollUp,
    SetFinalizers,
    Tell,
)
from dedicated.reconcile.changes import reclaimed
from dedicated.reconcile.observed import Child, Failure, child_of
from dedicated.reconcile.removal import exchange_patch, removal_patch

STATUS_MOVES = 8
"""So often an apply is sent again because the child's version moved on without a change that matters."""

TOLD = {
    MAINTENANCE.kind: maintenance_request.STATUS_FIELDS,
    INSTANCE_BACKUP.kind: instance_backup.STATUS_FIELDS,
    INSTANCE_EXPORT.kind: instance_export.STATUS_FIELDS,
    INSTANCE_RESTORE.kind: instance_restore.STATUS_FIELDS,
}
"""What the status of an order can hold."""

logger = logging.getLogger(__name__)


class Writer(NamespaceClient, Ledger, Protocol):
    """The part of `cluster.client.Client` that writes children."""


class Executor:
    """Executes actions on children. Writes to the instance itself are the pass's own, see `reconciler`.

    `user` is who we are to the API server: the one who states the operator's facts.
    """

    def __init__(
        self,
        *,
        client: Writer,
        world: World,
        namespaces: Namespaces,
        secrets: SecretsReader,
        user: str,
        now: Callable[[], datetime],
    ) -> None:
        self._user = user
        self._client = client
        self._world = world
        self._namespaces = namespaces
        self._secrets = secrets
        self._now = now

    async def run(
        self, instance: Instance | InvalidInstance, stages: tuple[tuple[Action, ...], ...]
    ) -> tuple[Failure, ...]:
        """Stage by stage; one with a failure is the last. Raises `ApiError` where a retry may help."""
        for stage in stages:
            results = await asyncio.gather(
                *(self._one(instance, action) for action in stage), return_exceptions=True
            )
            unexpected = [result for result in results if isinstance(result, BaseException)]
            if unexpected:
                raise unexpected[0]
            failures = tuple(result for result in results if isinstance(result, Failure))
            if failures:
                return failures
        return ()

    async def _one(self, instance: Instance | InvalidInstance, action: Action) -> Failure | None:
        try:
            if isinstance(action, MarkNamespace):
                await self._namespaces.write(instance.meta.key.namespace, action)
                return None
            assert isinstance(instance, Instance)  # of others nothing is made
            failure = await self._act(instance, action)
        except ApiError as error:
            failure = refusal(action, error)
            if failure is None:
                raise
        if failure is not None:
            logger.warning(
                "%s: %s", failure.what, failure.message, extra={"key": str(instance.meta.key)}
            )
        return failure

    async def _act(self, instance: Instance, action: Action) -> Failure | None:
        match action:
            case EstablishIdentity():
                await self._establish_identity(instance)
            case CreateKeyPair(suffix):
                pair = await asyncio.to_thread(material.new_key_pair)
                secret = keys.key_pair_secret(
                    instance, suffix, private_pem=pair.private_pem, public_pem=pair.public_pem
                )
                await self._create_once(SECRET, secret)
            case CreateAdmin():
                await self._create_once(SECRET, keys.admin_secret(instance, material.new_password()))
            case CreateMonitor(secret):
                made = monitor.secret(instance, secret, material.new_password())
                await self._create_once(SECRET, made)
            case CreatePeers():
                secret = await peers_secret(self._client, instance, action, now=self._now())
                await self._create_once(SECRET, secret)
            case Apply():
                return await self._apply(instance, action)
            case Delete() | HandOver():
                await self._let_go(instance, action)
            case RecordFact() | RollUp() | Ask() | Tell():
                return await self._write_down(instance, action)
            case SetFinalizers() | MarkNamespace():
                raise AssertionError("written elsewhere")
        return None

    async def _held_by(self, namespace: str, action: Delete) -> bool:
        """Give an object a finalizer beside those that it has; False where it is gone, or another one."""
        kind, finalizer = KIND_BY_NAME[action.ref.kind], action.finalizer
        try:
            live = get_map(await self._client.get(kind, namespace, action.ref.name), "metadata")
        except ApiError as error:
            if not error.not_found:
                raise
            return False
        held, version = get_list(live, "finalizers"), get_str(live, "resourceVersion")
        if get_str(live, "uid") == action.uid and finalizer not in held:
            body: Manifest = {"metadata": {"finalizers": [*held, finalizer], "resourceVersion": version}}
            await self._client.patch(kind, namespace, action.ref.name, body, content="merge")
        return get_str(live, "uid") == action.uid

    async def _establish_identity(self, instance: Instance) -> None:
        """Masterkey first, identity right after it: see `parts.keys` for why in this order."""
        ref = keys.masterkey_ref(instance)
        if instance.spec.keys is not None or self._world.secret(instance.meta.key, ref.name) is not None:
            secret = await self._client.get(SECRET, instance.namespace, ref.name)
        else:
            secret = await self._create_once(
                SECRET, keys.masterkey_secret(instance, material.new_masterkey())
            )
        salt = material.new_salt()
        taken = keys.fingerprint(decoded(secret)[ref.key], salt=salt)
        wanted = keys.identity_config_map(instance, Identity(salt=salt, masterkey=taken))
        kept = await self._create_once(CONFIG_MAP, wanted)
        data = kept.get("data")
        identity = Identity(salt=get_str(data, "salt"), masterkey=get_str(data, "masterkey"))
        self._secrets.learn_masterkey(instance, secret, identity)

    async def _create_once(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create; where the name exists, what exists stands."""
        try:
            made = await self._client.create(kind, manifest)
        except ApiError as error:
            if not error.conflict:
                raise
            namespace = get_str(manifest, "metadata", "namespace")
            made = await self._client.get(kind, namespace, get_str(manifest, "metadata", "name"))
        self._world.learn(made)
        return made

    async def _apply(self, instance: Instance, action: Apply) -> Failure | None:
        """Keep the fact, then repair. A child that seems deleted is looked for first: one that has only lost
        its label was not deleted, and what was done to it is another fact."""
        if action.fresh and action.record is not None:
            action = await self._hidden(instance, action) or action
        failure = await self._repaired(action.record, instance.namespace) if action.record else None
        try:
            await self._send(action)
        except ApiError as error:
            if not action.fresh or not error.conflict:
                raise
            hidden = await self._hidden(instance, action)
            if hidden is None:
                raise
            failure = await self._repaired(hidden.record, instance.namespace) if hidden.record else None
            await self._send(hidden)
        return failure

    async def _repaired(self, record: Record, namespace: str) -> Failure | None:
        """Record a modification. A record that is refused for good must not leave the instance unrepaired:
        whoever can fill a quota would have that power."""
        fact = record.modification
        failure = await self._keep(statement_of(record), namespace)
        text = f"change by {fact.manager} ({fact.operation}) repaired, "
        return failure and replace(failure, what=fact.object, message=text + failure.message)

    async def _keep(self, statement: Statement, namespace: str) -> Failure | None:
        """Create a record, or find it made already."""
        manifest = manifest_of(statement, namespace=namespace, by=self._user)
        try:
            made = await self._client.create(RECORD, manifest)
        except ApiError as error:
            if error.conflict:
                return None  # the answer to its creation was lost: the watch brings it
            if error.forbidden or error.invalid or error.not_found:
                text = f"not recorded: {error.message}"
                return Failure(what=f"fact {statement.fact}", reason="RecordRefused", message=text)
            raise
        self._world.learn(made)
        return None

    async def _write_down(
        self, instance: Instance, action: RecordFact | RollUp | Ask | Tell
    ) -> Failure | None:
        """What concerns the ledger and its requests."""
        match action:
            case RecordFact(statement):
                return await self._keep(statement, instance.namespace)
            case RollUp():
                return await roll_up(self._client, self._world, instance, action, user=self._user)
            case Ask(manifest):
                await self._ask(manifest)
            case Tell():
                await self.tell(instance.namespace, action)
        return None

    async def _ask(self, manifest: Manifest) -> None:
        """Create an order, or find it made already: the watch brings it."""
        kind = KIND_BY_NAME[get_str(manifest, "kind")]
        try:
            self._world.learn(await self._client.create(kind, manifest))
        except ApiError as error:
            if not error.conflict:
                raise

    async def tell(self, namespace: str, action: Tell) -> None:
        """Write the status of an order, unless it is gone."""
        whole: Manifest = {"status": {**dict.fromkeys(TOLD[action.kind]), **action.status}}
        kind = KIND_BY_NAME[action.kind]
        try:
            made = await self._client.patch(
                kind, namespace, action.name, whole, content="merge", subresource="status"
            )
        except ApiError as error:
            if not error.not_found:
                raise
        else:
            self._world.learn(made)

    async def _send(self, action: Apply) -> None:
        kind = KIND_BY_NAME[action.ref.kind]
        try:
            made = await self._apply_over(kind, action)
        except ApiError as error:
            if not action.remove or not error.invalid:
                raise
            live = await self._get(kind, action)
            exchange = exchange_patch(live, action.manifest, action.remove)
            patched = child_of(await self._patch(kind, action, exchange))
            made = await self._client.apply(kind, at_version(action.manifest, patched))
        patch = removal_patch(made, action.remove)
        if patch:
            made = await self._patch(kind, action, patch)
        self._world.learn(made)

    async def _apply_over(self, kind: Kind, action: Apply) -> Manifest:
        """Apply to nothing, or to the child that was judged and to no other state of it.

        What does not matter to the judgement (a Deployment's status, above all) may move meanwhile.
        """
        if action.seen is None:
            return await self._client.apply(kind, action.manifest, force=False)
        heard = self._world.child(action.namespace, action.ref)
        live, left = heard if is_same(heard, action.seen) else action.seen, STATUS_MOVES
        while True:
            try:
                return await self._client.apply(kind, at_version(action.manifest, live))
            except ApiError as error:
                found = await self._find(kind, action) if error.conflict and left else None
                if not is_same(found, live):
                    raise
            live, left = found, left - 1

    async def _find(self, kind: Kind, action: Apply) -> Child | None:
        try:
            return child_of(await self._get(kind, action))
        except ApiError as error:
            if not error.not_found:
                raise
            return None

    async def _hidden(self, instance: Instance, action: Apply) -> Apply | None:
        """What to do where the child is there after all; None where it is not, or is not ours."""
        child = await self._find(KIND_BY_NAME[action.ref.kind], action)
        if child is None:
            return None
        known = self._world.records(instance.meta.key)
        return reclaimed(instance, action, child, known=known, now=self._now())

    async def _get(self, kind: Kind, action: Apply) -> Manifest:
        return await self._client.get(kind, action.namespace, action.ref.name)

    async def _patch(self, kind: Kind, action: Apply, patch: list[JsonValue]) -> Manifest:
        return await self._client.patch(kind, action.namespace, action.ref.name, patch, content="json")

    async def _let_go(self, instance: Instance, action: Delete | HandOver) -> None:
        """Whichever it is, the uid lets it reach no object but the one that was seen."""
        if isinstance(action, Delete):
            ref, uid = action.ref, action.uid
            if action.finalizer and not await self._held_by(instance.namespace, action):
                return
            if ref.kind != VOLUME_CLAIM.kind:  # nobody hears of its end
                self._world.expect_deletion(uid)
            await self._gone(
                self._client.delete(KIND_BY_NAME[ref.kind], instance.namespace, ref.name, uid=uid)
            )
            return
        kind, name = KIND_BY_NAME[action.seen.ref.kind], action.seen.ref.name
        metadata: Manifest = {
            "uid": action.seen.uid, "labels": {LABEL_INSTANCE: None}, "ownerReferences": None,
        }  # fmt: skip
        body: Manifest = {"metadata": metadata}
        self._world.learn(
            await self._client.patch(kind, instance.namespace, name, body, content="merge")
        )

    async def _gone(self, deletion: Awaitable[None]) -> None:
        try:
            await deletion
        except ApiError as error:
            if not error.not_found and not error.conflict:
                raise


def is_same(found: Child | None, judged: Child) -> TypeGuard[Child]:
    """Whether a child is what was judged, at whatever version."""
    return found is not None and replace(found, resource_version=judged.resource_version) == judged


def at_version(manifest: Manifest, child: Child) -> Manifest:
    """The manifest to apply to this very state of a child: the API server answers 409 for any other one.

    The version alone would not do: it is ignored where nothing of that name exists any more.
    """
    named: Manifest = {"uid": child.uid, "resourceVersion": child.resource_version}
    return {**manifest, "metadata": {**get_map(manifest, "metadata"), **named}}
