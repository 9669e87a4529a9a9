"""What is kept from reading to reading: since when a standby does not follow, and who has gone."""

from dataclasses import replace
from datetime import datetime

from contract.recovery_facts import second
from dedicated.contract.recovery.following import dated, followed
from dedicated.contract.recovery.report import GONE, Member, Replication, Standby


def reading(at: float, *standbys: Standby, position: int = 0, timeline: int = 1) -> Replication:
    return Replication(second(at), "db-0", timeline, position, standbys)


def streaming(flushed: int, name: str = "db-1") -> Standby:
    return Standby(name, "streaming", "quorum", flushed)


def times(found: Replication) -> dict[str, datetime | None]:
    return {one.name: one.followed for one in found.standbys}


def test_a_standby_follows_while_it_stores_what_was_written_before() -> None:
    first = followed(None, reading(0, streaming(10), position=10))
    caught = followed(first, reading(5, streaming(10), position=20))
    assert times(caught) == {"db-1": second(5)}, "it holds all that was there at the reading before"
    stands = followed(caught, reading(10, streaming(10), position=30))
    assert times(stands) == {"db-1": second(5)}, "it stored nothing although there was something"
    behind = followed(stands, reading(15, streaming(11), position=40))
    assert times(behind) == {"db-1": second(15)}, "it is behind, and moves"


def test_one_that_is_shown_no_more_stays_with_its_time_for_a_day() -> None:
    first = followed(None, reading(0, streaming(10), streaming(10, "db-2"), position=10))
    gone = followed(first, reading(5, streaming(20), position=20))
    assert [(one.name, one.state, one.sync) for one in gone.standbys] == [
        ("db-1", "streaming", "quorum"),
        ("db-2", GONE, ""),
    ]
    assert times(gone)["db-2"] == second(0)
    late = followed(gone, reading(86401, streaming(30), position=30))
    assert list(times(late)) == ["db-1"]


def test_the_new_primary_is_no_standby_of_itself_and_programs_are_none_either() -> None:
    first = followed(None, reading(0, streaming(10), streaming(10, "db-2"), position=10))
    own = Member(second(5), "db-1", "10.0.0.1", standby=False, following=False, timeline=2, position=20)
    copy = Standby("db-9", "backup", "async", 0)
    after = replace(
        reading(5, streaming(20, "pg_basebackup"), copy, position=20, timeline=2),
        primary="10.0.0.1",
        address="10.0.0.1",
        members=(own,),
    )
    assert [(one.name, one.state) for one in followed(first, after).standbys] == [("db-2", GONE)]


def test_a_member_keeps_since_when_it_is_as_it_is() -> None:
    one = Member(second(0), "db-1", "10.0.0.1", standby=True, following=True, timeline=1, position=1)
    (first,) = dated((), (one,))
    (second_,) = dated((first,), (replace(one, at=second(5), position=2),))
    (left,) = dated((second_,), (replace(one, at=second(10), following=False),))
    assert [item.since for item in (first, second_, left)] == [second(0), second(0), second(10)]
