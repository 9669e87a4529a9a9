"""Failover in words, at the edges of its rule: what counts is what the primary shows, never a ready pod."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.recovery_facts import second
from dedicated.contract.failover import DatabasePod, failover_ready, findings, next_change, outage
from dedicated.contract.recovery.following import ranked
from dedicated.contract.recovery.report import Failover, Member, Replication, Standby
from dedicated.contract.recovery.wal import Ancestor

ZONE = "Europe/Zurich"
PODS = tuple(DatabasePod(f"db-{number}", f"z{number}", second(-3600)) for number in range(3))
LOST = DatabasePod("db-2", "z2", None)
MINUTE = timedelta(minutes=1)


def standby(number: int, state: str = "streaming", sync: str = "quorum") -> Standby:
    return Standby(f"db-{number}", state, sync, 70)


def seen(*standbys: Standby, at: float = 0, blocked: int = 0) -> Replication:
    return Replication(second(at), "db-0", 3, 71, standbys, blocked)


def judged(known: Replication | None, *pods: DatabasePod, now: float = 0) -> tuple[str, str]:
    condition = failover_ready(known, pods or PODS, zone=ZONE, now=second(now))
    return condition.status, condition.reason


BOTH = seen(standby(1), standby(2))


@pytest.mark.parametrize(
    ("known", "now", "status", "reason"),
    [
        (None, 0, "Unknown", "NotMeasured"),
        (BOTH, 120, "True", "InAnotherZone"),
        (BOTH, 121, "Unknown", "NotMeasured"),
        (seen(standby(1), standby(2, sync="potential")), 0, "True", "InAnotherZone"),
        (seen(standby(1, sync="async"), standby(2, sync="potential")), 0, "False", "NoSyncStandby"),
        (seen(standby(1, state="catchup"), standby(2, state="startup")), 0, "False", "NoSyncStandby"),
        (seen(standby(1), standby(2), blocked=1), 0, "False", "WritesBlocked"),
    ],
)
def test_what_the_primary_shows(known: Replication | None, now: float, status: str, reason: str) -> None:
    assert judged(known, now=now) == (status, reason)


@pytest.mark.parametrize(("ready_for", "reason"), [(30, "InAnotherZone"), (31, "StandbyDiverged")])
def test_a_ready_pod_that_the_primary_does_not_know_is_told_by_name(ready_for: float, reason: str) -> None:
    late = DatabasePod("db-2", "z2", second(-ready_for))
    found = failover_ready(seen(standby(1)), (*PODS[:2], late), zone=ZONE, now=second(0))
    assert found.reason == reason
    told = "db-2 is ready, and primary db-0 does not know it"
    assert (told in found.message) == (reason == "StandbyDiverged")


def test_a_primary_may_be_told_by_its_address_and_one_that_is_not_known_accuses_nobody() -> None:
    addressed = tuple(replace(pod, address=f"10.0.0.{number}") for number, pod in enumerate(PODS))
    known = replace(seen(standby(1), standby(2)), primary="10.0.0.0")
    assert judged(known, *addressed) == ("True", "InAnotherZone")
    found = failover_ready(known, addressed, zone=ZONE, now=second(0))
    assert found.message.startswith("primary db-0 (z0), synchronous db-1 (z1)"), "people look for pods"
    assert judged(replace(known, standbys=(standby(1),)), *addressed) == ("False", "StandbyDiverged")
    assert judged(replace(known, primary="10.9.9.9"), *addressed) == ("Unknown", "NotMeasured")


def test_a_pod_that_is_not_ready_has_not_diverged() -> None:
    assert judged(seen(standby(1)), *PODS[:2], LOST) == ("True", "InAnotherZone")


def test_zones_decide_and_unknown_ones_are_not_guessed() -> None:
    same = (PODS[0], DatabasePod("db-1", "z0", second(-3600)))
    assert judged(seen(standby(1)), *same) == ("False", "ZonesNotSpread")
    unknown = (PODS[0], DatabasePod("db-1", "", second(-3600)))
    assert judged(seen(standby(1)), *unknown) == ("Unknown", "NotMeasured")
    nobody = DatabasePod("other", "z1", None)
    assert judged(seen(standby(1)), nobody) == ("Unknown", "NotMeasured")


def test_a_slow_failover_is_told_for_a_day() -> None:
    def told(seconds: float, now: float) -> list[str]:
        last = Failover(second(0), second(seconds), 2)
        return [one.code for one in findings(last, objective=MINUTE, zone=ZONE, now=second(now))]

    assert told(60, 60) == []
    assert told(61, 61) == ["FailoverTooSlow"]
    assert told(61, 61 + 86399) == ["FailoverTooSlow"]
    assert told(61, 61 + 86400) == []
    assert findings(None, objective=MINUTE, zone=ZONE, now=second(0)) == ()
    assert outage(Failover(second(10), second(0), 2)) == timedelta(0)


def test_it_tells_when_it_changes_by_itself() -> None:
    last = Failover(second(0), second(61), 2)
    assert next_change(BOTH, None, now=second(0)) == second(121)
    assert next_change(BOTH, last, now=second(121)) == second(61 + 86400)
    assert next_change(BOTH, last, now=second(90000)) is None


@given(
    standbys=st.lists(
        st.builds(
            Standby,
            st.sampled_from(["db-1", "db-2", "db-3"]),
            st.sampled_from(["streaming", "catchup", "startup", "backup"]),
            st.sampled_from(["sync", "quorum", "potential", "async"]),
            st.just(70),
        ),
        max_size=4,
    ),
    pods=st.lists(
        st.builds(
            DatabasePod,
            st.sampled_from(["db-0", "db-1", "db-2", "db-3"]),
            st.sampled_from(["", "z0", "z1"]),
            st.sampled_from([None, second(-3600), second(-10)]),
        ),
        max_size=4,
        unique_by=lambda pod: pod.name,
    ),
    age=st.integers(0, 300),
    blocked=st.integers(0, 1),
)
def test_true_is_said_only_where_a_streaming_synchronous_standby_stands_elsewhere(
    standbys: list[Standby], pods: list[DatabasePod], age: int, blocked: int
) -> None:
    known = seen(*standbys, blocked=blocked)
    if judged(known, *(pods or [LOST]), now=age)[0] != "True":
        return
    zones = {pod.name: pod.zone for pod in pods}
    assert age <= 120
    assert not blocked
    assert any(
        one.state == "streaming"
        and one.sync in ("sync", "quorum")
        and zones[one.name]
        and zones["db-0"]
        and zones[one.name] != zones["db-0"]
        for one in standbys
        if one.name in zones
    )


# What servers say of themselves.


def member(
    name: str = "db-2",
    *,
    timeline: int = 2,
    position: int = 70,
    standby: bool = True,
    at: float = 0,
    since: float | None = -60,
) -> Member:
    """A server that follows nobody, for a minute."""
    began = None if since is None else second(since)
    return Member(second(at), name, f"10.0.0.{name[-1]}", standby, False, timeline, position, began)


def asked(*members: Member, end: int | None = None) -> Replication:
    ancestors = (Ancestor(2, end),) if end is not None else ()
    return replace(seen(standby(1)), members=members, ancestors=ancestors, address="10.0.0.0")


@pytest.mark.parametrize(
    ("one", "end", "reason"),
    [
        (member(position=60), 60, "StandbyMissing"),
        (member(position=61), 60, "StandbyDiverged"),
        (member(position=1), None, "StandbyDiverged"),
        (member(position=61, since=-30), 60, "StandbyMissing"),
        (member(timeline=3, position=71), None, "StandbyMissing"),
        (member(timeline=3, position=72), None, "StandbyDiverged"),
        (member(timeline=3, position=72, at=1), None, "StandbyMissing"),
        (member(timeline=3, standby=False), None, "StandbyDiverged"),
        (member(timeline=4, at=1), None, "StandbyMissing"),
        (member(timeline=4), None, "StandbyDiverged"),
    ],
    ids=[
        "may still follow", "past the end of its timeline", "an end that nobody knows", "for a moment yet",
        "same timeline", "ahead of the primary", "ahead of an older reading", "a second primary",
        "a failover after the reading", "a timeline that is newer",
    ],
)  # fmt: skip
def test_a_timeline_and_a_position_decide_who_can_come_back(
    one: Member, end: int | None, reason: str
) -> None:
    found = failover_ready(asked(one, end=end), PODS, wanted=2, zone=ZONE, now=second(1))
    assert (found.status, found.reason) == ("False", reason)


def test_a_figure_comes_with_who_diverged() -> None:
    found = failover_ready(asked(member(position=61), end=60), PODS, wanted=2, zone=ZONE, now=second(0))
    assert found.message.startswith(
        "db-2 is on timeline 2 at 0/3D, primary db-0 is on timeline 3 at 0/47, 10 bytes behind, "
        "1 bytes past the end of its timeline, since "
    )


def test_too_few_that_stream_are_told_and_one_that_hangs_is_one_of_them() -> None:
    hangs = replace(standby(2), followed=second(-11), flushed=60)
    found = failover_ready(seen(standby(1), hangs), PODS, wanted=2, zone=ZONE, now=second(0))
    assert found.reason == "StandbyMissing"
    assert "1 of 2 standbys stream (db-2 stores nothing, 11 bytes behind, since " in found.message
    lately = replace(hangs, followed=second(-10))
    assert failover_ready(seen(standby(1), lately), PODS, wanted=2, zone=ZONE, now=second(0)).status == "True"


def test_of_a_primary_that_does_not_answer_nothing_is_known() -> None:
    away = replace(BOTH, away=second(5))
    found = failover_ready(away, PODS, wanted=2, zone=ZONE, now=second(6))
    assert (found.status, found.reason) == ("Unknown", "NotMeasured")


def test_candidates_rank_by_timeline_before_position() -> None:
    left, good = member("db-2", timeline=1, position=900), member("db-1", timeline=2, position=70)
    assert ranked((left, good)) == (good, left)
