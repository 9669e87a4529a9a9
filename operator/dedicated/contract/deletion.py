"""Who may end an instance, and when (T-1, contract.md section 16): only a person, on record.

A confirmation is a record that names the incarnation (the instance's uid), so that an old one does not fit an
instance made again under the name. It is good for 7 days, in which the DELETE has to come; one that is stated
after the DELETE is good from then on. Who may confirm may withdraw, which takes back every confirmation until
then, of whoever stated it. No clock of the contract confirms anything.

The admission policy knows the object and not the records, so the status tells it who confirmed; what removes
data asks the record itself.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from dedicated.api.deletion import Confirmation, Deletion
from dedicated.api.instance import InstanceSpec
from dedicated.contract.ending import DeletionConfirmed, DeletionWithdrawn, FinalBackup
from dedicated.contract.facts import DatabaseRemoved, Fact

CLAUSE = "T-1"
VALID = timedelta(days=7)

F = TypeVar("F", DeletionConfirmed, DeletionWithdrawn, FinalBackup)


def deletion_of(spec: InstanceSpec) -> Deletion:
    """What the spec says of the end, with its defaults."""
    return spec.deletion or Deletion()


def people(spec: InstanceSpec) -> Confirmation:
    """Whether who deletes may be who confirmed. The chart's policy on DELETE says the same."""
    return deletion_of(spec).confirmation or ("TwoPeople" if spec.plan == "Advanced" else "OnePerson")


def confirmation(facts: Iterable[Fact], incarnation: str, *, at: datetime) -> DeletionConfirmed | None:
    """The newest confirmation that is good at an instant; None where there is none."""
    found = (fact for fact in _standing(facts, incarnation) if fact.at <= at < fact.at + VALID)
    return max(found, key=lambda fact: (fact.at, fact.name), default=None)


def confirmed(facts: Iterable[Fact], incarnation: str, *, deleted: datetime) -> DeletionConfirmed | None:
    """The confirmation that a deletion begun at an instant goes by: good then, or stated later."""
    found = (fact for fact in _standing(facts, incarnation) if deleted < fact.at + VALID)
    return min(found, key=lambda fact: (fact.at, fact.name), default=None)


def withdrawn(facts: Iterable[Fact], incarnation: str) -> DeletionWithdrawn | None:
    """The last word that takes back what was confirmed; None where there is none."""
    found = _of(DeletionWithdrawn, facts, incarnation)
    return max(found, key=lambda fact: (fact.at, fact.name), default=None)


def _standing(facts: Iterable[Fact], incarnation: str) -> list[DeletionConfirmed]:
    """The confirmations that nobody has taken back. Within a second what withholds is the later word."""
    known = tuple(facts)
    last = withdrawn(known, incarnation)
    found = _of(DeletionConfirmed, known, incarnation)
    return [fact for fact in found if last is None or fact.at > last.at]


def final_backup(facts: Iterable[Fact], incarnation: str) -> FinalBackup | None:
    """The final backup on record."""
    return next(iter(_of(FinalBackup, facts, incarnation)), None)


def removals(facts: Iterable[Fact], *, deleted: datetime) -> tuple[DatabaseRemoved, ...]:
    """The clusters that are on record as no longer needed since the instance was deleted."""
    return tuple(fact for fact in facts if isinstance(fact, DatabaseRemoved) and fact.at >= deleted)


def _of(kind: type[F], facts: Iterable[Fact], incarnation: str) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind) and fact.incarnation == incarnation]
