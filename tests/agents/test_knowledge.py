"""What readings come to: the segment before a label, a failover, a checkpoint, troubles and their end."""

from datetime import timedelta

from agents.world import NOW, SECOND, World
from dedicated.agents.recovery.keeping import Kept
from dedicated.contract.recovery.report import Failover
from dedicated.contract.recovery.repository import Damage
from dedicated.contract.recovery.sampling import Sample
from dedicated.contract.recovery.wal import Segment


def asked(world: World) -> list[str]:
    return [duty.what for duty in world.known.duties()]


def test_the_label_of_a_backup_stands_for_its_segment() -> None:
    world = World()
    world.read(archived="000000010000000000000003.00000028.backup")
    assert world.known.archived_before == Segment(1, 3)


def test_a_history_tells_nothing_of_segments_and_what_was_known_stays_on_its_timeline() -> None:
    world = World()
    world.read(archived="000000010000000000000003")
    world.read(archived="00000001.history", at=30)
    assert world.known.archived_before == Segment(1, 3)
    world.read(archived="00000002.history", timeline=2, at=60)
    assert world.known.archived_before is None


def test_an_old_reading_does_not_say_what_was_archived_before_a_listing() -> None:
    world = World()
    world.read()
    world.passed = 119
    assert world.known.archived_before == Segment(1, 3)
    world.passed = 121
    assert world.known.archived_before is None


def test_a_later_timeline_is_a_failover_also_over_a_restart() -> None:
    world = World()
    world.read()
    world.read(timeline=2, at=30)
    assert world.known.failover == Failover(NOW, NOW + 30 * SECOND, 2)
    again = World()
    again.read(timeline=2, at=30)
    again.known.recall(Kept(samples=(Sample(NOW, 5, 1),)))
    assert again.known.failover == Failover(NOW, NOW + 30 * SECOND, 2)
    assert len(again.known.memory.samples) == 2


def test_samples_of_before_a_restart_that_are_later_than_new_ones_are_left_aside() -> None:
    world = World()
    world.read(at=30)
    world.known.recall(Kept(samples=(Sample(NOW + timedelta(hours=1), 5, 1),)))
    assert [one.at for one in world.known.memory.samples] == [NOW + 30 * SECOND]


def test_a_checkpoint_counts_for_the_run_of_the_server_in_which_it_was_made() -> None:
    world = World()
    world.read()
    assert asked(world) == ["Checkpoint", "Audit"]
    world.known.checkpointed(world.known.start, world.now())
    assert asked(world) == ["Audit"]
    world.read(at=30)
    assert asked(world) == ["Audit"]
    world.read(at=60, start="b")
    assert asked(world) == ["Checkpoint", "Audit"]


def test_trouble_lasts_from_its_beginning_to_its_end_whatever_its_cause() -> None:
    world = World()
    world.known.trouble("Database", "one")
    world.passed = 10
    world.known.trouble("Database", "another")
    assert [(one.since, one.cause) for one in world.known.troubles] == [(NOW, "another")]
    world.known.trouble("Database", "no checkpoint", "checkpoint")
    world.read(at=20)
    assert [one.cause for one in world.known.troubles] == ["no checkpoint"]
    world.known.end("Database", "checkpoint")
    assert world.known.troubles == ()


def test_what_is_damaged_is_not_promised_from_also_over_a_restart() -> None:
    damage = Damage(backups=frozenset({"F"}))
    world = World()
    world.read()
    world.list_repository()
    assert world.known.found is not None
    assert world.known.found.newest is not None
    world.known.verified(damage)
    world.list_repository()
    assert world.known.found.newest is None
    again = World()
    again.read()
    again.list_repository()
    again.known.recall(Kept(damage=damage))
    assert again.known.found is not None
    assert again.known.found.newest is None


def test_each_part_is_told_although_the_others_are_away() -> None:
    world = World()
    assert world.known.report().found is None
    world.list_repository()
    report = world.known.report()
    assert report.found is not None
    assert [run.label for run in report.backups] == ["F"]
    assert report.replication is None
    world.read()
    world.read(at=30)
    report = world.known.report()
    assert report.replication is not None
    assert report.replication.primary == "db-0"
    assert [one.at for one in report.memory.samples] == [NOW + 30 * SECOND]
