"""The service level in a pass: judged, shown in the status, and kept month by month (A-1 to A-9).

Figures that move by themselves are told by instants, and minutes that were not measured in steps of
`UNKNOWN_STEP` until the month is over: so a restart of the operator moves no status.
`circumstances` is the one place where facts of the contract come in.
"""

from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import Condition, rfc3339
from dedicated.api.findings import Finding
from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import CONFIG_MAP, Ref, ref_of
from dedicated.api.resource import Instance
from dedicated.contract import exclusions, service_level, service_level_conditions
from dedicated.contract.dates import Month, month_of
from dedicated.contract.downtime import Record
from dedicated.contract.holidays import swiss_holidays
from dedicated.contract.objectives import Objectives, objectives
from dedicated.contract.service_level import (
    MONTHS,
    Circumstances,
    Judgement,
    Level,
    Promise,
)
from dedicated.parts import measured
from dedicated.reconcile.actions import Action, Apply, Delete
from dedicated.reconcile.obligations import Obligations
from dedicated.reconcile.observed import Observed

UNKNOWN_STEP = 40
"""Minutes; less than 0.1 % of the shortest month."""


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """What is said about it. `judgement` is None before the instance is measured."""

    judgement: Judgement | None
    conditions: tuple[Condition, Condition]
    findings: tuple[Finding, ...]

    @property
    def wake_at(self) -> datetime | None:
        """When it changes by itself."""
        return None if self.judgement is None else self.judgement.next_change


def judge(
    instance: Instance, observed: Observed, owed: Obligations, promised: Objectives, *, now: datetime
) -> ServiceLevel:
    """Judge what was measured by what is promised and owed."""
    zone = owed.terms.zone
    agreed = Promise(
        objective=promised.availability,
        zone=zone,
        own_entry=instance.spec.infrastructure.owner == "Customer",
        past=measured.objectives_of(observed.measured.kept),
    )
    found = service_level.judge(observed.measured.record, agreed, circumstances(observed, owed), now=now)
    kind = instance.spec.infrastructure.class_
    return ServiceLevel(
        judgement=found,
        conditions=(
            service_level_conditions.in_force(promised, kind, owed.clocks.void, zone=zone),
            service_level_conditions.met(found, zone=zone),
        ),
        findings=tuple(service_level_conditions.findings(found, zone=zone, now=now)),
    )


def circumstances(observed: Observed, owed: Obligations) -> Circumstances:
    """What is known beside the probes: void and excluded times by the records, and unmeasured ones."""
    known = owed.history
    return Circumstances(
        voids=owed.clocks.voids,
        excluded=(
            *exclusions.announced(known, swiss_holidays()),
            *exclusions.emergencies(known),
            *exclusions.force_majeure(known),
        ),
        gaps=(*observed.measured.gaps, *exclusions.not_measured(known)),
    )


def promised(instance: Instance, unmet: datetime | None) -> Objectives:
    """The objectives. `unmet`: since when prerequisites that are the customer's are not met, or None."""
    spec = instance.spec
    kind = spec.infrastructure.class_
    return objectives(spec.plan, kind, booked=spec.options, prerequisites_unmet=unmet)


def keeping(instance: Instance, observed: Observed, *, zone: str, now: datetime) -> tuple[Action, ...]:
    """Write the months whose record is not as kept, and take away those that are older than is told."""
    since = observed.measured.record.since
    if since is None:
        return ()
    objective = promised(instance, None).availability
    kept = {month.month: month for month in observed.measured.kept}
    current = month_of(now, zone)
    oldest = current.plus(1 - MONTHS)
    # What a month tells of may turn out not to count: then it is there, and empty.
    wanted = {month: Record(since=since) for month in kept}
    wanted |= measured.by_month(observed.measured.record, zone=zone)
    actions: list[Action] = []
    for month, record in sorted(wanted.items()):
        known = kept.get(month)
        if known is not None and known.record == record:
            continue
        if known is None and month < oldest:
            continue
        terms = known.objective if known is not None and month != current else objective
        manifest = measured.config_map(instance, month, record, terms)
        actions.append(Apply(manifest, seen=observed.children.get(ref_of(manifest))))
    return (*actions, *_over(instance, observed, oldest))


def _over(instance: Instance, observed: Observed, oldest: Month) -> list[Action]:
    """The newest stays in any case: it tells since when the instance is measured."""
    months = sorted(month.month for month in observed.measured.kept)
    refs = [
        Ref(CONFIG_MAP.kind, f"{instance.name}-{measured.suffix_of(month)}")
        for month in months[:-1]
        if month < oldest
    ]
    return [Delete(ref, child.uid) for ref in refs if (child := observed.children.get(ref)) is not None]


def status_of(found: Judgement | None) -> Manifest | None:
    """`status.serviceLevel`; None before the instance is measured."""
    if found is None:
        return None
    months: list[JsonValue] = [_month(level, finished=True) for level in found.levels[:-1]]
    status: Manifest = {
        "measuredSince": rfc3339(found.since),
        "measuredAt": rfc3339(found.changed_at),
        "current": _month(found.current, finished=False),
        "months": months,
    }
    if found.down_since is not None:
        status["downSince"] = rfc3339(found.down_since)
    return status


def _month(level: Level, *, finished: bool) -> Manifest:
    step = 1 if finished else UNKNOWN_STEP
    month: Manifest = {
        "month": str(level.month),
        "contract": service_level_conditions.percent(level.contract),
        "observed": service_level_conditions.percent(level.observed),
        "downtimeMinutes": level.down,
        "observedDowntimeMinutes": level.observed_down,
        "excludedMinutes": level.excluded,
        "voidMinutes": level.void,
        "unknownMinutes": level.unknown // step * step,
    }
    if level.objective is not None:
        month["objective"] = str(level.objective)
        month["allowedMinutes"] = level.allowed
        month["met"] = level.met
        month["creditPercent"] = level.credit
    if level.credit:
        month["claimBefore"] = rfc3339(level.claim_before)
    return month
