"""An instance and its records, from the cluster or from files: what the reading commands begin with."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from dedicated.api.conditions import shorten
from dedicated.api.json import Manifest, get_str
from dedicated.api.names import KIND
from dedicated.api.objects import INSTANCE, RECORD
from dedicated.api.resource import Instance, parse_instance
from dedicated.cli.facts import Record, facts_of, records_about, records_in
from dedicated.cli.frame import Cluster
from dedicated.cli.manifests import read
from dedicated.cli.terminal import FOUND, Failure
from dedicated.contract.facts import Fact
from dedicated.contract.recovery.restore import database_in
from dedicated.contract.terms import terms_in_force
from dedicated.reconcile.obligations import Obligations, obligations
from dedicated.reconcile.observed import Observed

if TYPE_CHECKING:
    from dedicated.cluster.client import Client


@dataclass(frozen=True, slots=True)
class Source:
    """An instance's body, read, with the records about it in order of time."""

    body: Manifest
    instance: Instance
    records: tuple[Record, ...]

    @property
    def owner(self) -> str:
        """namespace/name; the name alone where a file names no namespace."""
        return str(self.instance.meta.key).removeprefix("/")

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts of the contract."""
        return facts_of(self.records)

    @property
    def zone(self) -> str:
        """The contract zone in force (K-1)."""
        terms, _ = terms_in_force(self.instance.spec, identity=self.owner, agreed=())
        return terms.zone

    def owed(self, now: datetime) -> Obligations:
        """What the contract's clocks say at an instant, by what is recorded until then."""
        return obligations(self.instance, Observed(facts=self.facts), now=now)


def source_from(body: Manifest, records: list[Manifest]) -> Source:
    """An instance that is valid. Raises Failure for one that is not."""
    instance = parse_instance(body)
    if not isinstance(instance, Instance):
        path, reason = instance.problems[0]
        name = get_str(body, "metadata", "name")
        text = f"{name}: {path}: {shorten(reason, 200)}; dedicated check -f FILE tells all"
        raise Failure(text, exit_code=FOUND)
    about = records_about(records, instance.meta.key)
    return Source(body, replace(instance, database=database_in(facts_of(about))), about)


def in_files(file: str, records: str | None) -> Source:
    """The one instance of a file, with the records of another. Raises Failure, and UsageError for several."""
    found = read(file, KIND)
    if len(found) > 1:
        raise click.UsageError(f"{file} holds {len(found)} instances; name a file with one")
    return source_from(found[0], records_in(records))


def in_cluster(name: str, cluster: Cluster) -> Source:
    """An instance of the cluster with all its records. Raises Failure."""
    from dedicated.cli.cluster import ask

    async def load(client: "Client", namespace: str) -> Source:
        body = await client.get(INSTANCE, namespace, name)
        records, _ = await client.list(RECORD, namespace)
        return source_from(body, records)

    return ask(cluster, load)


def source_of(name: str | None, *, file: str | None, records: str | None, cluster: Cluster) -> Source:
    """An instance by its name in the cluster, or by its file. Raises Failure, and UsageError for both."""
    if (name is None) == (file is None):
        raise click.UsageError("name an instance of the cluster, or its file by -f")
    if name is None:
        return in_files(str(file), records)
    if records is not None:
        raise click.UsageError("--records goes with -f: the records of NAME are in the cluster")
    return in_cluster(name, cluster)
