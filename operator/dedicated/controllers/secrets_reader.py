"""Reads the two Secrets whose content matters, once per version of them, and keeps judgements only.

The masterkey itself is never kept: its fingerprint, and a key derived from it that marks the database
Secret's content. A version (uid and resourceVersion) that was read once is not asked for again.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from dedicated.api.json import Manifest, get_map
from dedicated.api.objects import SECRET, Key, Kind
from dedicated.api.resource import Instance
from dedicated.cluster.errors import ApiError
from dedicated.controllers.world import World
from dedicated.parts import keys
from dedicated.parts.database import external
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.database.external import DatabaseReading
from dedicated.parts.keys import Identity, MasterkeyReading
from dedicated.reconcile.observed import Child


class Getter(Protocol):
    """The part of `cluster.client.Client` that the reader needs."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""


@dataclass(frozen=True, slots=True)
class _Masterkey:
    version: tuple[str, str, Identity | None]
    reading: MasterkeyReading
    mark_key: bytes


@dataclass(frozen=True, slots=True)
class _Database:
    version: tuple[str, str, bytes]
    reading: DatabaseReading


class SecretsReader:
    """Readings of masterkey and database Secrets, by instance."""

    def __init__(self, *, client: Getter, world: World) -> None:
        self._client = client
        self._world = world
        self._masterkeys: dict[Key, _Masterkey] = {}
        self._databases: dict[Key, _Database] = {}

    async def read(
        self, instance: Instance, identity: Identity | None
    ) -> tuple[MasterkeyReading, DatabaseReading]:
        """Both readings. Raises `ApiError` where a Secret that exists cannot be read."""
        key = instance.meta.key
        masterkey = await self._masterkey(instance, identity)
        if masterkey is None:  # without it the database Secret cannot be marked
            return MasterkeyReading(found=False), DatabaseReading(found=False)
        reading = masterkey.reading
        connection = adapter_of(instance).connection(instance)
        name = connection.secret
        child = self._world.secret(key, name)
        if child is None:
            self._databases.pop(key, None)
            return reading, DatabaseReading(found=False)
        version = (child.uid, child.resource_version, masterkey.mark_key)
        known = self._databases.get(key)
        if known is None or known.version != version:
            data = await self._data(key.namespace, name)
            if data is None:
                return reading, DatabaseReading(found=False)
            if instance.spec.database.engine != "external":
                data = {field: data[key] for field, key in connection.keys.items() if key in data}
            known = _Database(version, external.read_secret(data, mark_key=masterkey.mark_key))
            self._databases[key] = known
        return reading, known.reading

    def learn_masterkey(self, instance: Instance, secret: Manifest, identity: Identity) -> None:
        """Take over a masterkey that was just created or read, so that it is not asked for again."""
        child_uid = get_map(secret, "metadata")
        version = (str(child_uid.get("uid", "")), str(child_uid.get("resourceVersion", "")), identity)
        self._masterkeys[instance.meta.key] = _remembered(instance, version, decoded(secret), identity)

    def forget(self, key: Key) -> None:
        """The instance is gone."""
        self._masterkeys.pop(key, None)
        self._databases.pop(key, None)

    async def _masterkey(self, instance: Instance, identity: Identity | None) -> _Masterkey | None:
        key = instance.meta.key
        ref = keys.masterkey_ref(instance)
        child: Child | None = self._world.secret(key, ref.name)
        if child is None:
            self._masterkeys.pop(key, None)
            return None
        version = (child.uid, child.resource_version, identity)
        known = self._masterkeys.get(key)
        if known is None or known.version != version:
            data = await self._data(key.namespace, ref.name)
            if data is None:
                return None
            known = self._masterkeys[key] = _remembered(instance, version, data, identity)
        return known

    async def _data(self, namespace: str, name: str) -> dict[str, bytes] | None:
        try:
            return decoded(await self._client.get(SECRET, namespace, name))
        except ApiError as error:
            if error.not_found:
                return None
            raise


def decoded(secret: Manifest) -> dict[str, bytes]:
    """The data of a Secret. What is no base64 counts as empty."""
    found: dict[str, bytes] = {}
    for name, value in get_map(secret, "data").items():
        try:
            found[name] = base64.b64decode(value) if isinstance(value, str) else b""
        except binascii.Error:
            found[name] = b""
    return found


def _remembered(
    instance: Instance,
    version: tuple[str, str, Identity | None],
    data: dict[str, bytes],
    identity: Identity | None,
) -> _Masterkey:
    field = keys.masterkey_ref(instance).key
    reading = keys.read_masterkey(data, key=field, identity=identity)
    mark_key = hashlib.sha256(b"database mark\0" + data.get(field, b"")).digest()
    return _Masterkey(version, reading, mark_key)
