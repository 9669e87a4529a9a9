"""Reads the certificates of ways in, once per version of their Secret.

A Secret comes whole from the API server; only `tls.crt` is looked at, and names and dates of it are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.objects import SECRET, Key
from dedicated.api.resource import Instance
from dedicated.cluster.errors import ApiError
from dedicated.contract.certificate import CertificateReading
from dedicated.controllers.secrets_reader import Getter, decoded
from dedicated.parts.edge import certificate
from dedicated.parts.edge.entry import tls_secret
from dedicated.reconcile.observed import Child


@dataclass(frozen=True, slots=True)
class _Known:
    version: tuple[str, str]
    reading: CertificateReading


class CertificateReader:
    """What was read. What `find` was asked for wakes the instance when it changes; `dated` gives a date in
    the contract's time."""

    def __init__(
        self,
        *,
        client: Getter,
        find: Callable[[Key, str], Child | None],
        dated: Callable[[datetime], datetime],
    ) -> None:
        self._client = client
        self._find = find
        self._dated = dated
        self._known: dict[Key, _Known] = {}

    async def read(self, instance: Instance) -> CertificateReading | None:
        """What the Secret holds; None where none is named. Raises `ApiError` where it cannot be read."""
        key, name = instance.meta.key, tls_secret(instance)
        if not name:
            self.forget(key)
            return None
        child = self._find(key, name)
        if child is None:
            self.forget(key)
            return certificate.reading_of(name, None)
        version = (child.uid, child.resource_version)
        known = self._known.get(key)
        if known is None or known.version != version or known.reading.secret != name:
            known = self._known[key] = _Known(version, await self._read(key, name))
        return self._in_contract_time(known.reading)

    def forget(self, key: Key) -> None:
        """The instance is gone, or names no Secret."""
        self._known.pop(key, None)

    async def _read(self, key: Key, name: str) -> CertificateReading:
        try:
            data = decoded(await self._client.get(SECRET, key.namespace, name))
        except ApiError as error:
            if not error.not_found:
                raise
            return certificate.reading_of(name, None)
        return certificate.reading_of(name, data)

    def _in_contract_time(self, reading: CertificateReading) -> CertificateReading:
        if (chain := reading.chain) is None:
            return reading
        behind = chain.behind_until
        moved = replace(
            chain, until=self._dated(chain.until), behind_until=self._dated(behind) if behind else None
        )
        return replace(reading, chain=moved)
