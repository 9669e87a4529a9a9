"""From a spec and its agreements to the terms that the clocks are computed by (M-1 to M-4, K-1, G-3).

What the spec asks for and the contract does not allow is left out, the contract's own value stays in force,
and a finding says so. Nothing here stops anything: an instance with windows that cannot be used still runs.
"""

from collections.abc import Collection
from datetime import time

from dedicated.api.duration import parse_duration
from dedicated.api.findings import Finding
from dedicated.api.instance import InstanceSpec
from dedicated.api.maintenance import CONTRACT_ZONE, MaintenancePolicy
from dedicated.api.words import instant
from dedicated.contract.calendar import Calendar, Freeze, Window
from dedicated.contract.dates import UnknownZoneError, zone_info
from dedicated.contract.floor import calendar_in_force, is_flexible
from dedicated.contract.permission import Terms


def terms_in_force(
    spec: InstanceSpec, *, identity: str, agreed: Collection[str]
) -> tuple[Terms, tuple[Finding, ...]]:
    """The terms that hold, and what of the spec does not.

    `identity` spreads the provider's own window over the fleet; `agreed` are the clauses with a valid
    agreement.
    """
    policy = spec.maintenance or MaintenancePolicy()
    zone, findings = _zone(policy)
    wanted = calendar_of(policy, zone=zone)
    calendar, left_out = calendar_in_force(wanted, plan=spec.plan, identity=identity, agreed=agreed)
    findings += left_out
    approval = policy.approval
    if approval == "Required" and not is_flexible(spec.plan, agreed):
        approval = "Automatic"
        findings += (
            Finding(
                code="ApprovalNotInPlan",
                responsible="Customer",
                message=f"spec.maintenance.approval is Required, plan {spec.plan} permits by itself (M-1), "
                "so Automatic stays in force",
                action="set approval to Automatic, or record an agreement on M-4",
            ),
        )
    terms = Terms(
        plan=spec.plan,
        infrastructure=spec.infrastructure.class_,
        calendar=calendar,
        agreed=any(window in wanted.windows for window in calendar.windows),
        approval=approval,
    )
    return terms, findings


def calendar_of(policy: MaintenancePolicy, *, zone: str) -> Calendar:
    """Windows and freezes as the spec states them."""
    return Calendar(
        zone,
        tuple(
            Window(window.recurrence, time.fromisoformat(window.start), parse_duration(window.duration))
            for window in policy.windows
        ),
        tuple(
            Freeze(instant(freeze.from_), instant(freeze.until), freeze.reason) for freeze in policy.freezes
        ),
    )


def _zone(policy: MaintenancePolicy) -> tuple[str, tuple[Finding, ...]]:
    try:
        zone_info(policy.time_zone)
    except UnknownZoneError as error:
        return CONTRACT_ZONE, (
            Finding(
                code="TimeZoneUnknown",
                responsible="Customer",
                message=f"spec.maintenance.timeZone: {error}; until then {CONTRACT_ZONE} is in force (K-1)",
                action=f"name an IANA time zone, such as {CONTRACT_ZONE}",
            ),
        )
    return policy.time_zone, ()
