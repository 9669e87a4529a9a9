"""The full audit of one instance against the API server: rare reads, and no write.

All judgement is `reconcile.audit`'s. An audit lists the children with their content, one request per kind;
what looks forged is tried as a dry run, so that nobody is accused of what the API server itself would write.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal, Protocol

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import LABEL_INSTANCE
from dedicated.api.objects import KIND_BY_NAME, Key, Kind, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.cluster.client import JsonPatch, Manifests
from dedicated.cluster.errors import ApiError
from dedicated.reconcile import audit
from dedicated.reconcile.drift import Drift
from dedicated.reconcile.removal import removal_patch


class Reader(Protocol):
    """The part of `cluster.client.Client` that an audit needs."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[Manifests, str]:
        """All objects, and their resourceVersion."""

    async def apply(
        self, kind: Kind, manifest: Manifest, *, force: bool = True, dry_run: bool = False
    ) -> Manifest:
        """Server-side apply."""

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Manifest | JsonPatch,
        *,
        content: Literal["merge", "json"],
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        """Patch."""


class Auditor:
    """Audits instances, each at moments of its own, `every` so often; `now` is timezone-aware."""

    def __init__(self, *, client: Reader, every: timedelta, now: Callable[[], datetime]) -> None:
        self._client = client
        self._every = every
        self._now = now
        self._due: dict[Key, datetime] = {}

    def due(self, key: Key) -> datetime:
        """When the instance is to be audited next."""
        if key not in self._due:
            self._due[key] = audit.first_audit(key, now=self._now(), every=self._every)
        return self._due[key]

    def forget(self, key: Key) -> None:
        """The instance is gone."""
        self._due.pop(key, None)

    async def audit(self, instance: Instance, standing: tuple[Manifest, ...]) -> Mapping[Ref, Drift]:
        """What was forged of the children that these manifests made. After an `ApiError` it is still due."""
        found: dict[Ref, Drift] = {}
        selector = f"{LABEL_INSTANCE}={instance.name}"
        for name, manifests in audit.manifests_by_kind(standing).items():
            kind = KIND_BY_NAME[name]
            items, _ = await self._client.list(kind, instance.namespace, selector=selector)
            live = {ref_of(item): item for item in items}
            for manifest in manifests:
                ref = ref_of(manifest)
                drift = audit.suspicion(manifest, live[ref]) if ref in live else None
                drift = drift and await self._confirmed(kind, manifest, live[ref], drift)
                if drift is not None:
                    found[ref] = drift
        key = instance.meta.key
        self._due[key] = audit.next_audit(key, after=self._now(), every=self._every)
        return found

    async def _confirmed(self, kind: Kind, manifest: Manifest, live: Manifest, drift: Drift) -> Drift | None:
        """The suspicion after dry runs of its repair; a repair that would be refused confirms it whole."""
        namespace, name = get_str(live, "metadata", "namespace"), get_str(live, "metadata", "name")
        patch = removal_patch(live, drift.added)
        try:
            applied = await self._client.apply(kind, manifest, dry_run=True)
            removed = live
            if patch:
                removed = await self._client.patch(
                    kind, namespace, name, patch, content="json", dry_run=True
                )
        except ApiError as error:
            if error.forbidden or error.invalid:
                return drift
            raise
        return audit.confirmed(drift, live, applied=applied, removed=removed)
