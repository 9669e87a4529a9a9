"""The service level as conditions and findings: does it apply, is this month within it, who must act?

Every message has the figure, the limit and the next date. What was not measured is said to be so.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

from dedicated.api.conditions import SERVICE_LEVEL_IN_FORCE, SERVICE_LEVEL_MET, Condition
from dedicated.api.findings import Finding
from dedicated.api.instance import InfrastructureClass
from dedicated.contract.credits import CLAIM_DAYS
from dedicated.contract.dates import when
from dedicated.contract.objectives import Objectives
from dedicated.contract.service_level import TOO_MUCH_UNKNOWN, Judgement, Level
from dedicated.contract.void import Void

PLACES = 3
"""Decimal places of a figure, rounded down (A-1)."""


def in_force(
    promised: Objectives, infrastructure: InfrastructureClass, void: Void | None, *, zone: str
) -> Condition:
    """Whether the service level applies now. `void` is the one that covers this instant (M-11)."""
    kind = SERVICE_LEVEL_IN_FORCE
    if promised.availability is None:
        text = f"no objective on infrastructure class {infrastructure} (L-2); measured all the same"
        return Condition(kind, "False", "NoObjective", text)
    if promised.suspended is not None:
        text = f"prerequisites are not met since {when(promised.suspended, zone)} (L-2). Customer must act"
        return Condition(kind, "False", "PrerequisitesNotMet", text)
    if void is not None:
        end = "nothing recorded ends it" if void.end is None else f"ends {when(void.end, zone)}"
        text = f"void since {when(void.start, zone)} (M-11); {end}. Customer: permit what is owed"
        return Condition(kind, "False", "Void", text)
    return Condition(kind, "True", "InForce", f"availability {promised.availability} % per month (L-1)")


def met(found: Judgement | None, *, zone: str) -> Condition:
    """Whether this month is within its objective."""
    kind = SERVICE_LEVEL_MET
    if found is None:
        text = "measured from the first moment at which all core services answer"
        return Condition(kind, "Unknown", "NotMeasured", text)
    level = found.current
    text = f"{_figure(level)}; {_going_on(found, zone)}month ends {when(level.month.end(zone), zone)}"
    if level.objective is None:
        return Condition(kind, "True", "NoObjective", f"{text}; no objective to miss (L-2)")
    if level.met is False:
        told = f"a credit of {level.credit} % of the month's fee" if level.credit else "no credit (A-8)"
        return Condition(kind, "False", "Missed", f"{text}; {told}. Provider must act")
    if level.too_much_unknown:
        part = percent(TOO_MUCH_UNKNOWN)
        return Condition(kind, "Unknown", "PartlyMeasured", f"{text}; more than {part} % was not measured")
    return Condition(kind, "True", "Within", text)


def findings(found: Judgement | None, *, zone: str, now: datetime) -> Iterator[Finding]:
    """What needs somebody: a month missed, a credit that can be claimed, too much that was not measured."""
    if found is None:
        return
    *finished, current = found.levels
    if current.met is False:
        yield Finding(
            code="ServiceLevelMissed",
            responsible="Provider",
            message=f"{_figure(current)} (A-7)",
            action="mend what fails; kubectl get configmaps -l app.kubernetes.io/component=service-level "
            "shows each stretch",
            deadline=current.month.end(zone),
        )
    for level in finished:
        if level.credit and now < level.claim_before:
            yield Finding(
                code="CreditClaimable",
                responsible="Customer",
                message=f"{_figure(level)}: {level.credit} % of the month's fee (A-8)",
                action=f"ask for it in writing within {CLAIM_DAYS} days, with the failed requests; "
                "the operator grants nothing",
                deadline=level.claim_before,
            )
    if current.too_much_unknown:
        yield Finding(
            code="ServiceLevelPartlyMeasured",
            responsible="Provider",
            message=f"more than {percent(TOO_MUCH_UNKNOWN)} % of {current.month} was not measured (A-3)",
            action="keep an operator running, and let it reach the public name",
        )


def percent(part: Fraction) -> str:
    """A part of 1 in per cent, rounded down to 3 places: never better than it is."""
    thousandths = int(part * 100 * 10**PLACES)
    return f"{thousandths // 10**PLACES}.{thousandths % 10**PLACES:0{PLACES}}"


def _figure(level: Level) -> str:
    figure = f"{level.month}: {percent(level.contract)} %, {level.down} min of downtime"
    if level.objective is None:
        return figure
    return f"{figure}; objective {level.objective} %, at most {level.allowed} min"


def _going_on(found: Judgement, zone: str) -> str:
    """The stretch that goes on is not in the minutes yet."""
    return f"down since {when(found.down_since, zone)}; " if found.down_since else ""
