"""A world of a database and its repository, byte by byte, and a slow restore as PostgreSQL does it.

Nothing here is shared with the product: the log is a list of commit numbers, a segment is a slice of it as
its timeline had it when it was archived, and a restore reads segment after segment as `XLogFileReadAnyTLI`
does, newest timeline first. So a divergent segment of a dead primary has other content, and is told apart.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

SIZE = 4
"""Bytes of a segment here."""
START = datetime(2026, 3, 1, tzinfo=UTC)
PADDING = 0


@dataclass
class Commit:
    """A commit: its number, the tick at which it was acknowledged, and its bytes."""

    number: int
    tick: int
    start: int
    end: int


@dataclass
class Server:
    """A primary: its timeline, its log, the commits in it, and its archiver."""

    timeline: int
    ancestors: tuple[tuple[int, int], ...]
    log: list[int]
    commits: list[Commit]
    next_segment: int
    archived: tuple[int, int] | None = None

    @property
    def position(self) -> int:
        """The end of the log."""
        return len(self.log)


@dataclass
class Copy:
    """A backup: what it restores to before any log is replayed, and the log it needs."""

    label: str
    timeline: int
    started: int
    start: int
    base: list[int]
    completed: int = 0
    end: int = 0
    needs: tuple[str, ...] = ()


@dataclass
class World:
    """The primary that is in charge, one that may still run beside it, and the repository."""

    primary: Server = field(default_factory=lambda: Server(1, (), [PADDING] * SIZE, [], 1))
    zombie: Server | None = None
    files: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    histories: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    running: Copy | None = None
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    tick: int = 0
    never_forks_behind_the_archive: bool = False

    def commit(self, length: int, *, on: Server | None = None) -> None:
        """An acknowledged commit of so many bytes."""
        server = on or self.primary
        self.tick += 1
        start = server.position
        server.log.extend([self.tick] * length)
        server.commits.append(Commit(self.tick, self.tick, start, server.position))

    def sample(self, *, on: Server | None = None) -> None:
        """Time, heartbeat, position."""
        server = on or self.primary
        self.tick += 1
        at = self.tick
        self.commit(1, on=server)
        self.samples.append((at, server.position, server.timeline))

    def switch(self) -> None:
        """The rest of the segment is left empty."""
        while self.primary.position % SIZE:
            self.primary.log.append(PADDING)

    def archive(self, most: int, *, on: Server | None = None) -> None:
        """The archiver stores finished segments, oldest first."""
        server = on or self.primary
        for _ in range(most):
            number = server.next_segment
            if (number + 1) * SIZE > server.position:
                return
            self.files[server.timeline, number] = server.log[number * SIZE : (number + 1) * SIZE]
            server.archived = (server.timeline, number)
            server.next_segment += 1

    def backup(self) -> None:
        """Begin a backup, or complete the one that runs."""
        self.tick += 1
        server = self.primary
        if self.running is None:
            label = f"b{self.tick}"
            self.running = Copy(label, server.timeline, self.tick, server.position, list(server.log))
            server.log.append(PADDING)
            return
        done, self.running = self.running, None
        server.log.append(PADDING)
        done.end = server.position
        self.switch()
        done.needs = (self.copies[-1].label,) if self.copies and self.tick % 2 else ()
        done.completed = self.tick
        self.copies.append(done)

    def fail_over(self, lost: int, *, keeps_running: bool) -> None:
        """A standby that had not received the last bytes is promoted; what it had is taken for archived."""
        old = self.primary
        begin = old.ancestors[-1][1] if old.ancestors else SIZE
        fork = max(begin, old.position - lost)
        if self.never_forks_behind_the_archive:
            fork = max([fork, old.next_segment * SIZE, *(copy.end for copy in self.copies)])
            fork = min(fork, old.position)
        timeline = max([old.timeline, *self.histories, *(line for line, _ in self.files)]) + 1
        ancestors = (*old.ancestors, (old.timeline, fork))
        kept = [commit for commit in old.commits if commit.end <= fork]
        self.primary = Server(timeline, ancestors, old.log[:fork], kept, fork // SIZE)
        self.histories[timeline] = ancestors
        self.zombie = old if keeps_running else None
        self.running = None

    def lose(self, file: tuple[int, int | None]) -> None:
        """A segment, or a history (None), is gone; but never the last trace of the primary's timeline.

        Without one, and with a primary cut off that goes on, nobody could know that there is another.
        """
        line, number = file
        traces = [one for one in self.files if one[0] == line]
        if line == self.primary.timeline and len(traces) + (line in self.histories) == 1:
            return
        if number is None:
            del self.histories[line]
        else:
            del self.files[line, number]

    def recovered(self, label: str) -> set[int] | None:
        """The commits that a restore of a backup to the latest point has; None where it fails."""
        copy = next(copy for copy in self.copies if copy.label == label)
        if not {other.label for other in self.copies}.issuperset(copy.needs):
            return None
        newest = copy.timeline
        while newest + 1 in self.histories:
            newest += 1
        if newest > copy.timeline or newest in self.histories:
            lines = [*self.histories[newest], (newest, 1 << 60)]
        else:
            lines = [(newest, 1 << 60)]
        ends = dict(lines)
        if copy.timeline not in ends or copy.end > ends[copy.timeline]:
            return None  # "requested timeline is not a child of this server's history"
        log = self._replayed(copy, lines)
        if len(log) < copy.end:
            return None  # "WAL ends before end of online backup"
        return {number for number in log if log.count(number) == self._length(number)}

    def _replayed(self, copy: Copy, lines: list[tuple[int, int]]) -> list[int]:
        log, current = list(copy.base), copy.timeline
        while True:
            number = len(log) // SIZE
            for place in reversed(range(len(lines))):
                line = lines[place][0]
                begin = lines[place - 1][1] // SIZE if place else 0
                if line >= current and number >= begin and (line, number) in self.files:
                    break
            else:
                return log
            current = line
            log.extend(self.files[line, number][len(log) % SIZE :])

    def _length(self, number: int) -> int:
        every = [*self.primary.commits, *(self.zombie.commits if self.zombie else ())]
        return next((c.end - c.start for c in every if c.number == number), -1)


def instant(tick: int) -> datetime:
    """The time of a tick."""
    return START + timedelta(seconds=tick)
