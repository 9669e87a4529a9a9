"""Newest and earliest recoverable point: never more than a slow restore reaches, and what was measured."""

from collections.abc import Iterable

from hypothesis import event, given, settings
from hypothesis import strategies as st

from contract.replay import SIZE, World, instant
from dedicated.contract.recovery.points import Recoverability, recoverability
from dedicated.contract.recovery.repository import Archive, Backup, Listing
from dedicated.contract.recovery.sampling import Archiver, Memory, Sample
from dedicated.contract.recovery.wal import Ancestor, Segment, segment_name, stretches

Step = tuple[str, int, bool]


def listed(world: World) -> Listing:
    """The repository as a listing shows it."""
    lines = {line for line, _ in world.files}
    archive = Archive(
        {line: stretches(number for at, number in world.files if at == line) for line in lines},
        frozenset(world.histories),
    )
    backups = tuple(
        Backup(
            copy.label,
            "full",
            instant(copy.started),
            instant(copy.completed),
            Segment(copy.timeline, copy.start // SIZE),
            Segment(copy.timeline, (copy.end - 1) // SIZE),
            copy.start,
            copy.end,
            copy.needs,
        )
        for copy in world.copies
    )
    ancestors = tuple(Ancestor(line, end) for line, end in world.histories.get(archive.newest, ()))
    done = world.primary.archived
    before = Segment(*done) if done else None
    return Listing(
        instant(world.tick), archive, backups, ancestors, archived_before=before, segment_size=SIZE
    )


def remembered(world: World) -> Memory:
    done = world.primary.archived
    name = segment_name(Segment(*done), size=SIZE) if done else ""
    return Memory(
        samples=tuple(sorted(Sample(instant(at), position, line) for at, position, line in world.samples)),
        archiver=(Archiver(instant(world.tick), world.primary.timeline, name),),
    )


def play(world: World, steps: Iterable[Step]) -> None:
    """Let things happen. `flag` chooses between a quiet and a nasty form."""
    for what, amount, flag in steps:
        match what:
            case "commit":
                world.commit(amount + 1)
            case "sample":
                world.sample(on=world.zombie if flag else None)
            case "switch":
                world.switch()
            case "archive":
                world.archive(amount)
            case "backup":
                world.backup()
            case _:
                fail(world, what, amount, flag=flag)


def fail(world: World, what: str, amount: int, *, flag: bool) -> None:
    """Let something go wrong."""
    match what:
        case "fail over":
            world.fail_over(amount, keeps_running=flag)
        case "zombie" if world.zombie is not None:
            world.commit(amount + 1, on=world.zombie)
            world.archive(amount, on=world.zombie)
        case "lose" if world.files:
            world.lose(sorted(world.files)[amount % len(world.files)])
        case "lose history" if world.histories:
            world.lose((sorted(world.histories)[amount % len(world.histories)], None))
        case "lose backup" if world.copies:
            del world.copies[amount % len(world.copies)]


def steps(*kinds: str, nasty: bool) -> st.SearchStrategy[list[Step]]:
    flag = st.booleans() if nasty else st.just(value=False)
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 9), flag), max_size=25)


ORDINARY = ("commit", "commit", "sample", "sample", "switch", "archive", "archive", "backup")
FAILING = ("fail over", "zombie", "lose", "lose history", "lose backup")


def check(world: World, found: Recoverability) -> None:
    """Nothing that was committed by the newest point is missing after a restore; from each end."""
    if found.newest is None:
        return
    assert found.backup is not None
    due = {c.number for c in world.primary.commits if instant(c.tick) <= found.newest}
    for label in [found.backup.label, *_oldest(world, found)]:
        recovered = world.recovered(label)
        assert recovered is not None, f"the restore of {label} fails"
        assert due <= recovered
    event("something promised")


def _oldest(world: World, found: Recoverability) -> list[str]:
    """A backup that completed by the earliest point."""
    if found.earliest is None:
        return []
    fitting = [copy for copy in world.copies if instant(copy.completed) <= found.earliest]
    assert fitting
    return [max(fitting, key=lambda copy: copy.completed).label]


@settings(max_examples=400, deadline=None)
@given(
    steps(*ORDINARY, nasty=False),
    steps(*ORDINARY, *FAILING, nasty=True),
    steps(*ORDINARY, *FAILING, nasty=True),
)
def test_never_later_than_what_a_replay_reaches(
    first: list[Step], then: list[Step], last: list[Step]
) -> None:
    world = World()
    play(world, [("backup", 0, False), ("backup", 0, False), ("archive", 9, False), *first])
    play(world, then)
    play(world, [("backup", 0, False), ("backup", 0, False), *last])
    check(world, recoverability(listed(world), remembered(world), now=instant(world.tick)))


@settings(max_examples=200, deadline=None)
@given(
    steps(*ORDINARY, "fail over", nasty=False),
    steps(*ORDINARY, "fail over", nasty=False),
)
def test_nor_between_two_listings(before: list[Step], after: list[Step]) -> None:
    """As long as the standby that is promoted has what was archived already, and what a backup holds.

    Where it has not, the next listing tells, which is due at once; `superseded` holds the claim back.
    """
    world = World()
    play(world, [("backup", 0, False), ("backup", 0, False), ("archive", 9, False), *before])
    listing = listed(world)
    world.never_forks_behind_the_archive = True
    play(world, after)
    check(world, recoverability(listing, remembered(world), now=instant(world.tick)))
