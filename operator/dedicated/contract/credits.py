"""Financial credit for a missed month (A-8): the tier, and until when the customer may claim it.

The operator shows both and grants nothing. A miss can carry no credit.
"""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from dedicated.contract.dates import Month, end_of_days

CLAIM_DAYS = 30
"""Within which the customer must ask in writing, from the end of the month (A-8)."""
BOUNDS = (Decimal("95.0"), Decimal("99.0"), Decimal("99.5"), Decimal("99.9"))
"""Per cent of uptime at which the tiers change."""
TIERS: dict[Decimal, tuple[int, int, int, int]] = {
    Decimal("99.50"): (50, 10, 0, 0),
    Decimal("99.90"): (50, 25, 10, 0),
    Decimal("99.95"): (50, 50, 25, 10),
}
"""By what is guaranteed: per cent of the month's fee below 95.0, 99.0, 99.5, 99.9."""


def credit(guaranteed: Decimal, uptime: Fraction) -> int:
    """Per cent of the month's fee for an uptime (1 is all of the month); 0: none.

    An objective that is not in the table has the column of the next lower one; below 99.50 there is none.
    """
    columns = [tiers for bound, tiers in sorted(TIERS.items()) if bound <= guaranteed]
    if not columns or uptime >= ratio(guaranteed):
        return 0
    found = (tier for bound, tier in zip(BOUNDS, columns[-1], strict=True) if uptime < ratio(bound))
    return next(found, 0)


def claim_deadline(month: Month, zone: str) -> datetime:
    """The instant at which a claim for a month is too late."""
    return end_of_days(month.end(zone), CLAIM_DAYS, zone)


def ratio(per_cent: Decimal) -> Fraction:
    """Per cent as a fraction of 1, exactly."""
    return Fraction(per_cent) / 100
