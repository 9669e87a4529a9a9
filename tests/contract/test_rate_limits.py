"""The rate limits in force: the published ones, what records raise, and which records have no effect."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract import slow_limits
from dedicated.api.rate_limit import RateLimit
from dedicated.contract.facts import Fact
from dedicated.contract.raising import LoadTest, Override, OverrideWithdrawn
from dedicated.contract.rate_limits import (
    API,
    UI,
    InForce,
    Kind,
    Policy,
    Threshold,
    applied,
    canonical,
    class_of,
    policy_hash,
    policy_in_force,
)

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAT = "203.0.113.0/24"
BY = "ops"


def override(name: str = "o", *, at: datetime = START, held: str = NAT, factor: int | None = 20,
             since: datetime | None = None, until: datetime = START + 30 * DAY) -> Override:  # fmt: skip
    return Override(name, at, BY, held, factor, since, until, "T-1", "a NAT")


def load_test(name: str = "t", *, at: datetime = START, held: tuple[str, ...] = (NAT,),
              start: datetime = START + 20 * DAY, end: datetime = START + 21 * DAY) -> LoadTest:  # fmt: skip
    return LoadTest(name, at, BY, held, start, end, "T-1")


def in_force(*facts: Fact, now: datetime = START, spec: RateLimit | None = None) -> InForce:
    return policy_in_force(spec, facts, now=now)


def limit_of(found: InForce, address: str, kind: Kind = "ui") -> int | None:
    """The limit of an address; None: none."""
    held = applied(found.policy, address, kind)
    return None if held.exempt else held.threshold.limit


# --- the published policy ------------------------------------------------------------------------


def test_the_published_limits_have_one_per_cent_of_tolerance() -> None:
    assert in_force() == InForce(Policy(Threshold(606, 2727), Threshold(3030, 9090)))


def test_the_spec_says_how_and_never_how_much() -> None:
    found = in_force(spec=RateLimit(mode="Shadow", ipv6_prefix=56)).policy
    assert found == Policy(UI, API, (), ipv6_prefix=56, mode="Shadow")


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_prefix(address: str, key: str) -> None:
    assert applied(Policy(), address, "api") == replace(applied(Policy(), address, "ui"), threshold=API)
    assert applied(Policy(), address, "api").key == key


def test_the_ipv6_prefix_is_the_spec_s() -> None:
    assert applied(Policy(ipv6_prefix=48), "2001:db8:1:2:3::4", "ui").key == "2001:db8:1::/48"


def test_what_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        applied(Policy(), "localhost", "ui")


# --- what records raise --------------------------------------------------------------------------


def test_an_override_raises_limit_and_ban_of_both_classes() -> None:
    (entry,) = in_force(override()).policy.entries
    assert (entry.range, entry.exempt) == (NAT, False)
    assert (entry.ui, entry.api) == (Threshold(12120, 54540), Threshold(60600, 181800))
    assert (entry.record, entry.until) == ("o", START + 30 * DAY)


def test_an_exemption_has_the_published_limits_and_is_not_held_to_them() -> None:
    (entry,) = in_force(override(factor=None)).policy.entries
    assert (entry.exempt, entry.ui, entry.api) == (True, UI, API)


def test_an_override_holds_from_its_begin_until_before_its_end() -> None:
    fact = override(since=START + DAY, until=START + 2 * DAY)
    for now, limit, wake_at in (
        (START, 606, START + DAY),
        (START + DAY, 12120, START + 2 * DAY),
        (START + 2 * DAY, 606, None),
    ):
        found = in_force(fact, now=now)
        assert (limit_of(found, "203.0.113.7"), found.wake_at) == (limit, wake_at), now


def test_an_override_never_holds_before_it_was_recorded() -> None:
    fact = override(at=START + DAY, since=START - DAY)
    assert limit_of(in_force(fact), "203.0.113.7") == 606
    assert in_force(fact).wake_at == START + DAY


def test_of_one_range_the_more_generous_record_holds() -> None:
    less, more, exempt = override("a"), override("b", factor=50), override("c", factor=None)
    for facts in ((less, more), (more, less)):
        assert [entry.record for entry in in_force(*facts).policy.entries] == ["b"]
    assert [entry.record for entry in in_force(more, exempt, less).policy.entries] == ["c"]


def test_of_equal_records_that_which_ends_last_holds() -> None:
    longer = override("z", until=START + 40 * DAY)
    for facts in ((override("a"), longer), (longer, override("a"))):
        assert [entry.record for entry in in_force(*facts).policy.entries] == ["z"]


def test_a_narrower_range_is_raised_further_and_never_less() -> None:
    wide = override("wide", held="203.0.0.0/16", factor=10)
    found = in_force(wide, override("more", held="203.0.113.0/24", factor=20))
    assert (limit_of(found, "203.0.113.7"), limit_of(found, "203.0.7.7")) == (12120, 6060)
    less = in_force(wide, override("less", held="203.0.113.0/24", factor=2))
    assert [entry.record for entry in less.policy.entries] == ["wide"]
    assert limit_of(less, "203.0.113.7") == 6060


def test_entries_are_in_order_of_their_ranges() -> None:
    ranges = ["2001:db8::/32", "10.0.0.0/8", "9.0.0.0/8", "2001:db8:1::/48", "203.0.113.7/32"]
    found = in_force(*(override(str(n), held=held, factor=n + 2) for n, held in enumerate(ranges)))
    assert [entry.range for entry in found.policy.entries] == [
        "9.0.0.0/8", "10.0.0.0/8", "203.0.113.7/32", "2001:db8::/32", "2001:db8:1::/48",
    ]  # fmt: skip


# --- load tests ----------------------------------------------------------------------------------


def test_a_load_test_exempts_its_ranges_while_it_runs() -> None:
    fact = load_test(held=(NAT, "198.51.100.0/28"))
    assert in_force(fact) == InForce(Policy(), wake_at=fact.start)
    runs = in_force(fact, now=fact.start)
    assert [limit_of(runs, address) for address in ("203.0.113.7", "198.51.100.7", "198.51.100.17")] == [
        None, None, 606,
    ]  # fmt: skip
    assert runs.wake_at == fact.end
    assert in_force(fact, now=fact.end) == InForce(Policy())


def test_a_load_test_is_recorded_14_days_before_or_void() -> None:
    start = START + 14 * DAY
    assert not in_force(load_test(start=start, end=start + DAY)).problems
    late = load_test(at=START + timedelta(seconds=1), start=start, end=start + DAY)
    for now in (START + timedelta(seconds=1), start, start + DAY - timedelta(seconds=1)):
        found = in_force(late, now=now)
        (problem,) = found.problems
        assert (problem.record, problem.field) == ("t", "loadTest.from")
        assert problem.value == "2026-03-16T12:00:00Z"
        assert problem.reason == "recorded at 2026-03-02T12:00:01Z, less than 14 days before"
        assert "record it 14 days before (RL-4)" in problem.fix
        assert (limit_of(found, "203.0.113.7"), found.wake_at) == (606, start + DAY)
    assert in_force(late, now=start + DAY) == InForce(Policy())


# --- records that have no effect -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "reason", "fix"),
    [
        ("203.0.113.7/24", "203.0.113.7 is one address of 203.0.113.0/24",
         "write 203.0.113.0/24 for all of it, or 203.0.113.7/32 for the one"),
        ("2001:db8:0:1::1/64", "2001:db8:0:1::1 is one address of 2001:db8:0:1::/64",
         "write 2001:db8:0:1::/64 for all of it"),
        ("128.0.0.0/7", "wider than /8", "name ranges of /8 or narrower"),
        ("0.0.0.0/0", "wider than /8", "name ranges of /8 or narrower"),
        ("2000::/15", "wider than /16", "name ranges of /16 or narrower"),
        ("::ffff:203.0.113.0/120", "IPv4 addresses written as IPv6", "write them as IPv4"),
        ("2001:db8::/65", "addresses of one /64 are counted as one client", "write 2001:db8::/64"),
        ("203.0.113", "not a range of addresses", "such as 203.0.113.0/24"),
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_raised_is_named(held: str, reason: str, fix: str) -> None:
    found = in_force(override(held=held), override("good", held="198.51.100.0/24"))
    (problem,) = found.problems
    assert (problem.record, problem.field, problem.value) == ("o", "override.range", held)
    assert problem.reason == reason
    assert fix in problem.fix
    assert [entry.record for entry in found.policy.entries] == ["good"]


def test_a_bad_range_of_a_load_test_does_not_void_the_others() -> None:
    fact = load_test(held=("203.0.113.7/24", "198.51.100.0/24"))
    found = in_force(fact, now=fact.start)
    assert [(problem.field, problem.value) for problem in found.problems] == [
        ("loadTest.ranges", "203.0.113.7/24")
    ]
    assert [entry.range for entry in found.policy.entries] == ["198.51.100.0/24"]


def test_an_override_of_more_than_a_year_has_no_effect() -> None:
    assert not in_force(override(until=START + 366 * DAY)).problems
    found = in_force(override(until=START + 367 * DAY))
    (problem,) = found.problems
    assert (problem.field, problem.value) == ("override.validUntil", "2027-03-04T12:00:00Z")
    assert found.policy == Policy()
    assert found.wake_at == START + 367 * DAY


def test_a_record_is_taken_back_from_then_on() -> None:
    back = OverrideWithdrawn("w", START + DAY, BY, "o")
    assert limit_of(in_force(override(), back), "203.0.113.7") == 12120
    assert in_force(override(), back).wake_at == START + DAY
    assert in_force(override(), back, now=START + DAY) == InForce(Policy())
    assert in_force(load_test(), replace(back, record="t")).wake_at is None
    other = in_force(override(), replace(back, record="other"), now=START + DAY)
    assert limit_of(other, "203.0.113.7") == 12120


def test_what_is_wrong_with_a_record_that_was_taken_back_is_nobody_s_matter() -> None:
    bad, back = override(held="203.0.113.7/24"), OverrideWithdrawn("w", START + DAY, BY, "o")
    assert len(in_force(bad, back).problems) == 1
    assert in_force(bad, back, now=START + DAY) == InForce(Policy())


# --- the text of the policy ----------------------------------------------------------------------


def test_the_canonical_text_is_stable() -> None:
    """What the limiter runs is told apart by it: another text is another policy to every limiter there is."""
    assert canonical(Policy()) == (
        '{"api":{"ban":9090,"limit":3030},"banSeconds":60,"banWindow":180,"entries":[],"ipv6Prefix":64,'
        '"mode":"Enforce","ui":{"ban":2727,"limit":606},"window":60}'
    )
    assert policy_hash(Policy()) == "f163c3b931e46715"
    found = in_force(override(), override("e", held="198.51.100.0/24", factor=None)).policy
    assert canonical(found).count('{"exempt":true,"range":"198.51.100.0/24"}') == 1
    raised = '{"api":{"ban":181800,"limit":60600},"range":"203.0.113.0/24","ui":{"ban":54540,"limit":12120}}'
    assert raised in canonical(found)


def test_who_says_it_and_until_when_makes_no_other_policy() -> None:
    first = in_force(override("a")).policy
    assert policy_hash(first) == policy_hash(in_force(override("b", until=START + 9 * DAY)).policy)


@pytest.mark.parametrize(
    "other",
    [
        Policy(mode="Shadow"),
        Policy(ipv6_prefix=48),
        Policy(ui=Threshold(607, 2727)),
        Policy(api=Threshold(3030, 9091)),
        in_force(override()).policy,
        in_force(override(factor=None)).policy,
        in_force(override(factor=21)).policy,
        in_force(override(held="203.0.112.0/24")).policy,
    ],
)
def test_every_other_policy_has_another_hash(other: Policy) -> None:
    assert policy_hash(other) != policy_hash(Policy())
    assert len(policy_hash(other)) == 16


# --- classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ui/console", "ui"), ("/ui/v2/login/loginname?authRequest=V2_1", "ui"), ("/ui/", "ui"),
        ("/%75i/console", "ui"), ("//ui//console", "ui"), ("/ui%2Fconsole", "ui"), ("/%2fui/", "ui"),
        ("/ui", "api"), ("/UI/", "api"), ("/uix/", "api"), ("/", "api"), ("/oauth/v2/token", "api"),
        ("/%2575i/", "api"), ("/ui;a=b/console", "api"), ("/x?next=/ui/", "api"), ("/x/?a=/../", "api"),
        ("/zitadel.user.v2.UserService/ListUsers", "api"), ("/a..b/", "api"), ("/...", "api"),
        ("/oauth/../ui/", None), ("/./ui/", None), ("/%2e%2e/ui/", None), ("/ui/..", None), ("/x/.", None),
        ("/ui/%2e%2e%2fx", None), ("/%zz", None), ("/x%", None), ("/x%2", None), ("/x%00", None),
    ],
)  # fmt: skip
def test_the_class_is_that_of_the_path_as_the_server_reads_it(path: str, kind: Kind | None) -> None:
    assert class_of(path) == kind


# --- against a slow reference --------------------------------------------------------------------

TEXTS = (
    "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "10.1.2.128/25", "11.0.0.0/8", "10.0.0.0/7",
    "10.1.2.3/24", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:1::/64", "2001:db8:1:1::/60",
    "2001:db8:1:1::1/128", "::/0", "::ffff:10.0.0.0/104", "nonsense",
)  # fmt: skip
ADDRESSES = (
    "10.0.0.1", "10.1.0.1", "10.1.2.3", "10.1.2.4", "10.1.2.200", "11.1.1.1", "12.1.1.1",
    "2001:db8:2::1", "2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:1:f::1", "2001:db9::1",
)  # fmt: skip
DAYS = st.integers(-20, 380).map(lambda days: START + days * DAY)
RANGES = st.sampled_from(TEXTS)
NAMES = st.integers(0, 5).map(str)
FACTORS = st.none() | st.integers(2, 100)
OVERRIDES = st.builds(Override, NAMES, DAYS, st.just(BY), RANGES, FACTORS, st.none() | DAYS, DAYS)
LOAD_TESTS = st.builds(
    LoadTest, NAMES, DAYS, st.just(BY), st.lists(RANGES, max_size=3).map(tuple), DAYS, DAYS
)
WITHDRAWN = st.builds(OverrideWithdrawn, st.just("w"), DAYS, st.just(BY), NAMES)
FACTS = st.lists(OVERRIDES | LOAD_TESTS | WITHDRAWN, max_size=8)
PREFIXES = st.sampled_from([48, 60, 64])


@given(FACTS, PREFIXES, DAYS)
@example([override("0", held="10.0.0.0/8", factor=None), override("1", held="10.1.2.0/24")], 64, START)
def test_each_address_has_what_the_most_generous_record_says(
    facts: list[Fact], ipv6_prefix: int, now: datetime
) -> None:
    found = in_force(*facts, now=now, spec=RateLimit(ipv6_prefix=ipv6_prefix))
    for address in ADDRESSES:
        wanted = slow_limits.said(facts, address, ipv6_prefix=ipv6_prefix, now=now)
        kinds: tuple[Kind, ...] = ("ui", "api")
        for kind in kinds:
            held = applied(found.policy, address, kind)
            assert held.exempt == (wanted.times is None), address
            assert (held.threshold.limit, held.threshold.ban) == wanted.threshold(kind), address


@given(FACTS, DAYS)
def test_nothing_changes_before_the_instant_to_wake_at(facts: list[Fact], now: datetime) -> None:
    found = in_force(*facts, now=now)
    last = found.wake_at - timedelta(seconds=1) if found.wake_at else now + 1000 * DAY
    assert last >= now
    later = in_force(*facts, now=last)
    assert (later.policy, later.problems) == (found.policy, found.problems)
    assert later.wake_at == found.wake_at


@given(st.data(), FACTS, DAYS)
def test_the_order_of_records_makes_no_difference(
    data: st.DataObject, facts: list[Fact], now: datetime
) -> None:
    shuffled = data.draw(st.permutations(facts))
    first, second = in_force(*facts, now=now), in_force(*shuffled, now=now)
    assert first.policy == second.policy
    assert set(first.problems) == set(second.problems)


@given(FACTS, DAYS)
def test_entries_are_canonical_and_only_raise(facts: list[Fact], now: datetime) -> None:
    policy = in_force(*facts, now=now).policy
    ranges = [entry.range for entry in policy.entries]
    assert len(set(ranges)) == len(ranges)
    for entry in policy.entries:
        assert str(ip_network(entry.range)) == entry.range
        assert entry.exempt or (entry.ui.limit > UI.limit and entry.api.ban > API.ban)
        assert entry.until > now
