"""The label that marks the namespace of an instance: what it says now, and writing it.

The protection of instances (docs/security.md) knows their namespaces by it. With rights in the whole cluster
an informer tells; a Role allows no list and no watch of namespaces, so each is read once in the life of a
process.
Limit: with Roles only, a label that others take off is put back after the next start.
"""

import logging
from typing import Literal, Protocol

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import NAMESPACE, Kind
from dedicated.cluster.errors import ApiError
from dedicated.cluster.informer import Informer
from dedicated.reconcile.actions import MarkNamespace
from dedicated.reconcile.observed import mark_of

logger = logging.getLogger(__name__)

_POINTER = f"/metadata/labels/{LABEL_INSTANCE.replace('/', '~1')}"


class NamespaceClient(Protocol):
    """The part of `cluster.client.Client` that reads and marks namespaces."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """The object."""

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool = True) -> Manifest:
        """Server-side apply."""

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Manifest | list[JsonValue],
        *,
        content: Literal["merge", "json"],
        subresource: str = "",
    ) -> Manifest:
        """Patch."""


class Namespaces:
    """Marks of namespaces. `informer` is None where namespaces may not be watched."""

    def __init__(self, *, client: NamespaceClient, informer: Informer[str] | None) -> None:
        self._client = client
        self._informer = informer
        self._read: dict[str, str | None] = {}

    async def mark(self, namespace: str) -> str | None:
        """Name of the instance in a namespace's label, empty without one; None where it cannot be known."""
        if self._informer is not None:
            return self._informer.in_namespace("").get(namespace)
        if namespace not in self._read:
            try:
                self._read[namespace] = mark_of(await self._client.get(NAMESPACE, "", namespace))
            except ApiError as error:
                if not error.forbidden:
                    raise
                logger.error("namespace %s cannot be marked as protected: %s", namespace, error)
                self._read[namespace] = None
        return self._read[namespace]

    async def write(self, namespace: str, action: MarkNamespace) -> None:
        """Carry out the action. Raises `ApiError`, `invalid` where the label to take off is another one."""
        if action.instance:
            labels: Manifest = {LABEL_INSTANCE: action.instance}
            manifest: Manifest = {
                "apiVersion": NAMESPACE.api_version,
                "kind": NAMESPACE.kind,
                "metadata": {"name": namespace, "labels": labels},
            }
            made = await self._client.apply(NAMESPACE, manifest)
        else:
            patch: list[JsonValue] = [
                {"op": "test", "path": _POINTER, "value": action.was},
                {"op": "remove", "path": _POINTER},
            ]
            made = await self._client.patch(NAMESPACE, "", namespace, patch, content="json")
        if self._informer is not None:
            self._informer.put(made)
        else:
            self._read[namespace] = mark_of(made)

    async def release(self, namespace: str, instance: str) -> None:
        """Take off the label that names an instance which is gone, as far as it is known to be there.

        As a rule the deletion did it; not where somebody removed the finalizer by hand.
        """
        known = self._read.get(namespace) if self._informer is None else await self.mark(namespace)
        if known == instance:
            try:
                await self.write(namespace, MarkNamespace(was=instance))
            except ApiError as error:
                if not (error.not_found or error.invalid or error.forbidden):
                    raise
        self._read.pop(namespace, None)  # only now: a retry has to know what is left to do
