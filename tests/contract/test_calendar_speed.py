"""Bounded work on hostile rules: a hundred years are answered in 50 ms of the processor."""

import time
from datetime import time as time_of_day
from datetime import timedelta

import pytest

from contract.calendars import utc
from dedicated.contract.calendar import Calendar, Window, next_slot, slots

LIMIT_S = 0.050
HOUR = timedelta(hours=1)
NIGHT = time_of_day(2)
ALL_DAYS = "MO,TU,WE,TH,FR,SA,SU"
ALL_MONTHS = ",".join(map(str, range(1, 13)))


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", 0),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", 0),
        ("FREQ=MONTHLY;BYDAY=1MO,1TU;BYSETPOS=3", 0),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=366", 0),
        ("FREQ=MONTHLY;INTERVAL=12;BYMONTH=3;BYMONTHDAY=1", 0),
        ("FREQ=YEARLY;INTERVAL=999;BYMONTH=2;BYMONTHDAY=29", 0),
        ("FREQ=WEEKLY;INTERVAL=999;BYDAY=MO;BYMONTH=2", 0),
        (f"FREQ=YEARLY;BYMONTH={ALL_MONTHS};BYDAY={ALL_DAYS};BYSETPOS=-366", 24),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", 24),
        ("FREQ=MONTHLY;INTERVAL=999;BYDAY=1MO", 1),
    ],
)
def test_a_hundred_years_of_a_rule_that_hardly_comes(rule: str, count: int) -> None:
    calendar = Calendar("Europe/Zurich", (Window(rule, NIGHT, 4 * HOUR),))
    after, until = utc("2026-01-01 00:00"), utc("2126-01-01 00:00")
    took, found = [], []
    for _ in range(5):
        started = time.process_time()
        found = list(slots(calendar, after=after, until=until))
        took.append(time.process_time() - started)
    assert len(found) == count
    assert min(took) < LIMIT_S
    if not count:
        assert next_slot(calendar, after=after, lasting=2 * HOUR, before=until) is None


def test_slots_are_lazy() -> None:
    """The first slot of a nightly window costs no thousand years of them."""
    calendar = Calendar("Europe/Zurich", (Window(f"FREQ=WEEKLY;BYDAY={ALL_DAYS}", NIGHT, 4 * HOUR),))
    started = time.process_time()
    assert next(slots(calendar, after=utc("2026-01-01 00:00"), until=utc("3026-01-01 00:00")))
    assert time.process_time() - started < LIMIT_S
