"""A restored copy is looked at by the real process: what is well passes, each fault has its own reason."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dedicated.agents.recovery.keeping import from_data
from dedicated.contract.recovery.proof import Goal, Judgement, Terms, judge
from dedicated.contract.recovery.report import SAMPLES, Report
from dedicated.contract.recovery.sampling import Sample
from dedicated.parts.keys import fingerprint
from lab.agent import UID
from lab.laboratory import Lab, isolated
from lab.load import Load, load
from lab.repository import CommandError
from lab.sealed import MASTERKEY, OTHER_MASTERKEY, plant
from lab.server import Server, until
from lab.trial import OBJECTIVES, Trial, trial
from lab.verification import SALT, Looked, verify

COMMITTED = (
    'select aggregate_id, "sequence" from eventstore.events2 '
    "where pg_xact_commit_timestamp(xmin) <= %s order by 1, 2"
)
EVERY = 'select aggregate_id, "sequence" from eventstore.events2 order by 1, 2'


@dataclass(frozen=True, slots=True)
class History:
    """A source with its archive, its samples, and the time of one of them with commits on both of its sides.

    The last of the load was committed by `asked`, and is archived. `segment` is one in the midst of it.
    """

    lab: Lab
    samples: str
    sampled: datetime
    asked: datetime
    segment: str

    @property
    def terms(self) -> Terms:
        print_of_it = fingerprint(MASTERKEY, salt=SALT)
        return Terms(asked=self.asked, zone="UTC", oldest=OBJECTIVES.disaster_rpo, fingerprint=print_of_it)

    @property
    def newest(self) -> Goal:
        return Goal(self.asked, newest=True)

    @contextmanager
    def without_a_segment(self) -> Iterator[None]:
        (found,) = (path for path in self.lab.repository.segments() if path.name.startswith(self.segment))
        away = found.rename(found.with_suffix(".away"))
        try:
            yield
        finally:
            away.rename(found)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    folder = tmp_path_factory.mktemp("history")
    with (
        trial(folder, settings={"track_commit_timestamp": "on"}) as made,
        load(made.lab, clients=2) as clients,
    ):
        plant(made.lab.primary)
        made.until_good()
        more_samples(made, 3)
        sampled = samples_of(made)[-1].at
        segments = [next_segment(made.lab, clients) for _ in range(3)]
        more_samples(made, 2)
        clients.stopped.set()
        asked = datetime.now(UTC)
        until(lambda: samples_of(made)[-1].at > asked, "a sample of after the load")
        until(lambda: is_archived(made.published(), asked), "all of it is archived")
        made.agent.kill()
        assert made.record.data is not None
        yield History(made.lab, made.record.data[SAMPLES], sampled, asked, segments[1])


def more_samples(made: Trial, count: int) -> None:
    known = len(samples_of(made))
    until(lambda: len(samples_of(made)) >= known + count, f"{count} more samples")


def next_segment(lab: Lab, clients: Load) -> str:
    """Its name, when some of the load is in it and it is closed."""
    known = len(clients.commits)
    until(lambda: len(clients.commits) > known + 10, "a load")
    name = str(lab.primary.one("select pg_walfile_name(pg_current_wal_lsn())"))
    lab.primary.switch()
    return name


def is_archived(report: Report, at: datetime) -> bool:
    return report.found is not None and report.found.newest is not None and report.found.newest > at


def samples_of(made: Trial) -> tuple[Sample, ...]:
    return from_data(made.record.data or {}, incarnation=UID).samples


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """A restored copy at work, whatever becomes of its recovery."""
    try:
        with suppress(RuntimeError):  # it gave up, which is for the verification to find
            server.start(*isolated(server))
        yield server
    finally:
        server.kill()


def judged(looked: Looked, terms: Terms) -> Judgement:
    assert looked.code == 0, looked.log
    return judge(looked.verdict, terms)


def test_a_restore_to_the_newest_point_is_proven(history: History, tmp_path: Path) -> None:
    lab = history.lab
    with running(lab.copy("newest")) as copy:
        looked = verify(copy, tmp_path, goal=history.newest, samples=history.samples, user="postgres")
        assert copy.ask(EVERY) == lab.primary.ask(EVERY)
    assert judged(looked, history.terms).reason == "Proven"
    found = looked.verdict
    assert found is not None
    assert found.events == lab.primary.one("select count(*) from eventstore.events2")
    assert (found.keys, found.keys_opened, found.exact) == (3, 3, True)
    assert {one.name: one.result for one in found.checks if one.result != "Passed"} == {}
    assert MASTERKEY.decode() not in looked.log + repr(found)


def test_killed_as_it_tells_it_tells_the_same_once_more_and_leaves_nothing_in_the_copy(
    history: History, tmp_path: Path
) -> None:
    with running(history.lab.copy("killed")) as copy:
        looked = verify(
            copy, tmp_path, goal=history.newest, samples=history.samples, user="postgres", killed=True
        )
        assert judged(looked, history.terms).reason == "Proven"
        assert copy.one("select count(*) from pg_extension where extname = 'amcheck'") == 0
        sessions = "select count(*) from pg_stat_activity where application_name = 'dedicated-verification'"
        until(lambda: copy.one(sessions) == 0, "the killed one's session ends")


def test_a_restore_to_a_sampled_instant_is_exact_and_leaves_the_source_alone(
    history: History, tmp_path: Path
) -> None:
    lab, goal = history.lab, Goal(history.sampled)
    wanted = lab.primary.ask(COMMITTED, history.sampled)
    assert 0 < len(wanted) < len(lab.primary.ask(EVERY))
    with running(lab.copy("sampled", until=history.sampled)) as copy:
        looked = verify(copy, tmp_path, goal=goal, samples=history.samples)
        assert copy.ask(EVERY) == wanted
        copy.switch()  # what archives would do so now
    assert judged(looked, history.terms).reason == "Proven"
    assert looked.verdict is not None
    assert looked.verdict.restored_to == history.sampled
    assert {path.name[:8] for path in lab.repository.segments()} == {"00000001"}
    assert lab.primary.one("select timeline_id from pg_control_checkpoint()") == 1


def test_a_gap_is_a_shortfall_although_the_restore_succeeds(history: History, tmp_path: Path) -> None:
    with history.without_a_segment(), running(history.lab.copy("gap")) as copy:
        looked = verify(copy, tmp_path, goal=history.newest, samples=history.samples)
    found = judged(looked, history.terms)
    assert found.reason == "Shortfall", found
    assert looked.verdict is not None
    assert looked.verdict.shortfall is not None
    assert looked.verdict.shortfall > timedelta(seconds=1)


def test_a_target_behind_a_gap_is_a_recovery_that_did_not_end(history: History, tmp_path: Path) -> None:
    goal = Goal(history.asked - timedelta(seconds=0.1))
    with history.without_a_segment(), running(history.lab.copy("behind", until=goal.at)) as copy:
        looked = verify(copy, tmp_path, goal=goal, samples=history.samples, within=3)
    assert judged(looked, history.terms).reason == "RecoveryNotEnded"


def test_a_flipped_byte_in_a_page_is_damage(history: History, tmp_path: Path) -> None:
    path = history.lab.primary.one("select pg_relation_filepath('eventstore.events2')")
    copy = history.lab.copy("flipped")
    with running(copy):
        copy.until("select pg_is_in_recovery()", False)
        copy.stop()
        flip(copy.data / str(path), 8192 + 4000)
        copy.start(*isolated(copy))
        looked = verify(copy, tmp_path, goal=history.newest, samples=history.samples)
    found = judged(looked, history.terms)
    assert found.reason == "Corrupted", found
    assert "eventstore.events2" in found.message
    assert looked.verdict is not None
    assert not looked.verdict.exact, "a server that was started anew no longer knows where recovery ended"


def flip(file: Path, place: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        (byte,) = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte ^ 0xFF]))


def test_another_masterkey_is_known_by_what_its_keys_do_not_open(history: History, tmp_path: Path) -> None:
    with running(history.lab.copy("masterkey")) as copy:
        looked = verify(
            copy, tmp_path, goal=history.newest, samples=history.samples, masterkey=OTHER_MASTERKEY
        )
    found = judged(looked, history.terms)
    assert found.reason == "MasterkeyWrong"
    assert looked.verdict is not None
    assert (looked.verdict.keys, looked.verdict.keys_opened) == (3, 0)


def test_a_point_before_the_first_backup_is_too_old(history: History) -> None:
    goal = Goal(history.sampled - timedelta(days=1))
    with pytest.raises(CommandError) as refused:
        history.lab.copy("old", until=goal.at)
    terms = replace(history.terms, goal=goal, earliest=history.sampled)
    assert judge(None, terms, failure=str(refused.value)).reason == "TooOld"


@pytest.mark.slow
def test_a_flipped_byte_in_a_backup_is_damage_that_the_restore_tells(history: History) -> None:
    """The engine's Job fails with pgBackRest's words, and nothing comes to life."""
    (bundle,) = sorted(history.lab.repository.stored.glob("backup/*/*F/bundle/1"))
    flip(bundle, bundle.stat().st_size // 2)
    try:
        with pytest.raises(CommandError) as refused:
            history.lab.copy("damaged")
    finally:
        flip(bundle, bundle.stat().st_size // 2)
    assert judge(None, history.terms, failure=str(refused.value)).reason == "Corrupted"


def test_a_copy_that_is_away_is_told_and_no_failure_of_the_process(history: History, tmp_path: Path) -> None:
    server = history.lab.primary
    away = Server("away", 1, server.data, server.socket, server.programs)
    looked = verify(away, tmp_path, goal=history.newest, samples=history.samples, within=1)
    assert judged(looked, history.terms).reason == "RecoveryNotEnded"
