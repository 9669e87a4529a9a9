"""The contract's clocks once more: slow, hour by hour, and by other means than `dedicated.contract`.

Written from contract.md sections 1, 4 and 5. It walks through time once, in steps of an hour (half an hour
where the zone has such offsets) and through every instant that anything names, keeps flags, and writes
down what it sees whenever that changes. It computes no deadline: at each step it asks whether the days have
passed.
Slots are what is left when the time between any two instants is asked "in a window? in a freeze?".
"""

from collections.abc import Iterable, Iterator

from contract.reference_values import (
    DAY,
    FOREVER,
    HOUR,
    Case,
    Chance,
    Contract,
    Seen,
    Span,
    Trouble,
    grid,
    left_over,
    local_date,
    month_name,
    passed,
    quarter_passed,
    stamp,
)  # fmt: skip
from dedicated.contract.facts import Act, Answer, Delivered, Fact, Notified, Retracted, Run, ServiceStarted


class Reference:
    """One walk through time."""

    def __init__(self, contract: Contract, facts: Iterable[Fact], *, start: int, end: int) -> None:
        self.contract = contract
        self.zone = contract.zone
        self.end = end
        self.start = start
        self.facts: dict[int, list[Fact]] = {}

        def last_word(fact: Fact) -> tuple[bool, bool, str]:
            withheld = isinstance(fact, Answer) and fact.word != "Permitted"
            return (not isinstance(fact, Notified), withheld, fact.name)

        for fact in sorted(facts, key=last_word):
            self.facts.setdefault(stamp(fact.at), []).append(fact)
        self.slots = [(a, b) for a, b in self._near(contract.windows, contract.freezes) if b - a >= 2 * HOUR]
        self.cases: dict[str, Case] = {}
        self.urgent: list[Case] = []
        self.issues: dict[str, Trouble] = {}
        self.service = 0
        self.month = ""
        self.months: list[tuple[str, str, int]] = []
        self.streak = 0
        self.streak_began = ""
        self.owing = False
        self.partial_next: set[str] = set()
        self.last_done = 0
        self.overdue = False
        self.overdue_at: list[int] = []
        self.log: list[Seen] = []

    def _near(self, windows: tuple[Span, ...], freezes: tuple[Span, ...]) -> list[Span]:
        found: list[Span] = []
        for window in windows:
            found += left_over([window], [f for f in freezes if f[0] < window[1] and window[0] < f[1]])
        return found

    def run(self) -> list[Seen]:
        for now in self._steps():
            if self.contract.clocks:
                self._time_passes(now)
            facts = self.facts.get(now, ())
            for fact in facts:
                self._hear(fact, now)
            midnight = local_date(now, self.zone) != local_date(now - 1, self.zone)
            if self.contract.clocks and (midnight or now in self.named):
                for issue in self.issues.values():
                    self._look_at(issue, now)
                for fact in facts:
                    if isinstance(fact, Act):
                        self._act(fact, now)
            if midnight or now in self.named:
                self._write_down(now)
        return self.log

    def _steps(self) -> list[int]:
        named = set(self.facts)
        for at, facts in self.facts.items():
            named.update(at + days * DAY for days in (5, 30))
            for fact in facts:
                if isinstance(fact, Answer) and fact.slot is not None:
                    named.update((stamp(fact.slot.start), stamp(fact.slot.end)))
        for start, end in (*self.slots, *self.contract.freezes):
            named.update((start, end, end + 5 * DAY))
        self.named = named
        steps = set(grid(self.start, self.end, self.zone))
        return sorted(step for step in steps | named if self.start <= step < self.end)

    # Time

    def _time_passes(self, now: int) -> None:
        if not self.service:
            self._emergencies(now)
            return
        name = month_name(now, self.zone)
        if name != self.month:
            self._close_month(now)
            self.month, self.month_start = name, now
            self.named.add(now)
        self._emergencies(now)
        for issue in self.issues.values():
            if issue.escalated and not issue.gate and passed(now, issue.escalated, 5, self.zone):
                issue.gate = True
            if issue.notice and not issue.effective and passed(now, issue.notice, 30, self.zone):
                issue.effective = True
        if not self.overdue and quarter_passed(now, self.last_done, self.zone):
            self.overdue = True
            self.overdue_at.append(now)

    def _emergencies(self, now: int) -> None:
        for case in self.urgent:
            if case.judged:
                continue
            since = max(case.at, case.delivered) if self.contract.channel else case.at
            if since == FOREVER or not passed(now, since, 5, self.zone):
                continue
            family = list(self._family(case))
            over = any(member.done < now for member in family) or case.retracted < now
            good = any(
                self._usable(chance, member, member.at, now)
                for member in family
                for chance in self._chances(member)
            )
            case.judged = "Fine" if over or good else "Failed"
            if case.judged == "Failed":
                self.issues[case.asked.request] = Trouble(case.asked.request, now, regular=False)
                self.named.add(now)

    def _family(self, case: Case) -> Iterator[Case]:
        names = {case.asked.request}
        yield case
        for other in self.urgent:
            if other.asked.supersedes in names and other.asked.request not in names:
                names.add(other.asked.request)
                yield other

    # The month ledger

    def _close_month(self, now: int) -> None:
        state = self._state(self.month_start, now)
        if state in {"Refused", "Unanswered"}:
            if self.streak == 0:
                self.streak_began = self.month
            self.streak += 1
            self.owing = True
            if self.streak == 3:
                name = f"regular-{self.streak_began}"
                self.issues[name] = Trouble(name, now, regular=True)
        elif state != "NotDue":
            self.streak = 0
            if state != "NotAsked":
                self.owing = False
        self.months.append((self.month, state, self.streak))

    def _state(self, start: int, end: int) -> str:
        if not self.months or self.month in self.partial_next:
            return "Partial"
        regular = [case for case in self.cases.values() if case.asked.kind == "Regular"]
        if any(start <= case.done < end for case in regular):
            return "Done"
        if any(self._usable(c, case, start, end) for case in regular for c in self._by_record(case)):
            return "Permitted"
        has_slot = any(start <= a < end for a, _ in self.contract.windows)
        if self.contract.cadence and not has_slot and not self.owing:
            return "NotDue"
        # Fourteen whole days before the end: at the latest at midnight, when they begin.
        asked = [
            case
            for case in regular
            if start <= case.at < end
            and case.retracted >= end
            and (local_date(end, self.zone) - local_date(case.at - 1, self.zone)).days > 14
        ]
        return self._state_of_asked(asked, start, end) if asked else "NotAsked"

    def _state_of_asked(self, asked: list[Case], start: int, end: int) -> str:
        if any(self._usable(c, case, start, end) for case in asked for c in self._chances(case)):
            return "Permitted"
        shortest = min(case.needs for case in asked)
        wide = any(start <= a < end and b - a >= shortest for a, b in self.contract.windows)
        frozen = self.contract.by == "Plan" or (self.contract.by == "Window" and wide)
        return "Refused" if frozen or any(case.answers for case in asked) else "Unanswered"

    # Permission

    def _usable(self, chance: Chance, case: Case, after: int, before: int) -> bool:
        return self._first_start(chance, case, after, before) is not None

    def _first_start(self, chance: Chance, case: Case, after: int, before: int) -> int | None:
        """When work could begin in [after, before); what was withdrawn unused was no slot."""
        if not chance.floating:
            return chance.start if after <= chance.start < before else None
        begin = max(after, chance.start)
        if begin >= before or begin + case.needs > chance.end:
            return None
        if chance.over >= chance.end or chance.over >= before:
            return begin
        for run in chance.starts:
            if begin <= run < chance.over:
                return run
        return None

    def _chances(self, case: Case) -> Iterator[Chance]:
        yield from self._by_record(case)
        first = min((stamp(answer.at) for answer in case.answers), default=FOREVER)
        closed = min(case.done, case.retracted)
        if self.contract.by == "Window":
            for start, end in self._slots_for(case):
                taken = first < start or self._shut(case, start, end)
                if not taken and start < closed and end - start >= case.needs:
                    yield Chance(start, end, min(end, closed), case.at)
        if self.contract.by == "Plan":
            for start, end in self._slots_for(case):
                over = min(end, first, closed)
                runs = () if self._shut(case, start, end) else tuple(case.starts)
                yield Chance(start, end, over, start, floating=True, starts=runs)

    def _slots_for(self, case: Case) -> list[Span]:
        if case.standing is None:
            case.standing = list(self._in_windows(case) if self.contract.by == "Window" else self._free(case))
        return case.standing

    def _in_windows(self, case: Case) -> Iterator[Span]:
        month = month_name(case.at, self.zone)
        for start, end in self.slots:
            if case.asked.kind != "Regular":
                if end > case.at:
                    yield max(start, case.at), end
            elif abs(start - case.at) < 40 * DAY and month_name(start, self.zone) == month:
                yield start, end

    def _free(self, case: Case) -> Iterator[Span]:
        """By plan: until the month is over; five days for an emergency."""
        half = HOUR // 2
        if case.asked.kind == "Regular":
            month = month_name(case.at, self.zone)
            later = (case.at - case.at % half + n * half for n in range(1, 32 * 48))
            over = next(at for at in later if month_name(at, self.zone) != month)
        else:
            over = FOREVER
        for start, end in left_over([(case.at, over)], self.contract.freezes):
            if end - start < case.needs:
                continue
            if case.asked.kind == "Regular":
                yield start, end
                continue
            days = [start + 5 * DAY, *(start - start % half + n * half for n in range(1, 8 * 48))]
            yield start, min(end, next(at for at in sorted(days) if passed(at, start, 5, self.zone)))
            return

    def _by_record(self, case: Case) -> Iterator[Chance]:
        closed = min(case.done, case.retracted)
        for place, answer in enumerate(case.answers):
            if answer.slot is None:
                continue
            given = stamp(answer.at)
            start, end = max(stamp(answer.slot.start), given), stamp(answer.slot.end)
            if end - start < case.needs:
                continue
            rest = case.answers[place + 1 :]
            shut = any(later.word == "Blocked" and stamp(later.at) < end for later in rest)
            if answer.any_time:
                over = min([end, closed, *(stamp(later.at) for later in rest)])
                runs = () if shut else tuple(run for run in case.starts if run >= given)
                yield Chance(start, end, over, given, floating=True, starts=runs)
                continue
            # The last word before the slot starts; at the latest that of the second in which it was given.
            before_start = [a for a in case.answers if stamp(a.at) < start or (start == given == stamp(a.at))]
            if before_start[-1] is answer and not shut and start < closed:
                yield Chance(start, end, min(end, closed), given)

    def _shut(self, case: Case, start: int, end: int) -> bool:
        return any(a.word == "Blocked" and start <= stamp(a.at) < end for a in case.answers)

    # Issues

    def _owed(self, issue: Trouble) -> list[Case]:
        if issue.regular:
            return [case for case in self.cases.values() if case.asked.kind == "Regular"]
        return list(self._family(self.cases[issue.name]))

    def _look_at(self, issue: Trouble, now: int) -> None:
        """Whether it is resolved, and whether its void still lasts."""
        owed = self._owed(issue)
        ended = any(issue.failed <= case.done <= now for case in owed)
        if not issue.regular and issue.failed <= self.cases[issue.name].retracted <= now:
            ended = True
        issue.resolved = ended
        if ended:
            issue.void = False
        if issue.resolved and not issue.void:
            return
        for case in owed:
            for chance in self._chances(case):
                start = self._first_start(chance, case, issue.failed, FOREVER)
                if start is None:
                    continue
                if chance.over <= now:
                    issue.void = False
                if start <= now or (chance.given <= now and self._soon(issue, start, chance.given)):
                    issue.resolved = True

    def _soon(self, issue: Trouble, start: int, given: int) -> bool:
        in_time = issue.escalated and not passed(given, issue.escalated, 5, self.zone)
        if not issue.regular and in_time:
            return not passed(start, issue.escalated, 5, self.zone)
        return not passed(start, given, 5, self.zone)

    # Facts

    def _hear(self, fact: Fact, now: int) -> None:
        match fact:
            case ServiceStarted():
                if not self.service:
                    self.service = self.last_done = now
                    self.month = month_name(now, self.zone)
                    self.month_start = now
            case Notified():
                if fact.request not in self.cases:
                    self.cases[fact.request] = Case(fact, now)
                    self.urgent = [c for c in self.cases.values() if c.asked.kind != "Regular"]
                    self.urgent.sort(key=lambda c: (c.at, c.asked.request))
            case Answer():
                self.cases[fact.request].answers.append(fact)
            case Delivered():
                case = self.cases[fact.request]
                case.delivered = min(case.delivered, now)
            case Retracted():
                case = self.cases[fact.request]
                case.retracted = min(case.retracted, now)
            case Run():
                self._ran(self.cases[fact.request], fact, now)

    def _ran(self, case: Case, fact: Run, now: int) -> None:
        if fact.stage == "Started":
            case.starts.append(now)
        if fact.stage == "Completed" and case.done == FOREVER:
            case.done = now
            if case.asked.kind == "Regular":
                self.last_done, self.overdue = now, False

    def _act(self, act: Act, now: int) -> None:
        issue = self.issues.get(act.issue)
        if issue is None or issue.closed:
            return
        if act.step == "Escalated" and not issue.escalated and not issue.notice:
            issue.escalated = now
        if act.step == "Waiver" and not issue.notice:
            issue.closed = True
        if act.step == "TerminationNotice" and issue.gate and not issue.resolved and not issue.notice:
            issue.notice = now
        elif act.step == "TerminationWithdrawn" and issue.notice:
            issue.closed = True
            today = local_date(now, self.zone)
            self.partial_next.add(
                f"{today.year + today.month // 12:04}-{today.month % 12 + 1:02}",
            )
        self._look_at(issue, now)

    # What stands

    def _write_down(self, now: int) -> None:
        if not self.contract.clocks:
            return
        seen = Seen(
            at=now,
            months=tuple(self.months[-30:]),
            issues=tuple(sorted((issue.name, issue.state) for issue in self.issues.values())),
            void=any(issue.void for issue in self.issues.values()),
            overdue=bool(self.service) and self.overdue,
            failed=frozenset(name for name, case in self.cases.items() if case.judged == "Failed"),
        )
        last = self.log[-1] if self.log else None
        if last is None or (last.months, last.issues, last.void, last.overdue, last.failed) != (
            seen.months,
            seen.issues,
            seen.void,
            seen.overdue,
            seen.failed,
        ):
            self.log.append(seen)
