"""ContractRecords from a file or the cluster, in order of time, as they are shown and as rules read them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import RECORD_KIND
from dedicated.api.objects import Key
from dedicated.api.record import RecordSpec
from dedicated.api.words import instant
from dedicated.cli.manifests import read
from dedicated.contract import reading
from dedicated.contract.facts import Fact


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its name, its time, what it says, and the fact in it; None where rules ask for none of it."""

    name: str
    at: datetime
    spec: RecordSpec
    fact: Fact | None

    def says(self, spec: Manifest) -> bool:
        """Whether it says the same, whoever stated it."""
        other = RecordSpec.model_validate(spec)
        return self.spec == other.model_copy(update={"by": self.spec.by, "at": self.spec.at})


def records_in(file: str | None) -> list[Manifest]:
    """The records of a file; none without one. Raises Failure for one that cannot be read."""
    return read(file, RECORD_KIND, least=0) if file else []


def records_about(bodies: Iterable[Manifest], key: Key) -> tuple[Record, ...]:
    """The records of an instance in order of time, those of closed months at their places.

    A file of an instance may leave out the namespace: then those of any are taken.
    """
    found = {
        record.name: record
        for body in bodies
        if not key.namespace or get_str(body, "metadata", "namespace") in {"", key.namespace}
        for record in _records(body)
        if record.spec.instance == key.name
    }
    return tuple(sorted(found.values(), key=lambda record: (record.at, record.name)))


def facts_of(records: Iterable[Record]) -> tuple[Fact, ...]:
    """The facts of the contract in some records."""
    return tuple(record.fact for record in records if record.fact is not None)


def _records(body: Manifest) -> Iterator[Record]:
    """A record, and those rolled up in it; none of a form that this version does not know."""
    found, spec = reading.read(body), reading.spec_of(body)
    if found is None or spec is None:
        return
    facts = {fact.name: fact for fact in found.facts}
    yield Record(found.name, found.at, spec, facts.get(found.name))
    for item in spec.closed.records if spec.closed else ():
        rolled = reading.rolled_spec(item)
        if rolled is not None:
            yield Record(item.name, instant(item.at), rolled, facts.get(item.name))
