"""Deviations in writing (G-3, K-9, K-10): a looser value holds only while its agreement does.

An agreement holds for a clause where the spec names its record under that clause and the record is one of
the provider's on that clause, in force now. Without one the contract's own value stays in force, and a
finding says so: nothing is torn down, nothing is loosened by an entry in a file.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from dedicated.api.findings import Finding
from dedicated.api.instance import CONTRACT_ZONES, InstanceSpec
from dedicated.contract.facts import Agreed, Fact


def clauses_in_force(spec: InstanceSpec, facts: Iterable[Fact], *, now: datetime) -> frozenset[str]:
    """The clauses of which a looser value holds now."""
    return frozenset(fact.clause for fact in _named(spec, facts) if fact.in_force(now))


def next_change(spec: InstanceSpec, facts: Iterable[Fact], *, now: datetime) -> datetime | None:
    """When the next agreement that the spec names begins or ends; None if none does."""
    found = _named(spec, facts)
    dates = [date for fact in found for date in (fact.valid_from, fact.valid_until) if date and date > now]
    return min(dates, default=None)


def _named(spec: InstanceSpec, facts: Iterable[Fact]) -> list[Agreed]:
    named = {(agreement.clause, agreement.record) for agreement in spec.agreements}
    return [fact for fact in facts if isinstance(fact, Agreed) and (fact.clause, fact.name) in named]


def zones_in_force(spec: InstanceSpec, *, agreed: Collection[str]) -> tuple[int, tuple[Finding, ...]]:
    """The number of zones to spread over (S-2), and what is to be said about it."""
    wanted = spec.infrastructure.zones.minimum
    if wanted >= CONTRACT_ZONES or "S-2" in agreed:
        return wanted, ()
    named = ", ".join(item.record for item in spec.agreements if item.clause == "S-2") or "none"
    return CONTRACT_ZONES, (
        Finding(
            code="AgreementNotValid",
            responsible="Provider",
            message=f"spec.infrastructure.zones.minimum is {wanted}, the contract's is {CONTRACT_ZONES} "
            f"(S-2); the agreement named ({named}) has no valid ContractRecord, "
            f"so {CONTRACT_ZONES} stays in force",
            action=f"record the agreement, or set infrastructure.zones.minimum to {CONTRACT_ZONES}",
        ),
    )
