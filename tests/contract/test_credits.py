"""The credit table (A-8), at every boundary, and its deadline."""

from decimal import Decimal
from fractions import Fraction

import pytest

from contract.clock_facts import ZURICH, at
from dedicated.contract.credits import claim_deadline, credit
from dedicated.contract.dates import Month

HAIR = Fraction(1, 10**9)


@pytest.mark.parametrize(
    ("guaranteed", "uptime", "tier"),
    [
        ("99.5", "99.5", 0),
        ("99.5", "99.0", 0),
        ("99.5", "95.0", 10),
        ("99.5", "0", 50),
        ("99.9", "99.9", 0),
        ("99.9", "99.5", 0),
        ("99.9", "99.0", 10),
        ("99.9", "95.0", 25),
        ("99.9", "0", 50),
        ("99.95", "99.95", 0),
        ("99.95", "99.9", 0),
        ("99.95", "99.5", 10),
        ("99.95", "99.0", 25),
        ("99.95", "95.0", 50),
        ("99.95", "0", 50),
        ("99.0", "94.0", 0),
        ("99.7", "98.0", 10),
    ],
)
def test_every_tier_begins_exactly_at_its_bound(guaranteed: str, uptime: str, tier: int) -> None:
    assert credit(Decimal(guaranteed), Fraction(uptime) / 100) == tier


@pytest.mark.parametrize(
    ("guaranteed", "bound", "tier"),
    [
        ("99.5", "99.5", 0),
        ("99.5", "99.0", 10),
        ("99.5", "95.0", 50),
        ("99.9", "99.9", 0),
        ("99.9", "99.5", 10),
        ("99.9", "99.0", 25),
        ("99.9", "95.0", 50),
        ("99.95", "99.95", 0),
        ("99.95", "99.9", 10),
        ("99.95", "99.5", 25),
        ("99.95", "99.0", 50),
    ],
)
def test_a_hair_below_a_bound_is_the_next_tier(guaranteed: str, bound: str, tier: int) -> None:
    assert credit(Decimal(guaranteed), Fraction(bound) / 100 - HAIR) == tier


def test_a_claim_is_too_late_thirty_days_after_the_month() -> None:
    assert claim_deadline(Month(2026, 3), ZURICH) == at("2026-05-02 00:00")
    assert claim_deadline(Month(2026, 11), ZURICH) == at("2027-01-01 00:00")
