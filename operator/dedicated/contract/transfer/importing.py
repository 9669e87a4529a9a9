"""An import (`spec.from`): whether it was done, where its data came from, and what is recorded of it.

It is done once, and that it was is a fact of the ledger: after a restart, drift, or a deletion that left the
database standing, what is on record is not imported again. A database that went with its instance, on record,
is another matter: an instance made again under the name begins anew.
"""

from collections.abc import Iterable

from dedicated.api.conditions import rfc3339, shorten
from dedicated.api.json import Manifest
from dedicated.api.source import Source
from dedicated.contract.facts import DatabaseRemoved, Fact, Restored
from dedicated.contract.places import place_of_bucket
from dedicated.contract.records import Statement
from dedicated.contract.transfer.imported import Imported

FOUND_LENGTH = 500


def standing(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The facts without those that tell of databases in a cluster that is lost: they were brought back."""
    return tuple(fact for fact in facts if not (isinstance(fact, Restored | Imported) and fact.brought))


def is_imported(facts: Iterable[Fact], *, incarnation: str, cluster: str) -> bool:
    """Whether the database of an instance has what it was to begin with. `cluster` is the first one's name,
    empty with an external database, of which only an incarnation of its own is known."""
    known = tuple(facts)
    return any(
        isinstance(fact, Imported)
        and (fact.incarnation == incarnation or (cluster != "" and fact.cluster == cluster))
        and not _went_since(known, fact)
        for fact in known
    )


def _went_since(facts: Iterable[Fact], begun: Imported) -> bool:
    """Whether the database went with its instance afterwards."""
    gone = (fact for fact in facts if isinstance(fact, DatabaseRemoved) and fact.restore is None)
    return begun.cluster != "" and any(one.cluster == begun.cluster and one.at >= begun.at for one in gone)


def origin_of(source: Source) -> str:
    """Where it comes from, in words without a secret."""
    stored = source.export or source.backup
    if stored is not None:
        return f"s3://{stored.bucket}/{stored.folder} at {stored.endpoint}"
    assert source.database is not None
    return f"the database of Secret {source.database.secret_name}"


def place_of(source: Source) -> str:
    """Where that is, as the map of places writes it; empty where it is not known."""
    stored = source.export or source.backup
    return place_of_bucket(stored.endpoint, stored.region) if stored else ""


def imported(instance: str, fact: Imported) -> Statement:
    """The statement that an incarnation has what it was to begin with."""
    told: Manifest = {
        "source": fact.source,
        "origin": shorten(fact.origin, FOUND_LENGTH),
        "found": shorten(fact.found, FOUND_LENGTH),
        "started": rfc3339(fact.started),
        "ended": rfc3339(fact.ended),
        "size": fact.size,
    }
    texts = {"place": fact.place, "cluster": fact.cluster, "manifestSha256": fact.manifest_sha256}
    told |= {key: text for key, text in texts.items() if text}
    if fact.point is not None:
        told["point"] = rfc3339(fact.point)
    if fact.expected is not None:
        told["expectedSeconds"] = int(fact.expected.total_seconds())
    fields: Manifest = {"incarnation": fact.incarnation, "imported": told}
    return Statement(f"{instance}-imported-{fact.incarnation[:8]}", instance, "Imported", fields)
