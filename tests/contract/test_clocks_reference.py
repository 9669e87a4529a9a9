"""Ten simulated years: the rules and the slow reference agree on every date and state (K-6)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contract.reference_clocks import Reference
from contract.reference_values import Contract, Seen, stamp
from dedicated.contract.calendar import Calendar, Freeze, Slot, Window
from dedicated.contract.clocks import Clocks, clocks
from dedicated.contract.dates import instant_of, month_of
from dedicated.contract.facts import (
    Act,
    Answer,
    Delivered,
    Fact,
    Kind,
    Notified,
    Retracted,
    Run,
    ServiceStarted,
    history,
)
from dedicated.contract.permission import Terms

ZONES = ("Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC")
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
Manner = Literal["Plan", "Monthly", "Quarterly", "Asked"]
MANNERS: tuple[Manner, ...] = ("Plan", "Monthly", "Quarterly", "Asked")


@dataclass(frozen=True)
class Case:
    """A simulated instance: what is agreed, and what was recorded."""

    terms: Terms
    contract: Contract
    facts: tuple[Fact, ...]
    start: datetime
    end: datetime


class World:
    """Makes up what a customer, a provider and an operator record, from one seed."""

    def __init__(self, seed: int, *, manner: Manner, zone: str, years: float) -> None:
        self.chance = random.Random(seed)
        self.manner = manner
        self.zone = zone
        self.start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.chance.randrange(80 * 86400))
        self.end = self.start + timedelta(days=int(365.25 * years))
        self.facts: list[Fact] = [ServiceStarted("service", self.start, "operator")]
        self.willing = self.chance.choice([0.1, 0.3, 0.6, 0.9])
        self.able = self.chance.choice([0.0, 0.3, 0.9])
        self.away = self.chance.choice([0.0, 0.1, 0.3])
        self.channel = self.chance.random() < 0.2
        self.count = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.chance.randrange(10**6):06}-{self.count}"

    def lag(self, most: timedelta) -> timedelta:
        return timedelta(seconds=self.chance.randrange(max(int(most.total_seconds()), 1)))

    def case(self) -> Case:
        freezes = tuple(self.freezes())
        self.regular()
        self.urgent()
        windows: tuple[Window, ...] = ()
        if self.manner in {"Monthly", "Quarterly"}:
            rule = (
                "FREQ=MONTHLY;BYDAY=2SU" if self.manner == "Monthly" else "FREQ=MONTHLY;INTERVAL=3;BYDAY=1SU"
            )
            windows = (Window(rule, time(2, 0), timedelta(hours=4)),)
        agreed = bool(windows) and self.manner != "Plan"
        required = self.manner == "Asked"
        terms = Terms(
            plan="Standard" if self.manner == "Plan" else "Advanced",
            infrastructure=self.chance.choice(["GoogleCloud", "StaticOrOther"]),
            calendar=Calendar(self.zone, windows, freezes),
            agreed=agreed,
            approval="Required" if required else "Automatic",
            channel=self.channel,
        )
        spans = tuple(self.sundays(quarterly=self.manner == "Quarterly")) if agreed else ()
        contract = Contract(
            zone=self.zone,
            by="Plan" if self.manner == "Plan" else "Window" if agreed else "",
            windows=spans,
            cadence=agreed,
            freezes=tuple((stamp(freeze.start), stamp(freeze.end)) for freeze in freezes),
            channel=self.channel,
        )
        return Case(terms, contract, tuple(self.facts), self.start, self.end)

    def sundays(self, *, quarterly: bool) -> Iterator[tuple[int, int]]:
        day = self.start.date() - 100 * DAY
        while day < self.end.date() + 800 * DAY:
            first = day.day <= 7 and day.month in {1, 4, 7, 10}
            second = 8 <= day.day <= 14
            if day.weekday() == 6 and (first if quarterly else second):
                at = instant_of(datetime.combine(day, time(2, 0)), self.zone)
                yield stamp(at), stamp(at) + 4 * 3600
            day += DAY

    def freezes(self) -> Iterator[Freeze]:
        at = self.start
        while self.manner != "Asked" and at < self.end and self.chance.random() < 0.8:
            at += self.lag(500 * DAY)
            until = at + timedelta(hours=1) + self.lag(self.chance.choice([5, 90]) * DAY)
            yield Freeze(at, until, "holidays")
            at = until

    def regular(self) -> None:
        month = month_of(self.start, self.zone).plus(1)
        while month.start(self.zone) < self.end:
            start, end = month.start(self.zone), month.end(self.zone)
            at = start + self.lag(timedelta(seconds=5))
            absent = self.chance.random()
            if absent < self.away / 2:
                month = month.plus(1)
                continue
            if absent < self.away:
                at = (
                    self.near(end - 14 * DAY) if self.chance.random() < 0.5 else start + self.lag(end - start)
                )
            self.ask(f"regular-{month}", "Regular", at, limit=end)
            month = month.plus(1)

    def urgent(self) -> None:
        at, previous = self.start + self.lag(60 * DAY), ""
        while at < self.end:
            name = self.name("cve")
            self.ask(
                name, self.chance.choice(["Security", "Performance"]), at, limit=at + 6 * DAY, of=previous
            )
            previous = name if self.chance.random() < 0.3 else ""
            at += self.lag(6 * DAY if previous else 400 * DAY) + SECOND

    def near(self, instant: datetime) -> datetime:
        return instant + timedelta(seconds=self.chance.choice([-1, 0, 1, -3600, 3600]))

    def ask(self, name: str, kind: Kind, at: datetime, *, limit: datetime, of: str = "") -> None:
        needs = timedelta(hours=self.chance.choice([1, 2, 3]))
        self.facts.append(Notified(self.name("n"), at, "operator", name, kind, needs, supersedes=of))
        if self.channel and kind != "Regular" and self.chance.random() < 0.9:
            self.facts.append(Delivered(self.name("d"), at + self.lag(DAY), "operator", name))
        told = at
        for _ in range(self.chance.choice([0, 1, 1, 2, 3])):
            told = self.near(limit) if self.chance.random() < 0.2 else told + self.lag(12 * DAY)
            if self.chance.random() < 0.1:
                told = self.facts[-1].at
            self.answer(name, max(told, at), limit=limit)
        if self.chance.random() < self.able:
            self.attempt(name, at + self.lag(limit - at))
        if self.chance.random() < 0.03:
            self.facts.append(Retracted(self.name("r"), at + self.lag(40 * DAY), "provider", name))

    def answer(self, name: str, at: datetime, *, limit: datetime) -> None:
        record = self.name("a")
        if self.chance.random() >= self.willing:
            word: Literal["Refused", "Withdrawn", "Blocked"] = self.chance.choice(
                ["Refused", "Refused", "Withdrawn", "Blocked"]
            )
            self.facts.append(Answer(record, at, "customer", name, word))
            return
        start = self.chance.choice([at - self.lag(DAY), at, at + self.lag(30 * DAY), self.near(limit)])
        length = self.chance.choice([timedelta(hours=1), timedelta(hours=3), self.lag(20 * DAY) + SECOND])
        any_time = self.chance.random() < 0.4
        slot = Slot(start, start + length)
        self.facts.append(Answer(record, at, "customer", name, "Permitted", slot, any_time=any_time))

    def attempt(self, name: str, at: datetime) -> None:
        self.facts.append(Run(self.name("s"), at, "operator", name, "Started"))
        done: Literal["Completed", "Failed"] = "Completed" if self.chance.random() < self.able else "Failed"
        self.facts.append(Run(self.name("e"), at + timedelta(minutes=40), "operator", name, done))

    def acts(self, terms: Terms) -> Iterator[Act]:
        """The provider's steps in most of what fails. Only their times are taken from the rules."""
        found = clocks(history(self.facts), terms, now=self.end)
        for issue in found.issues:
            if self.chance.random() < 0.8:
                yield from self.steps(issue.name, issue.failed)

    def steps(self, issue: str, at: datetime) -> Iterator[Act]:
        if self.chance.random() < 0.2:
            yield Act(self.name("x"), self.near(at), "provider", issue, "Escalated", "early or not")
        told = at + self.lag(self.chance.choice([1, 20]) * DAY)
        yield Act(self.name("x"), told, "provider", issue, "Escalated", "ticket")
        if self.chance.random() < 0.1:
            yield Act(self.name("x"), told + self.lag(9 * DAY), "provider", issue, "Waiver")
        for _ in range(self.chance.choice([0, 1, 2])):
            told += 4 * DAY + self.lag(8 * DAY)
            yield Act(self.name("x"), told, "provider", issue, "TerminationNotice", "letter")
        if self.chance.random() < 0.3:
            yield Act(self.name("x"), told + self.lag(50 * DAY), "provider", issue, "TerminationWithdrawn")


def simulate(seed: int, *, manner: Manner, zone: str, years: float) -> tuple[Case, list[Seen]]:
    world = World(seed, manner=manner, zone=zone, years=years)
    case = world.case()
    found = replace(case, facts=(*case.facts, *world.acts(case.terms)))
    walk = Reference(case.contract, found.facts, start=stamp(case.start), end=stamp(case.end))
    return found, walk.run()


def as_seen(found: Clocks, at: int) -> Seen:
    final = [entry for entry in found.entries if entry.final][-30:]
    return Seen(
        at=at,
        months=tuple((str(entry.month), entry.state, entry.streak) for entry in final),
        issues=tuple(sorted((issue.name, issue.state) for issue in found.issues)),
        void=found.void is not None,
        overdue=found.overdue,
        failed=frozenset(item.request.name for item in found.emergencies if item.state == "Failed"),
    )


def assert_agree(case: Case, log: Sequence[Seen], pick: random.Random, *, most: int) -> None:
    """The rules see the same at the first and the last second of what the reference saw."""
    ends = [*(seen.at for seen in log[1:]), stamp(case.end)]
    stretches = list(zip(log, ends, strict=True))
    known = history(case.facts)
    for seen, end in pick.sample(stretches, min(most, len(stretches))):
        for at in {seen.at, end - 1, pick.randrange(seen.at, end)}:
            found = clocks(known, case.terms, now=datetime.fromtimestamp(at, UTC))
            assert as_seen(found, seen.at) == seen, datetime.fromtimestamp(at, UTC)


SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, zone=st.sampled_from(ZONES), years=st.sampled_from([0.5, 1, 2]))
def test_the_reference_agrees_on_short_histories(seed: int, zone: str, years: float, manner: Manner) -> None:
    case, log = simulate(seed, manner=manner, zone=zone, years=years)
    assert_agree(case, log, random.Random(seed), most=1000)


@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=1, deadline=None, phases=[Phase.generate])
@given(seed=SEEDS, zone=st.sampled_from(ZONES))
def test_the_reference_agrees_on_ten_years(seed: int, zone: str, manner: Manner) -> None:
    case, log = simulate(seed, manner=manner, zone=zone, years=10)
    assert_agree(case, log, random.Random(seed), most=10)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=1, deadline=None, phases=[Phase.generate])
@given(seed=SEEDS)
def test_the_reference_agrees_on_ten_years_in_every_zone(seed: int, zone: str, manner: Manner) -> None:
    case, log = simulate(seed, manner=manner, zone=zone, years=10)
    assert_agree(case, log, random.Random(seed), most=10)


@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=4, deadline=None)
@given(seed=SEEDS, zone=st.sampled_from(ZONES))
def test_without_clocks_ten_years_leave_nothing(seed: int, zone: str, manner: Manner) -> None:
    case = World(seed, manner=manner, zone=zone, years=10).case()
    found = clocks(history(case.facts), replace(case.terms, infrastructure="SelfHosted"), now=case.end)
    assert (found.entries, found.emergencies, found.issues, found.voids, found.dates) == ((), (), (), (), ())


@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, share=st.floats(0, 1))
def test_order_does_not_matter_and_what_is_told_comes_true(seed: int, share: float, manner: Manner) -> None:
    case = World(seed, manner=manner, zone="Europe/Zurich", years=2).case()
    now = case.start + (case.end - case.start) * share
    known = [fact for fact in case.facts if fact.at <= now]
    found = clocks(history(known), case.terms, now=now)
    random.Random(seed).shuffle(known)
    assert clocks(history(known), case.terms, now=now) == found
    # With nothing more recorded, months and emergencies come to what was told.
    later = clocks(history(known), case.terms, now=now + 40 * DAY)
    months = {entry.month: (entry.state, entry.streak) for entry in later.entries}
    assert [months[entry.month] for entry in found.entries] == [(e.state, e.streak) for e in found.entries]
    come_to = {item.request.name: item.state for item in later.emergencies}
    for item in found.emergencies:
        assert come_to[item.request.name] == ("Failed" if item.state == "Pending" else item.state)


@pytest.mark.parametrize("manner", MANNERS)
@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, share=st.floats(0, 1), away=st.integers(0, 120))
def test_an_operator_that_is_away_changes_no_date_of_a_running_clock(
    seed: int, share: float, away: int, manner: Manner
) -> None:
    world = World(seed, manner=manner, zone="Europe/Zurich", years=2)
    case = world.case()
    facts = [*case.facts, *world.acts(case.terms)]
    since = case.start + (case.end - case.start) * share
    until = since + away * DAY
    missing = {
        fact.request
        for fact in facts
        if isinstance(fact, Notified) and fact.kind == "Regular" and since < fact.at < until
    }
    heard = [fact for fact in facts if getattr(fact, "request", "") not in missing]
    full, less = (clocks(history(known), case.terms, now=case.end) for known in (facts, heard))
    dates = {issue.name: (issue.failed, issue.escalated, issue.deadline) for issue in less.issues}
    for issue in full.issues:
        if issue.failed <= since:
            assert dates[issue.name] == (issue.failed, issue.escalated, issue.deadline)
    assert [item.deadline for item in less.emergencies] == [item.deadline for item in full.emergencies]
    for entry, other in zip(full.entries, less.entries, strict=True):
        if entry.month.end("Europe/Zurich") <= since:
            assert entry == other
