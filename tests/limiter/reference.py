"""The policy once more, slow and exact: a log of every request. What the limiter does is held against it."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from limiter.answers import Answer

Verdict = Literal["admitted", "limited", "banned"]


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds of one class with the tolerance in them, and the lengths in seconds."""

    limit: int
    ban: int
    window: float = 60.0
    ban_window: float = 180.0
    banned: float = 60.0

    @property
    def guaranteed(self) -> int:
        """What the contract guarantees: the limit without its tolerance of 1 %."""
        return self.limit * 100 // 101


@dataclass(slots=True)
class Exact:
    """The policy by logs: the limit counts what was admitted, the ban counts what was offered.

    A ban ends with a clean slate, and so does a silence of its length.
    """

    rules: Rules
    admitted: list[float] = field(default_factory=list)
    offered: list[float] = field(default_factory=list)
    banned_until: float = float("-inf")

    def ask(self, at: float) -> Verdict:
        """One request."""
        rules = self.rules
        if at < self.banned_until:
            return "banned"
        if self.offered and at - self.offered[-1] >= rules.banned:
            self.offered.clear()
        self.offered.append(at)
        del self.offered[: bisect_right(self.offered, at - rules.ban_window)]
        if len(self.offered) > rules.ban:
            self.banned_until = at + rules.banned
            self.offered.clear()
            return "banned"
        del self.admitted[: bisect_right(self.admitted, at - rules.window)]
        if len(self.admitted) >= rules.limit:
            return "limited"
        self.admitted.append(at)
        return "admitted"


def replay(rules: Rules, answers: Sequence[Answer]) -> list[Verdict]:
    """What the exact policy would have said, each request taken at the instant of its answer."""
    exact = Exact(rules)
    return [exact.ask(answer.done) for answer in sorted(answers, key=lambda one: one.done)]


def most_admitted(answers: Sequence[Answer], window: float) -> int:
    """The most that was certainly admitted in any window.

    Each decision fell between `sent` and `done`, an answer being quicker than a window. What was sent after
    the window's begin and answered before its end was decided in it.
    """
    admitted = [answer for answer in answers if answer.admitted]
    sent = sorted(answer.sent for answer in admitted)
    done = sorted(answer.done for answer in admitted)
    return max((bisect_right(done, begin + window) - bisect_left(sent, begin) for begin in sent), default=0)


def refused_below(answers: Sequence[Answer], guaranteed: int, window: float) -> list[tuple[Answer, int]]:
    """Refusals by the limit although less than the guarantee can have been admitted in the window before.

    The decision fell between `sent` and `done`; whatever may have been in the window is counted.
    """
    admitted = [answer for answer in answers if answer.admitted]
    sent = sorted(answer.sent for answer in admitted)
    done = sorted(answer.done for answer in admitted)
    wrong = []
    for answer in answers:
        if answer.status == 429 and answer.reason != "banned":
            possible = bisect_right(sent, answer.done) - bisect_left(done, answer.sent - window)
            if possible < guaranteed:
                wrong.append((answer, possible))
    return wrong


def bans(answers: Sequence[Answer], *, banned: float) -> list[tuple[float, float]]:
    """Begin and end of each ban, by the first refused by it and the first that was not.

    A ban that is still on has no end: infinity. Two bans back to back are told apart by their length.
    """
    found: list[tuple[float, float]] = []
    for answer in sorted(answers, key=lambda one: one.done):
        running = bool(found) and found[-1][1] == float("inf")
        if answer.reason == "banned":
            if running and answer.done - found[-1][0] > banned * 1.5:
                found[-1] = (found[-1][0], answer.done)
                running = False
            if not running:
                found.append((answer.done, float("inf")))
        elif running:
            found[-1] = (found[-1][0], answer.done)
    return found
