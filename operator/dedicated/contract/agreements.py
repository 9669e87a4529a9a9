"""Deviations in writing (G-3, K-9): a looser value holds only while its agreement does.

Without a valid agreement the contract's own value stays in force, and a finding says so: nothing is
torn down, nothing is loosened by an entry in a file. `valid` are the names of the agreement records
in force now; an operator that cannot read records has none.
"""

from collections.abc import Collection

from dedicated.api.findings import Finding
from dedicated.api.instance import CONTRACT_ZONES, InstanceSpec


def zones_in_force(spec: InstanceSpec, *, valid: Collection[str]) -> tuple[int, tuple[Finding, ...]]:
    """The number of zones to spread over (S-2), and what is to be said about it."""
    wanted = spec.infrastructure.zones.minimum
    if wanted >= CONTRACT_ZONES:
        return wanted, ()
    records = [agreement.record for agreement in spec.agreements if agreement.clause == "S-2"]
    if any(record in valid for record in records):
        return wanted, ()
    named = ", ".join(records) or "none"
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
