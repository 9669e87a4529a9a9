"""The five conditions of the rate limits: each trouble turns the one that it is about, and no other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.limiter_facts import HASH, LOOKED, NOW, PROOF, THRESHOLDS, ago, report, sight
from dedicated.api.conditions import (
    CLIENT_ADDRESS_TRUSTED,
    RATE_LIMIT_CAPACITY,
    RATE_LIMIT_CONFIGURED,
    RATE_LIMIT_ENFORCED,
    RATE_LIMIT_EXACT,
    condition_list,
)
from dedicated.api.json import JsonValue, Manifest
from dedicated.contract.limiter_report import Bounds, Counts, Report
from dedicated.contract.limits_conditions import (
    GRACE,
    JUDGED,
    LONGEST,
    PROOF_FRESH,
    conditions,
    next_change,
)
from dedicated.contract.limits_sight import STALE, ClientSource, Sight, Way, Ways

GOOD = {
    RATE_LIMIT_CONFIGURED: ("True", "Applied"),
    RATE_LIMIT_ENFORCED: ("True", "Proven"),
    RATE_LIMIT_EXACT: ("True", "Exact"),
    CLIENT_ADDRESS_TRUSTED: ("True", "Trusted"),
    RATE_LIMIT_CAPACITY: ("True", "Room"),
}
SILENT = dict.fromkeys(GOOD, ("Unknown", "NotReported"))


def judged(what: Sight, before: Manifest | None = None, *, generation: int = 1) -> dict[str, tuple[str, str]]:
    found = conditions(what, before or {}, generation=generation, now=NOW)
    assert tuple(one.type for one in found) == JUDGED
    return {one.type: (one.status, one.reason) for one in found}


def message(what: Sight, kind: str) -> str:
    return next(one.message for one in conditions(what, {}, generation=1, now=NOW) if one.type == kind)


def status_of(what: Sight, *, generation: int = 1) -> Manifest:
    found = conditions(what, {}, generation=generation, now=NOW)
    told: list[JsonValue] = condition_list(found, previous={}, generation=generation, now=NOW)
    return {"conditions": told}


def with_one(change: Callable[[Report], Report]) -> Sight:
    """Three replicas, of which the second differs."""
    return sight(report(0), change(report(1)), report(2))


def test_a_limiter_that_is_well() -> None:
    assert judged(sight()) == GOOD
    assert "ui 606 a minute, banned beyond 2727 in three; api 3030, 9090" in message(
        sight(), RATE_LIMIT_ENFORCED
    )


RAISED = replace(THRESHOLDS, ui=Bounds(700, 2727))
FAILED = replace(PROOF, passed=False, detail="ui admitted 700 instead of 606")
TROUBLES: dict[str, tuple[Sight, dict[str, tuple[str, str]]]] = {
    "a replica whose limit is raised, as the proof found": (
        with_one(lambda one: replace(one, proof=FAILED, thresholds=RAISED)),
        {RATE_LIMIT_ENFORCED: ("False", "ProofFailed")},
    ),
    "a map that says other than the policy": (
        with_one(lambda one: replace(one, thresholds=RAISED)),
        {RATE_LIMIT_ENFORCED: ("False", "HashMismatch")},
    ),
    "a stale map: the policy of before": (
        with_one(lambda one: replace(one, policy_hash="bbbb567890abcdef")),
        {RATE_LIMIT_ENFORCED: ("False", "HashMismatch")},
    ),
    "a Service past it": (
        replace(sight(), ways=replace(LOOKED, objects=(Way("Service", "back-door", "NodePort"),))),
        {RATE_LIMIT_ENFORCED: ("False", "BypassFound")},
    ),
    "a connection that must fail, and does not": (
        replace(sight(), ways=replace(LOOKED, direct="Open")),
        {RATE_LIMIT_ENFORCED: ("False", "BypassFound")},
    ),
    "a header that anybody may write": (
        replace(sight(), client=ClientSource("XForwardedFor", ("10.0.0.0/8", "0.0.0.0/1"))),
        {CLIENT_ADDRESS_TRUSTED: ("False", "HeaderSpoofable")},
    ),
    "a header that nobody is believed": (
        replace(sight(), client=ClientSource("ProxyProtocol", ())),
        {CLIENT_ADDRESS_TRUSTED: ("False", "NobodyTrusted")},
    ),
    "clients behind one address of the cluster": (
        sight(*(replace(report(number), from_cluster=0.4) for number in range(3))),
        {CLIENT_ADDRESS_TRUSTED: ("False", "SharedAddress")},
    ),
    "a table that is nearly full": (
        with_one(lambda one: replace(one, tracked=Counts(10, 110_000))),
        {RATE_LIMIT_CAPACITY: ("False", "NearlyFull")},
    ),
    "a configuration that HAProxy refused": (
        with_one(lambda one: replace(one, phase="Rejected", wanted="c2", message="unknown keyword")),
        {RATE_LIMIT_CONFIGURED: ("False", "ConfigRejected")},
    ),
    "replicas that do not hear each other": (
        with_one(lambda one: replace(one, apart=1)),
        {RATE_LIMIT_EXACT: ("False", "ReplicasApart")},
    ),
    "files that are not those of its own": (
        with_one(lambda one: replace(one, content="c9", wanted="c9", proof=replace(PROOF, content="c9"))),
        {RATE_LIMIT_CONFIGURED: ("False", "NotApplied")},
    ),
    "a report that is stale": (with_one(lambda one: replace(one, measured_at=ago(minutes=6))), SILENT),
    "a report from the future": (with_one(lambda one: replace(one, measured_at=ago(minutes=-6))), SILENT),
    "a replica that never reported": (replace(sight(), reports=(report(0), report(1))), SILENT),
    "a proof of other files": (
        with_one(lambda one: replace(one, proof=replace(PROOF, content="c0"))),
        {RATE_LIMIT_ENFORCED: ("Unknown", "NotProbed")},
    ),
    "a proof that is too old": (
        with_one(lambda one: replace(one, proof=replace(PROOF, at=ago(hours=27)))),
        {RATE_LIMIT_ENFORCED: ("Unknown", "NotProbed")},
    ),
    "no proof yet": (
        with_one(lambda one: replace(one, proof=None)),
        {RATE_LIMIT_ENFORCED: ("Unknown", "NotProbed")},
    ),
    "nobody has looked for ways": (
        replace(sight(), ways=Ways(direct="Closed")),
        {RATE_LIMIT_ENFORCED: ("Unknown", "NotProbed")},
    ),
    "a connection that tells nothing": (
        replace(sight(), ways=replace(LOOKED, direct="Unknown")),
        {RATE_LIMIT_ENFORCED: ("Unknown", "NotProbed")},
    ),
    "a mode that refuses nothing": (
        replace(sight(), mode="Shadow"),
        {RATE_LIMIT_ENFORCED: ("False", "Shadow")},
    ),
    "a mode that leaves the ways in of before open": (
        replace(sight(), mode="Shadow", ways=replace(LOOKED, direct="Open")),
        {RATE_LIMIT_ENFORCED: ("False", "Shadow")},
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_turns_the_condition_that_it_is_about(name: str) -> None:
    what, wanted = TROUBLES[name]
    assert judged(what) == GOOD | wanted


def test_what_is_certain_is_said_without_a_report() -> None:
    silent = sight(*(replace(report(number), measured_at=ago(hours=1)) for number in range(3)))
    bypassed = replace(silent, ways=replace(LOOKED, direct="Open"))
    assert judged(bypassed) == SILENT | {RATE_LIMIT_ENFORCED: ("False", "BypassFound")}
    forgeable = replace(silent, client=ClientSource("XForwardedFor", ("::/0",)))
    assert judged(forgeable) == SILENT | {CLIENT_ADDRESS_TRUSTED: ("False", "HeaderSpoofable")}


def test_without_a_way_in_it_is_said_what_to_set_and_nothing_else() -> None:
    nowhere = Sight("NoEdge", reports=sight().reports)
    assert judged(nowhere) == dict.fromkeys(GOOD, ("Unknown", "NoEdge"))
    assert "set spec.edge" in message(nowhere, RATE_LIMIT_ENFORCED)
    assert next_change(nowhere, now=NOW) is None


def test_where_the_customer_enforces_nothing_is_claimed() -> None:
    found = judged(Sight("External"))
    assert found.pop(RATE_LIMIT_EXACT) == ("False", "External")
    assert set(found.values()) == {("Unknown", "External")}


def test_a_limiter_that_does_not_stand_yet() -> None:
    nothing_wanted = replace(sight(), replicas=0, contents=())
    assert judged(nothing_wanted) == dict.fromkeys(GOOD, ("Unknown", "NotInstalled"))
    assert judged(replace(sight(), stands=False)) == dict.fromkeys(GOOD, ("Unknown", "NotInstalled"))


def changing(one: Report) -> Report:
    """A replica that still holds to the policy of before."""
    return replace(one, phase="Waiting", wanted="c2", policy_hash="bbbb567890abcdef")


def test_a_change_that_is_being_applied_is_no_mismatch() -> None:
    what = replace(with_one(changing), contents=("c1", "c2", "c1"), since=ago(seconds=30))
    found = judged(what)
    assert found[RATE_LIMIT_ENFORCED] == ("True", "Applying")
    assert found[RATE_LIMIT_CONFIGURED] == ("Unknown", "Waiting")
    assert next_change(what, now=NOW) == NOW - timedelta(seconds=30) + GRACE
    late = replace(what, since=NOW - LONGEST)
    assert judged(late)[RATE_LIMIT_ENFORCED] == ("False", "HashMismatch")
    assert judged(late)[RATE_LIMIT_CONFIGURED] == ("False", "NotApplied")


def test_a_replica_that_was_proven_stays_so_while_it_is_proven_anew() -> None:
    proving = replace(report(1), phase="Applying", content="c2", wanted="c2")
    what = replace(sight(report(0), proving, report(2)), contents=("c1", "c2", "c1"), since=ago(minutes=1))
    assert judged(what)[RATE_LIMIT_ENFORCED] == ("True", "Applying")
    assert judged(replace(what, since=NOW - LONGEST))[RATE_LIMIT_ENFORCED] == ("Unknown", "NotProbed")
    anew = replace(what, reports=(report(0), replace(proving, proof=None), report(2)))
    assert judged(anew)[RATE_LIMIT_ENFORCED] == ("Unknown", "NotProbed")


def test_a_replica_that_says_it_has_applied_all_has_less_time() -> None:
    stale = with_one(lambda one: replace(one, policy_hash="bbbb567890abcdef"))
    assert judged(replace(stale, since=ago(minutes=4)))[RATE_LIMIT_ENFORCED] == ("True", "Applying")
    assert judged(replace(stale, since=NOW - GRACE))[RATE_LIMIT_ENFORCED] == ("False", "HashMismatch")


def test_a_pod_that_is_new_has_its_own_time() -> None:
    new = with_one(lambda one: replace(one, phase="Applying", content="", started_at=ago(minutes=1)))
    assert judged(new)[RATE_LIMIT_CONFIGURED] == ("Unknown", "Applying")


def test_a_quiet_minute_leaves_the_last_word_on_addresses() -> None:
    quiet = sight(*(replace(report(number), requests=Counts(1, 2), from_cluster=1.0) for number in range(3)))
    assert judged(quiet)[CLIENT_ADDRESS_TRUSTED] == ("Unknown", "NoTraffic")
    assert judged(quiet, status_of(sight()))[CLIENT_ADDRESS_TRUSTED] == ("True", "Trusted")
    untrusted, _ = TROUBLES["clients behind one address of the cluster"]
    before = status_of(untrusted)
    assert judged(quiet, before)[CLIENT_ADDRESS_TRUSTED] == ("False", "SharedAddress")
    assert judged(quiet, before, generation=2)[CLIENT_ADDRESS_TRUSTED] == ("Unknown", "NoTraffic")


def test_a_table_that_was_nearly_full_has_room_again_well_below() -> None:
    full, _ = TROUBLES["a table that is nearly full"]
    before = status_of(full)
    between = with_one(lambda one: replace(one, tracked=Counts(0, 98_000)))
    assert judged(between)[RATE_LIMIT_CAPACITY] == ("True", "Room")
    assert judged(between, before)[RATE_LIMIT_CAPACITY] == ("False", "NearlyFull")
    assert judged(sight(), before)[RATE_LIMIT_CAPACITY] == ("True", "Room")


@given(minutes=st.integers(0, 60 * 30))
def test_nothing_changes_before_it_is_said_to(minutes: int) -> None:
    what = replace(with_one(changing), contents=("c1", "c2", "c1"))
    what = replace(what, since=NOW, reports=tuple(replace(one, measured_at=NOW) for one in what.reports))
    then = NOW + timedelta(minutes=minutes)
    due = next_change(what, now=NOW)
    assert due is not None
    same = conditions(what, {}, generation=1, now=then) == conditions(what, {}, generation=1, now=NOW)
    assert same or then >= due


def test_a_proof_ends() -> None:
    what = sight(replace(report(), proof=replace(PROOF, at=ago(hours=25.99))))
    assert next_change(what, now=NOW) == min(
        NOW - timedelta(hours=25.99) + PROOF_FRESH, report().measured_at + STALE
    ) + timedelta(seconds=1)


def test_a_message_at_rest_does_not_move_with_the_figures() -> None:
    busy = sight(*(
        replace(report(number), requests=Counts(900, 90), tracked=Counts(5000, 90), p99=70.0)
        for number in range(3)
    ))  # fmt: skip
    assert conditions(busy, {}, generation=1, now=NOW) == conditions(sight(), {}, generation=1, now=NOW)


def test_no_policy_is_taken_for_another() -> None:
    assert HASH in message(TROUBLES["a stale map: the policy of before"][0], RATE_LIMIT_ENFORCED)
