"""How far an import (`spec.from`) is, as one pass knows it: what it holds up, makes, records and tells."""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.findings import Finding
from dedicated.api.json import Manifest
from dedicated.api.objects import Ref
from dedicated.contract.transfer.imported import Imported


@dataclass(frozen=True, slots=True)
class Arrival:
    """`waiting` says why ZITADEL may not be set up yet; empty where nothing is imported, or all of it was.

    `manifests` stand beside the instance until it is on record, `replaced` are those of them that are made
    anew, `fact` is what is to be recorded now, `status` what the instance's status tells.
    """

    waiting: str = ""
    findings: tuple[Finding, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    replaced: frozenset[Ref] = frozenset()
    fact: Imported | None = None
    status: Manifest | None = None
    wake_at: datetime | None = None


NOTHING = Arrival()
"""Nothing is imported."""
