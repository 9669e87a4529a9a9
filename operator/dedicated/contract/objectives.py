"""What is promised (L-1, L-2): objectives and services by plan, infrastructure and booked options.

The plan names the figures, the infrastructure decides whether they are guaranteed: on a preferred provider
they are, elsewhere there is none, and the service is measured all the same. A self-hosted instance is run by
its own customer, without clocks (C-6). Guarantees presuppose that the customer's prerequisites are met
(section 14).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from dedicated.api.instance import InfrastructureClass, Plan
from dedicated.contract.dates import BUSINESS, EXTENDED, SupportHours

Extent = Literal["Full", "ProductOnly", "None"]
Option = Literal["GeographicHA", "MultiProviderHA", "DDoSProtection", "WAF"]
OPTIONS: tuple[Option, ...] = ("GeographicHA", "MultiProviderHA", "DDoSProtection", "WAF")
CAP = Decimal("99.9")
"""Per cent: what a preferred provider's infrastructure allows at most ("up to", L-2)."""


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """A plan's column of L-1. Availability in per cent of a month's minutes; account management per week."""

    availability: Decimal
    support: SupportHours
    severity_1: timedelta
    account_management: timedelta
    update_flexibility: bool


PLANS: dict[Plan, PlanTerms] = {
    "Standard": PlanTerms(
        Decimal("99.5"), BUSINESS, timedelta(hours=2), timedelta(0), update_flexibility=False
    ),
    "Advanced": PlanTerms(
        Decimal("99.9"), EXTENDED, timedelta(hours=1), timedelta(hours=2), update_flexibility=True
    ),
}
MAINTAINED: dict[InfrastructureClass, Extent] = {
    "GoogleCloud": "Full",
    "StaticOrOther": "ProductOnly",
    "SelfHosted": "None",
}
MONITORED: dict[InfrastructureClass, Extent] = {
    "GoogleCloud": "Full",
    "StaticOrOther": "ProductOnly",
    "SelfHosted": "ProductOnly",
}


@dataclass(frozen=True, slots=True)
class Objectives:
    """What holds for an instance.

    `availability` in per cent, None: no objective. `performance`: the load up to the rate limits is
    guaranteed (RL-5). `clocks`: maintenance clocks and the termination gate apply. `suspended`: since when
    the guarantees are not applicable, because the customer's prerequisites are not met.
    """

    plan: PlanTerms
    availability: Decimal | None
    performance: bool
    clocks: bool
    maintained: Extent
    monitored: Extent
    booked: tuple[Option, ...] = ()
    suspended: datetime | None = None


def objectives(
    plan: Plan,
    infrastructure: InfrastructureClass,
    *,
    preferred: bool = False,
    booked: Collection[Option] = (),
    prerequisites_unmet: datetime | None = None,
) -> Objectives:
    """The objectives of an instance.

    `preferred`: the provider lists this infrastructure among its preferred ones (O-1), beside Google Cloud.
    `prerequisites_unmet`: since when prerequisites that are the customer's are not met, or None.
    """
    terms = PLANS[plan]
    guaranteed = infrastructure == "GoogleCloud" or (preferred and infrastructure == "StaticOrOther")
    return Objectives(
        plan=terms,
        availability=min(terms.availability, CAP) if guaranteed else None,
        performance=guaranteed,
        clocks=infrastructure != "SelfHosted",
        maintained="Full" if guaranteed else MAINTAINED[infrastructure],
        monitored="Full" if guaranteed else MONITORED[infrastructure],
        booked=tuple(option for option in OPTIONS if option in booked),
        suspended=prerequisites_unmet,
    )
