"""Random calendars for tests: recurrences of the whole subset, windows and freezes on half hours."""

from datetime import UTC, datetime, time, timedelta

from hypothesis import strategies as st

from dedicated.contract.calendar import Calendar, Freeze, Window

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC")
HALF_HOUR = timedelta(minutes=30)
NAMES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def listed(name: str, values: st.SearchStrategy[str], *, most: int) -> st.SearchStrategy[str]:
    """A part of a rule with one or more values."""
    chosen = st.lists(values, min_size=1, max_size=most, unique=True)
    return chosen.map(lambda found: f"{name}={','.join(found)}")


def signed(most: int) -> st.SearchStrategy[str]:
    """A position from the start or the end."""
    return st.builds(lambda sign, n: f"{sign}{n}", st.sampled_from(["", "-"]), st.integers(1, most))


PLAIN = listed("BYDAY", st.sampled_from(NAMES), most=7)
WITH_POSITION = listed(
    "BYDAY", st.builds(lambda n, name: f"{n}{name}", signed(5), st.sampled_from(NAMES)), most=3
)
OF_MONTH = listed("BYMONTHDAY", signed(31), most=4)
MONTHS = listed("BYMONTH", st.integers(1, 12).map(str), most=6)
SET_POSITIONS = listed("BYSETPOS", signed(6), most=2)


def rule(frequency: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A rule of a frequency with its parts; an empty part is left out."""
    return st.tuples(*parts).map(lambda found: ";".join([f"FREQ={frequency}", *filter(None, found)]))


def maybe(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """The part, or none."""
    return st.just("") | part


def interval(most: int) -> st.SearchStrategy[str]:
    """An interval, or none."""
    return maybe(st.integers(1, most).map(lambda n: f"INTERVAL={n}"))


WEEK_START = maybe(st.sampled_from(NAMES).map(lambda name: f"WKST={name}"))
DAYS = PLAIN | WITH_POSITION | OF_MONTH
RULES = (
    rule("WEEKLY", interval(5), PLAIN, maybe(MONTHS), WEEK_START)
    | rule("MONTHLY", interval(4), DAYS, maybe(MONTHS), maybe(SET_POSITIONS))
    | rule("YEARLY", interval(2), DAYS, MONTHS, maybe(SET_POSITIONS))
)
STARTS = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
DURATIONS = st.integers(1, 60).map(lambda n: n * HALF_HOUR)
WINDOWS = st.lists(st.builds(Window, RULES, STARTS, DURATIONS), min_size=1, max_size=4).map(tuple)


@st.composite
def freezes(draw: st.DrawFn, *, first: datetime, days: int) -> Freeze:
    """A freeze that starts within so many days after `first`; a few end before they start."""
    start = first + draw(st.integers(0, days * 48)) * HALF_HOUR
    return Freeze(start, start + draw(st.integers(-4, 40) | st.integers(0, 1000)) * HALF_HOUR, "audit")


@st.composite
def calendars(draw: st.DrawFn, *, first: datetime, days: int) -> Calendar:
    """A calendar whose freezes fall into so many days after `first`."""
    frozen = draw(st.lists(freezes(first=first, days=days), max_size=4))
    return Calendar(draw(st.sampled_from(ZONES)), draw(WINDOWS), tuple(frozen))


def utc(text: str) -> datetime:
    """An instant in UTC, such as 2026-03-29 01:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
