"""Of three clocks the middle one is believed, of two the one behind; one that is close is ours."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dedicated.agents.recovery.clock import CLOSE, Clock

TRUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STEPS = st.integers(-7200, 7200).map(lambda seconds: timedelta(seconds=seconds))


class Hands:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.offset = timedelta(0)
        self.clock = Clock(
            wall=lambda: TRUE + timedelta(seconds=self.passed) + self.offset, monotonic=lambda: self.passed
        )


def test_alone_it_is_our_own() -> None:
    hands = Hands()
    hands.offset = HOUR
    assert hands.clock() == TRUE + HOUR
    assert hands.clock.difference() == ""


def test_of_two_the_one_behind_is_believed_also_after_a_step() -> None:
    hands = Hands()
    hands.clock.heard("Database", TRUE)
    hands.passed, hands.offset = 30, HOUR
    assert hands.clock() == TRUE + timedelta(seconds=30)
    hands.offset = -HOUR
    assert hands.clock() == TRUE + timedelta(seconds=30) - HOUR


def test_of_three_one_may_be_wrong() -> None:
    hands = Hands()
    hands.clock.heard("Database", TRUE - HOUR)
    hands.clock.heard("ApiServer", TRUE)
    assert hands.clock() == TRUE
    assert hands.clock.difference() == "the database's clock is 3600 s behind the time believed"
    assert hands.clock.ahead("Database") == timedelta(0)
    hands.clock.heard("Database", TRUE + HOUR)
    assert hands.clock() == TRUE
    assert hands.clock.ahead("Database") == HOUR


def test_close_clocks_are_the_same() -> None:
    hands = Hands()
    hands.clock.heard("Database", TRUE - CLOSE / 2)
    hands.clock.heard("ApiServer", TRUE + CLOSE / 2)
    assert hands.clock() == TRUE
    assert hands.clock.difference() == ""
    assert hands.clock.ahead("ApiServer") == timedelta(0)


@given(own=STEPS, database=STEPS, api=STEPS)
def test_where_two_of_three_are_not_ahead_no_later_time_is_told(
    own: timedelta, database: timedelta, api: timedelta
) -> None:
    hands = Hands()
    hands.clock.heard("Database", TRUE + database)
    hands.clock.heard("ApiServer", TRUE + api)
    hands.offset = own
    if sorted([own, database, api])[1] <= timedelta(0):
        assert hands.clock() < TRUE + CLOSE
