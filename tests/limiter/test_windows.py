"""What is let through in any window, against the policy: never below the guarantee, at most 1 % above.

Windows are shorter than the product's, between replicas 6 times only: what is under way between them weighs
as many times as much. Judged by the instants at which requests were really sent, so that a slow machine does
not make a client less polite than it was meant to be.
"""

import pytest

from limiter.answers import Answer
from limiter.patterns import (
    API,
    Pattern,
    above,
    all_behave,
    edges,
    halves,
    handed_over,
    moving,
    polite,
    random_bursts,
)
from limiter.reference import Rules, most_admitted, refused_below, replay
from limiter.stand import standing

DIVISOR = {1: 20, 2: 6, 3: 6}
OVER = {1: 1.015, 2: 1.02, 3: 1.02}
"""By replicas: a group more than the limit, 1 %, and what a burst lets through in the clock's millisecond;
with several also what was under way between them."""


def judged(answers: list[Answer], rules: Rules) -> tuple[int, int]:
    """Most admitted in a window, and refusals below the guarantee."""
    assert all(answer.status in (200, 429) for answer in answers)
    return most_admitted(answers, rules.window), len(refused_below(answers, rules.guaranteed, rules.window))


def held(found: list[list[Answer]], patterns: dict[str, Pattern], rules: Rules, replicas: int) -> None:
    """Every client got what it is guaranteed, and no more than the limit."""
    told = {name: judged(answers, rules) for name, answers in zip(patterns, found, strict=True)}
    most = rules.limit * OVER[replicas]
    wrong = {name: (count, below) for name, (count, below) in told.items() if count > most or below}
    assert wrong == {}, f"(most admitted, refused below {rules.guaranteed}); all: {told}"


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.slow), 3])
async def test_any_window_holds_what_the_policy_says(replicas: int) -> None:
    with standing(replicas=replicas, divisor=DIVISOR[replicas]) as stand:
        rules = stand.rules("ui")
        patterns = {
            "polite": polite(rules.limit),
            "edges": edges(rules.limit),
            "halves": halves(rules.limit),
            "1.2": above(1.2),
            "0.99": above(0.99),
            "moving": moving(rules.limit),
            "handed over": handed_over(rules.limit),
        } | {f"seed {seed}": random_bursts(rules.limit, seed) for seed in range(3)}
        found = await all_behave(list(patterns.values()), rules, stand.endpoints, network=stand.network)
    held(found, patterns, rules, replicas)
    assert all(answer.admitted for answer in found[0]), "a polite client is never refused"


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_the_other_class_too(replicas: int) -> None:
    with standing(replicas=replicas, divisor=DIVISOR[replicas]) as stand:
        rules = stand.rules("api")
        patterns = {"polite": polite(rules.limit)[:3], "edges": edges(rules.limit)}
        found = await all_behave(
            list(patterns.values()), rules, stand.endpoints, network=stand.network, path=API
        )
    held(found, patterns, rules, replicas)


@pytest.mark.slow
async def test_a_client_above_the_limit_gets_the_limit() -> None:
    with standing(replicas=2, divisor=DIVISOR[1]) as stand:
        rules = stand.rules("ui")
        (answers,) = await all_behave([above(1.2)], rules, stand.endpoints, network=stand.network)
    admitted = sum(answer.admitted for answer in answers)
    exact = replay(rules, answers).count("admitted")
    assert admitted == pytest.approx(exact, rel=0.015)
    waits = [int(answer.header("retry-after") or 0) for answer in answers if answer.reason == "limited"]
    assert waits, "it was refused"
    assert min(waits) >= 1
