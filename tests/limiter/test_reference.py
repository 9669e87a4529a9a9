"""The judges themselves: what they must find, and what they must not."""

from itertools import pairwise

from limiter.answers import Answer, take
from limiter.reference import Exact, Rules, bans, most_admitted, refused_below, replay

RULES = Rules(limit=606, ban=2727)
BANNED = b'{"code":8,"reason":"banned"}'
LIMITED = b'{"code":8,"reason":"limited"}'


def at(moment: float, status: int = 200, body: bytes = b"") -> Answer:
    return Answer(moment, moment, status, body=body)


def steady(rate: float, seconds: float, rules: Rules = RULES) -> tuple[list[str], list[float]]:
    exact = Exact(rules)
    times = [number / rate for number in range(round(rate * seconds))]
    return [exact.ask(time) for time in times], times


def test_a_client_at_the_limit_is_never_refused() -> None:
    assert set(steady(10, 330)[0]) == {"admitted"}
    assert set(steady(50, 330, Rules(3030, 9090))[0]) == {"admitted"}


def test_a_client_above_it_gets_the_limit_on_average() -> None:
    verdicts, _ = steady(12, 330)
    assert set(verdicts) == {"admitted", "limited"}
    assert 330 * 10.1 <= verdicts.count("admitted") <= 330 * 10.1 + 606


def test_a_ban_begins_and_ends_as_reckoned() -> None:
    verdicts, times = steady(16, 330)
    banned = [time for time, verdict in zip(times, verdicts, strict=True) if verdict == "banned"]
    assert (banned[0], banned[-1]) == (2727 / 16, 2727 / 16 + 60 - 1 / 16)
    after = [verdict for time, verdict in zip(times, verdicts, strict=True) if time > banned[-1]]
    assert after[:606] == ["admitted"] * 606, "a clean slate"


def test_the_second_burst_of_a_polite_client_is_admitted() -> None:
    exact = Exact(RULES)
    assert [exact.ask(number / 10_000) for number in range(600)] == ["admitted"] * 600
    assert [exact.ask(60.5 + number / 10_000) for number in range(600)] == ["admitted"] * 600


def test_replay_takes_requests_in_the_order_of_their_answers() -> None:
    answers = [at(number / 10_000) for number in range(700)]
    assert replay(RULES, answers[::-1]).count("limited") == 94


def test_most_admitted_finds_the_densest_window() -> None:
    answers = [at(second / 10) for second in range(1000)]
    assert most_admitted(answers, 60) == 601, "both ends are in it"
    answers += [at(70.0) for _ in range(50)]
    assert most_admitted(answers, 60) == 651
    assert most_admitted([at(1, 429), at(2, 0)], 60) == 0


def test_a_refusal_below_the_guarantee_is_found() -> None:
    answers = [at(second / 10) for second in range(600)]
    polite = at(59.99, 429, LIMITED)
    assert refused_below([*answers, polite], 600, 60) == []
    early = at(40.0, 429, LIMITED)
    assert refused_below([*answers, early], 600, 60) == [(early, 401)]
    assert refused_below([*answers, at(40.0, 429, BANNED)], 600, 60) == []


def test_bans_are_told_by_their_first_and_last() -> None:
    told = [at(1), at(2, 429, BANNED), at(61, 429, BANNED), at(62.1), at(70, 429, LIMITED)]
    assert bans(told, banned=60) == [(2, 62.1)]
    assert bans([at(1, 429, BANNED)], banned=60) == [(1, float("inf"))]
    again = [at(float(second), 429, BANNED) for second in (1, 60, 128, 187)]
    assert [begin for begin, _ in bans(again, banned=60)] == [1.0, 128.0]


def test_answers_are_cut_at_their_ends() -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: 1\r\n\r\nokHTTP/1.1 204 No\r\n\r\nHTTP/1.1 429 "
    buffer, answers = bytearray(whole), [at(0, 0), at(0, 0), at(0, 0)]
    assert [take(buffer, answer) for answer in answers] == [True, True, False]
    assert [(answer.status, answer.body) for answer in answers[:2]] == [(200, b"ok"), (204, b"")]
    assert answers[0].header("X") == "1"
    assert bytes(buffer) == b"HTTP/1.1 429 "
    assert all(one.done <= two.done for one, two in pairwise(answers[:2]))
