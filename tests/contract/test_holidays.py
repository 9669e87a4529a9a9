"""The shipped holidays are those of the law, year by year (K-3)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from dateutil.easter import easter

from dedicated.contract.dates import HolidaysMissingError, end_of_working_days
from dedicated.contract.holidays import swiss_holidays

YEARS = sorted(swiss_holidays().years)


def by_law(year: int) -> set[date]:
    """Canton of St. Gallen, sGS 552.1 art. 2: the nine days besides Sundays."""
    fixed = {date(year, 1, 1), date(year, 8, 1), date(year, 11, 1), date(year, 12, 25), date(year, 12, 26)}
    return fixed | {easter(year) + timedelta(days=days) for days in (-2, 1, 39, 50)}


def test_there_are_years_ahead_without_a_hole() -> None:
    assert list(range(2024, 2041)) == YEARS


@pytest.mark.parametrize("year", YEARS)
def test_a_year_holds_the_days_of_the_law(year: int) -> None:
    assert swiss_holidays().years[year] == by_law(year)


def test_days_as_printed_in_the_calendar_of_2026() -> None:
    assert {date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)} < by_law(2026)
    assert date(2026, 1, 2) not in swiss_holidays().years[2026]


def test_a_year_beyond_the_table_is_an_error() -> None:
    with pytest.raises(HolidaysMissingError, match="2041"):
        end_of_working_days(datetime(2040, 12, 28, tzinfo=UTC), 5, swiss_holidays())
