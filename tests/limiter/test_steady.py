"""A client at exactly the limit, and clients above it that are banned: begin, end, and the clean slate."""

import asyncio

import pytest

from limiter.answers import Answer
from limiter.http1 import burst, get, lines, paced
from limiter.patterns import API, UI
from limiter.reference import Exact, Rules, bans, most_admitted, refused_below
from limiter.stand import Stand, standing

DIVISOR = 10


async def steady(
    stand: Stand, rate: float, windows: float, *, number: int, path: str = UI, rules: Rules | None = None
) -> list[Answer]:
    """A client at a rate in parts of the guarantee, over all replicas in turn."""
    rules = rules or stand.rules("ui")
    async with lines(stand.endpoints, source=f"{stand.network}.{150 + number}") as made:
        return await paced(
            made,
            get(path),
            rate=rate * rules.guaranteed / rules.window,
            seconds=windows * rules.window,
        )


def reckoned(rules: Rules, answers: list[Answer]) -> tuple[float, float]:
    """When the exact policy begins the first ban, and ends it."""
    exact = Exact(rules)
    for answer in sorted(answers, key=lambda one: one.sent):
        if exact.ask(answer.sent) == "banned":
            return answer.sent, answer.sent + rules.banned
    raise AssertionError("no ban is reckoned")


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_client_at_the_limit_is_never_refused(replicas: int) -> None:
    with standing(replicas=replicas, divisor=DIVISOR) as stand:
        ui, api = await asyncio.gather(
            steady(stand, 1.0, 3, number=0),
            steady(stand, 1.0, 3, number=0, path=API, rules=stand.rules("api")),
        )
        assert refused_below(ui, 600, stand.rules("ui").window) == []
        assert refused_below(api, 3000, stand.rules("api").window) == []
        assert {answer.status for answer in (*ui, *api)} <= {200, 429}


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("replicas", [1, 3])
async def test_a_client_at_the_limit_is_never_refused_in_330_seconds(replicas: int) -> None:
    with standing(replicas=replicas) as stand:
        ui, api, above = await asyncio.gather(
            steady(stand, 1.0, 5.5, number=0),
            steady(stand, 1.0, 5.5, number=0, path=API, rules=stand.rules("api")),
            steady(stand, 1.6, 5.5, number=1),
        )
        rules = stand.rules("ui")
    assert sum(answer.status == 429 for answer in (*ui, *api)) == 0
    assert sum(answer.status == 200 for answer in ui) >= 3300 * 0.99
    assert sum(answer.status == 200 for answer in api) >= 16_500 * 0.99
    begin, end = reckoned(rules, above)
    ((begun, ended),) = bans(above, banned=rules.banned)
    assert begun == pytest.approx(begin, abs=0.5)
    assert ended == pytest.approx(end, abs=1.0)
    assert most_admitted(above, rules.window) <= rules.limit * 1.01


@pytest.mark.parametrize("replicas", [pytest.param(1, marks=pytest.mark.slow), 3])
async def test_a_ban_begins_and_ends_as_reckoned(replicas: int) -> None:
    with standing(replicas=replicas, divisor=DIVISOR) as stand:
        rules = stand.rules("ui")
        answers = await steady(stand, 4.0, 2.6, number=0)
    begin, end = reckoned(rules, answers)
    ((begun, ended), *_) = bans(answers, banned=rules.banned)
    assert begun == pytest.approx(begin, abs=0.5)
    assert ended == pytest.approx(end, abs=1.0)
    after = [answer for answer in answers if ended <= answer.sent]
    assert after, "asked on after the ban"
    assert sum(answer.admitted for answer in after[:500]) == 500, "a clean slate"


async def test_a_ban_holds_on_all_replicas_at_once_and_for_its_class_alone() -> None:
    with standing(replicas=3, divisor=DIVISOR) as stand:
        rules, source = stand.rules("ui"), f"{stand.network}.150"
        async with lines(stand.endpoints, source=source) as made:
            answers = await burst(made[:1], get(UI), rules.ban + 1)
            assert answers[-1].reason == "banned"
            assert answers[-2].reason == "limited"
            # What is under way between replicas takes its moment.
            await asyncio.sleep(0.1)
            others = [await line.ask(get(UI)) for line in made]
            assert [answer.reason for answer in others] == ["banned"] * 3
            waits = [int(answer.header("retry-after") or 0) for answer in others]
            assert all(1 <= wait <= rules.banned for wait in waits), waits
            assert [(await line.ask(get(API))).status for line in made] == [200] * 3
        async with lines(stand.endpoints, source=f"{stand.network}.151") as made:
            assert [(await line.ask(get(UI))).status for line in made] == [200] * 3, "another client"


@pytest.mark.slow
async def test_requests_during_a_ban_do_not_prolong_it() -> None:
    with standing(replicas=2, divisor=DIVISOR) as stand:
        rules = stand.rules("ui")
        answers = await steady(stand, 4.0, 1.5, number=0)
        ((begun, _), *_) = bans(answers, banned=rules.banned)
        polite = await steady(stand, 0.5, 1.2, number=0)
    refused = [answer for answer in polite if not answer.admitted]
    assert refused, "the ban was still on"
    assert max(answer.sent for answer in refused) <= begun + rules.banned + 0.5
