"""The recovery agent, played beside a played engine: log and repository are simulated, the rules are not.

The played engine has no database, so nothing can be sampled or listed. Here the log is a function of time: a
segment is closed each archive interval and at the end of each backup, and is in the archive from then on.
From that the agent's own `Knowledge` is told readings and listings as its loops would tell it, and its report
is written to the record, at most once a minute unless something turned. So no verdict is made by hand.

Failures on demand: `stop_archiving`, `lose_next_segment`, `cut`, `apart`. Times are the clock's that is
handed in, which may jump ahead. A failover begins another timeline where the last closed segment ends.
Limit: what the archive kept back while it was stopped arrives all at once.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dedicated.agents.recovery.clock import Clock
from dedicated.agents.recovery.knowledge import Knowledge
from dedicated.agents.recovery.loops import CHECK_EVERY
from dedicated.api import backup as spec
from dedicated.api.json import Manifest, get_str
from dedicated.api.objects import CONFIG_MAP, INSTANCE, RECORD
from dedicated.api.resource import Instance, parse_instance
from dedicated.api.store import Store
from dedicated.contract.facts import Fact
from dedicated.contract.reading import facts_in, read
from dedicated.contract.recovery.objectives import CONTRACT
from dedicated.contract.recovery.report import MANAGER, REPORT, Report, to_json
from dedicated.contract.recovery.repository import Archive, Backup, Listing
from dedicated.contract.recovery.wal import SEGMENT, Ancestor, Segment, segment_name, stretches
from dedicated.parts.database.engine import EngineRun, cluster_name
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.recovery_agent import record_name
from dedicated.probes.database import Follower, Reading
from dedicated.probes.members import Answer
from dedicated.reconcile.restores import with_database
from testbed.client import Api, ApiError, condition

SAMPLED_EVERY, LISTED_EVERY = timedelta(seconds=30), timedelta(minutes=5)
WRITTEN_EVERY = timedelta(seconds=60)
"""As the real agent's defaults."""
DATABASE = 781_000_000
"""Bytes of the database that the played engine's backups are said to be of."""
RETRIED = timedelta(seconds=20)
"""PostgreSQL tries a failed archive command three times a minute."""


@dataclass(slots=True)
class Log:
    """A write-ahead log and its archive, from `begun` on. `ended` are former timelines, as in a history."""

    begun: datetime
    switched: list[datetime] = field(default_factory=list)
    """Ends of backups, in order: each closes a segment."""
    ended: list[Ancestor] = field(default_factory=list)
    stopped: datetime | None = None
    """Since when nothing is archived any more."""
    lost: set[int] = field(default_factory=set)
    """Segments that the archiver reported and the archive has not."""

    @property
    def timeline(self) -> int:
        """The timeline that is written."""
        return len(self.ended) + 1

    def segment(self, at: datetime) -> int:
        """Number of the segment that is written at a time."""
        return 1 + (at - self.begun) // CONTRACT.archive_interval + bisect_left(self.switched, at)

    def position(self, at: datetime) -> int:
        """End of the log at a time: somewhere in its segment, and never falling."""
        within = (at - self.begun) % CONTRACT.archive_interval / CONTRACT.archive_interval
        return int((self.segment(at) + (1 + within) / 4) * SEGMENT)

    def archived(self, at: datetime) -> int:
        """Number of the last segment that the archiver had reported by then."""
        return self.segment(min(at, self.stopped or at)) - 1

    def failures(self, at: datetime) -> int:
        """How often the archive command had failed."""
        return 0 if self.stopped is None else max(0, (at - self.stopped) // RETRIED)

    def promote(self, at: datetime) -> None:
        """Another server becomes the primary."""
        self.ended.append(Ancestor(self.timeline, self.segment(at) * SEGMENT))

    def archive(self, at: datetime) -> Archive:
        """What the archive holds."""
        begins = [1, *(one.end // SEGMENT for one in self.ended)]
        ends = [*(one.end // SEGMENT for one in self.ended), self.archived(at) + 1]
        numbers = {
            line: set(range(first, end)) - self.lost
            for line, (first, end) in enumerate(zip(begins, ends, strict=True), start=1)
        }
        found = {line: stretches(held) for line, held in numbers.items() if held}
        return Archive(found, frozenset(range(2, self.timeline + 1)))


@dataclass(slots=True)
class Beside:
    """What the agent of one instance knows, and what it wrote last."""

    incarnation: str
    known: Knowledge
    log: Log | None = None
    backups: dict[str, Backup] = field(default_factory=dict)
    primary: str = ""
    sampled: datetime | None = None
    listed: datetime | None = None
    checked: datetime | None = None
    written: datetime | None = None
    told: object = None


@dataclass(slots=True)
class RecoveryAgents:
    """The agents of one namespace: for each instance that has a record.

    `clock` is the contract's time; `dated` turns an API server's time into it. `account` gives the API as a
    ServiceAccount of the namespace. `cut` are standbys that the primary does not see any more;
    of these, `apart` are on and answer for themselves, with log that the primary never wrote.
    """

    api: Api
    namespace: str
    account: Callable[[str], Api]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    dated: Callable[[datetime], datetime] = lambda instant: instant
    cut: set[str] = field(default_factory=set)
    apart: set[str] = field(default_factory=set)
    _beside: dict[str, Beside] = field(default_factory=dict)
    _writers: dict[str, Api] = field(default_factory=dict)

    def step(self) -> None:
        """What the agents do next."""
        for body in self.api.list(INSTANCE, self.namespace):
            name = get_str(body, "metadata", "name")
            instance = with_database(parse_instance(body), self._facts(name))
            if isinstance(instance, Instance) and instance.spec.backup is not None:
                self._instance(instance, instance.spec.backup)

    def _facts(self, instance: str) -> tuple[Fact, ...]:
        """What is recorded of an instance."""
        read_all = (read(item) for item in self.api.list(RECORD, self.namespace))
        return facts_in(one for one in read_all if one is not None and one.instance == instance)

    def stop_archiving(self, instance: str) -> None:
        """From now on the archive command fails."""
        self._log(instance).stopped = self.clock()

    def resume_archiving(self, instance: str) -> None:
        """It works again, and what was kept back is archived."""
        self._log(instance).stopped = None
        self._beside[instance].listed = None

    def lose_next_segment(self, instance: str) -> None:
        """The segment after the one that is written now will be reported as archived, and be missing."""
        log = self._log(instance)
        log.lost.add(log.segment(self.clock()) + 1)

    def _log(self, instance: str) -> Log:
        log = self._beside[instance].log
        assert log is not None, "the cluster is not there yet"
        return log

    def _instance(self, instance: Instance, backup: spec.Backup) -> None:
        name = record_name(instance.name)
        if self.api.find(CONFIG_MAP, self.namespace, name) is None:
            return
        beside, now = self._beside_of(instance), self.clock()
        if _is_due(beside.checked, CHECK_EVERY, now):
            beside.known.checked(tuple(good_stores(backup, now)))
            beside.checked = now
        self._look(instance, beside, now)
        report = beside.known.report()
        signature = _signature(report)
        due = _is_due(beside.written, WRITTEN_EVERY, now) or signature != beside.told
        if due and self._write(name, report):
            beside.written, beside.told = now, signature

    def _beside_of(self, instance: Instance) -> Beside:
        """The agent of this incarnation, which begins with nothing known."""
        known = self._beside.get(instance.name)
        if known is None or known.incarnation != instance.incarnation:

            def seconds() -> float:
                return self.clock().timestamp()

            clock = Clock(wall=self.clock, monotonic=seconds)
            fresh = Knowledge(incarnation=instance.incarnation, clock=clock, monotonic=seconds)
            known = self._beside[instance.name] = Beside(instance.incarnation, fresh)
        return known

    def _look(self, instance: Instance, beside: Beside, now: datetime) -> None:
        """Sample the primary and list the repository, as often as is due."""
        adapter = adapter_of(instance)
        if adapter.cluster_kind is None or adapter.backup_kind is None:
            return
        cluster = self.api.find(adapter.cluster_kind, self.namespace, cluster_name(instance))
        state = adapter.read_cluster(cluster) if cluster is not None else None
        if state is None or state.created is None or not state.ready:
            return
        if beside.log is None:
            beside.log = Log(self.dated(state.created))
        runs = (adapter.read_run(found) for found in self.api.list(adapter.backup_kind, self.namespace))
        own = [run for run in runs if run is not None and run.cluster == cluster_name(instance)]
        fresh = self._stored(beside, own)
        primary, standbys = self._servers(instance)
        moved = bool(beside.primary) and primary != beside.primary
        if moved:
            beside.log.promote(now)
        beside.primary = primary
        listing = fresh or moved or _is_due(beside.listed, LISTED_EVERY, now)
        if listing or _is_due(beside.sampled, SAMPLED_EVERY, now):
            beside.known.answered(own_words(beside.log, self.cut & self.apart, now))
            beside.known.sampled(reading(beside.log, primary, standbys, self.cut, now))
            beside.known.checkpointed(beside.known.start, now)
            beside.sampled = now
        if listing:
            beside.known.listed(listing_of(beside.log, beside.backups.values(), beside.known, now))
            beside.listed = now

    def _stored(self, beside: Beside, runs: list[EngineRun]) -> bool:
        """Store the engine's backups that were completed; whether any was new. What was stored stays."""
        log, fresh = beside.log, False
        assert log is not None
        for found in sorted(runs, key=lambda run: run.asked):
            run = found.run
            if not run.completed or run.finished is None or run.label in beside.backups:
                continue
            started, finished = self.dated(run.started), self.dated(run.finished)
            fulls = [one.label for one in beside.backups.values() if one.kind == "full"]
            first, last = (Segment(log.timeline, log.segment(at)) for at in (started, finished))
            beside.backups[run.label] = Backup(
                label=run.label,
                kind=run.kind,
                started=started,
                completed=finished,
                first=first,
                last=last,
                start=log.position(started),
                end=log.position(finished),
                needs=() if run.kind == "full" else tuple(fulls[-1:]),
                stored=run.stored,
                database=DATABASE,
            )
            log.switched = sorted([*log.switched, finished])
            fresh = True
        return fresh

    def _servers(self, instance: Instance) -> tuple[str, list[str]]:
        """The primary's pod, and the pods of the standbys that are ready."""
        labels = adapter_of(instance).pods
        assert labels is not None
        selector = f"{labels.selector},{labels.cluster}={cluster_name(instance)}"
        primary, standbys = "", []
        for pod in self.api.list("v1/pods", self.namespace, labels=selector):
            name = get_str(pod, "metadata", "name")
            if get_str(pod, "metadata", "labels", labels.role) in labels.primaries:
                primary = name
            elif condition(pod, "Ready") == "True":
                standbys.append(name)
        return primary, standbys

    def _write(self, record: str, report: Report) -> bool:
        """Write the report; False where that is not possible yet, or no more: the next step tries again."""
        change: Manifest = {"data": {REPORT: to_json(report)}}
        try:
            writer = self._writers.get(record) or self.account(record)
            writer.patch(CONFIG_MAP, self.namespace, record, change, manager=MANAGER)
        except ApiError:
            return False
        self._writers[record] = writer
        return True


def reading(log: Log, primary: str, standbys: Iterable[str], cut: set[str], now: datetime) -> Reading:
    """What the primary would answer: quorum standbys that hold all of it, but for those that are cut off."""
    last, shown = Segment(log.timeline, log.archived(now)), [name for name in standbys if name not in cut]
    return Reading(
        asked=now,
        clock=now,
        position=log.position(now),
        timeline=log.timeline,
        segment_size=SEGMENT,
        archived=segment_name(last),
        failures=log.failures(now),
        start=str(log.timeline),
        up=now - log.begun,
        checkpoint_timeout=timedelta(minutes=5),
        # Synchronous replication is strict: without a standby, the agent's own heartbeat waits.
        blocked=0 if shown else 1,
        name=primary,
        followers=tuple(Follower(name, "streaming", "quorum", log.position(now)) for name in shown),
    )


def own_words(log: Log, apart: Iterable[str], now: datetime) -> Iterator[Answer]:
    """What servers that left the primary's history would say of themselves: they hold more than it wrote."""
    for name in sorted(apart):
        ahead = log.position(now) + SEGMENT
        yield Answer(now, name, name, standby=True, following=False, timeline=log.timeline, position=ahead)


def listing_of(log: Log, backups: Iterable[Backup], known: Knowledge, now: datetime) -> Listing:
    """What the repository would list."""
    archive = log.archive(now)
    listed = archive.newest == log.timeline
    return Listing(
        at=now,
        archive=archive,
        backups=tuple(backups),
        ancestors=tuple(log.ended) if listed else (),
        archived_before=known.archived_before,
    )


def good_stores(backup: spec.Backup, now: datetime) -> Iterable[Store]:
    """Each bucket as it was asked for, in the region that was asked for."""
    for number, place in enumerate((backup.repository, *backup.copies)):
        yield Store(
            at=now,
            name=place.bucket or "",
            role="Repository" if number == 0 else "Copy",
            endpoint=place.endpoint or "",
            region=place.region,
            targets=(),
            encryption="AES256",
            versioned=True,
            lock_days=place.immutability.lock_days,
            public=False,
            writable=True,
        )


def _is_due(last: datetime | None, every: timedelta, now: datetime) -> bool:
    return last is None or now - last >= every


def _signature(report: Report) -> object:
    """What a transition is a change of."""
    found, followed, readings = report.found, report.replication, report.memory.archiver
    return (
        found and (found.backup, found.gaps, found.timeline, found.superseded),
        [run.label for run in report.backups],
        followed and (followed.primary, followed.blocked, [one.name for one in followed.standbys]),
        [one.failures > 0 for one in readings[-1:]],
        [store.name for store in report.stores],
    )
