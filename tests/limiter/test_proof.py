"""A proof tells what is wrong: a limit raised behind its back, a map that is stale, a ban that is another."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dedicated.agents.limiter.applying import Applier
from dedicated.agents.limiter.content import Content, Range, Told
from dedicated.agents.limiter.files import Folder
from dedicated.agents.limiter.proving import Source, prove
from dedicated.contract.limiter_report import Bounds, Proof, Thresholds
from dedicated.contract.rate_limits import Policy, policy_hash
from dedicated.probes import edge
from dedicated.probes.edge import Expected
from dedicated.probes.haproxy import Haproxy
from limiter.agents import exempted, raised
from limiter.stand import Stand, standing

NUMBERS = itertools.count()
RAISED, EXEMPT = "203.0.113.64/26", "198.51.100.128/25"


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    policy = exempted(raised(Policy(), RAISED, 2), EXEMPT)
    with standing(policy=policy) as made:
        yield made


def applier(stand: Stand) -> Applier:
    folder = stand.folder / "r0"
    return Applier(Haproxy(folder / "admin.sock", folder / "master.sock"), Folder(folder), folder, "haproxy")


def told(policy: Policy) -> Told:
    ranges = tuple(
        Range(
            entry.range,
            entry.exempt,
            Thresholds(Bounds(entry.ui.limit, entry.ui.ban), Bounds(entry.api.limit, entry.api.ban)),
        )
        for entry in policy.entries
    )
    everybody = Thresholds(Bounds(policy.ui.limit, policy.ui.ban), Bounds(policy.api.limit, policy.api.ban))
    return Told(policy_hash(policy), everybody, 60, ranges)


async def proof_of(stand: Stand, change: Callable[[Told], Told] = lambda one: one) -> Proof:
    policy = change(told(stand.policy))
    return await prove(
        applier(stand),
        Content("digest", "digest", stand.files(0), policy),
        stand.files(0),
        listener=stand.probe(0),
        source=Source(0, lambda: next(NUMBERS), lambda: 0xBEEF0000 + next(NUMBERS)),
        now=lambda: datetime.now(UTC),
    )


@contextmanager
def changed(stand: Stand, there: str, back: str) -> Iterator[None]:
    """A command to the running process that nobody was to give, and another afterwards."""
    assert stand.replicas[0].admin(there).strip() == ""
    try:
        yield
    finally:
        stand.replicas[0].admin(back)


async def test_the_policy_in_force_is_proven_at_once(stand: Stand) -> None:
    start = datetime.now(UTC)
    proof = await proof_of(stand)
    assert (proof.passed, proof.detail, proof.ranges) == (True, "", 2)
    assert (proof.at - start).total_seconds() < 3


@pytest.mark.parametrize(
    ("name", "right", "found"),
    [("ui_limit", "606", "admitted 700, must be 606"), ("api_limit", "3030", "admitted 3090, must be 3030")],
)
async def test_a_raised_limit_is_found(stand: Stand, name: str, right: str, found: str) -> None:
    other = found.split()[1].strip(",")
    both = "; ".join(f"set map {name}.map {everybody} {{}}" for everybody in ("0.0.0.0/0", "::/0"))
    with changed(stand, both.format(other, other), both.format(right, right)):
        proof = await proof_of(stand)
    assert not proof.passed
    assert f"{name}.map in the process is not the file's" in proof.detail
    assert found in proof.detail


async def test_a_ban_that_comes_late_is_found(stand: Stand) -> None:
    with changed(stand, "set map ui_ban.map 0.0.0.0/0 2900", "set map ui_ban.map 0.0.0.0/0 2727"):
        proof = await proof_of(stand)
    assert not proof.passed
    assert "must be 2728" in proof.detail


async def test_a_stale_map_is_found(stand: Stand) -> None:
    """One that lacks a range which the policy has."""
    with changed(stand, f"del map ui_limit.map {RAISED}", f"add map ui_limit.map {RAISED} 1212"):
        proof = await proof_of(stand)
    assert not proof.passed
    assert "ui_limit.map in the process is not the file's" in proof.detail
    assert f"range {RAISED} has limits 606/5454/6060/18180, must have 1212/5454/6060/18180" in proof.detail


async def test_an_exemption_too_many_is_found(stand: Stand) -> None:
    with changed(stand, f"del acl exempt.lst {EXEMPT}", f"add acl exempt.lst {EXEMPT}"):
        proof = await proof_of(stand)
    assert not proof.passed
    assert f"range {EXEMPT} has limits 606/2727/3030/9090, must be exempt" in proof.detail


async def test_another_policy_hash_is_found(stand: Stand) -> None:
    proof = await proof_of(stand, lambda one: replace(one, hash="another"))
    assert not proof.passed
    assert "must be another" in proof.detail


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        (Bounds(605, 2727), "ui: admitted 606, must be 605"),
        (Bounds(606, 2726), "ui: banned at request 2728, must be 2727"),
        (Bounds(606, 2728), "ui: banned at request 2728, must be 2729"),
    ],
)
async def test_a_wrong_expectation_fails(stand: Stand, wrong: Bounds, detail: str) -> None:
    proof = await proof_of(stand, lambda one: replace(one, thresholds=replace(one.thresholds, ui=wrong)))
    assert not proof.passed
    assert detail in proof.detail


async def test_a_ban_of_another_length_is_found(stand: Stand) -> None:
    proof = await proof_of(stand, lambda one: replace(one, ban_seconds=30))
    assert not proof.passed
    assert "banned for 60 s, must be 30 s" in proof.detail


async def test_a_raised_range_is_counted_as_the_policy_says(stand: Stand) -> None:
    """An address of a range that is documentation's too: nobody's budget is used up."""
    expected = Expected(1212, 5454, 60, policy_hash(stand.policy))
    counted = await edge.count(stand.probe(0), "ui", "203.0.113.70", expected=expected)
    assert list(edge.differences("ui", counted, expected)) == []


async def test_nobody_listening_is_a_proof_that_failed(stand: Stand) -> None:
    made = stand.probe
    stand.probe = lambda replica: (made(replica)[0], 9)  # type: ignore[method-assign]
    try:
        proof = await proof_of(stand)
    finally:
        stand.probe = made  # type: ignore[method-assign]
    assert not proof.passed
    assert proof.detail == "the probe listener does not answer: ConnectionRefusedError"
