"""The engines that there are, and whose object is whose."""

from dedicated.api.database import Engine
from dedicated.api.resource import Instance
from dedicated.parts.database.cloudnative_pg import CLOUDNATIVE_PG
from dedicated.parts.database.engine import Adapter
from dedicated.parts.database.external import EXTERNAL
from dedicated.parts.database.percona import PERCONA

ADAPTERS: dict[Engine, Adapter] = {
    adapter.engine: adapter for adapter in (EXTERNAL, PERCONA, CLOUDNATIVE_PG)
}
BY_CLUSTER = {adapter.cluster_kind.kind: adapter for adapter in ADAPTERS.values() if adapter.cluster_kind}
"""Kind of the cluster object -> engine."""
BY_BACKUP = {adapter.backup_kind.kind: adapter for adapter in ADAPTERS.values() if adapter.backup_kind}
"""Kind of the backup object -> engine."""


def adapter_of(instance: Instance) -> Adapter:
    """The engine of an instance."""
    return ADAPTERS[instance.spec.database.engine]
