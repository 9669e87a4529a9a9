"""What was claimed, held against what a restore brings back.

A claim is a time up to which everything can be restored: from each report that was published, and from each
scrape of the exposure. It was false if a commit that had been acknowledged before that time does not come
back.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dedicated.contract.recovery.conditions import rpo_met, wal_archiving, wal_continuous
from dedicated.contract.recovery.objectives import RecoveryObjectives
from dedicated.contract.recovery.report import Report
from lab.agent import NAMESPACE, RECORD, Agent, arguments, recovery_agent
from lab.laboratory import Lab, laboratory
from lab.load import Commit, Load
from lab.record_server import RecordServer, record_server
from lab.server import until

ARCHIVE_INTERVAL = 5
RPO = 60
OBJECTIVES = RecoveryObjectives(
    archive_interval=timedelta(seconds=ARCHIVE_INTERVAL), disaster_rpo=timedelta(seconds=RPO)
)
SCRAPE_SECONDS = 0.2
Verdicts = dict[str, tuple[str, str]]
"""Status and reason of each condition, by its type."""


@dataclass(frozen=True, slots=True)
class Claim:
    """At a time it was said that all up to another time can be restored (seconds since 1970)."""

    said: float
    up_to: float


def published(record: RecordServer) -> list[Claim]:
    """The claims of all reports that were written."""
    return [
        Claim(write.at, found.newest.timestamp())
        for write in list(record.writes)
        if (found := write.report.found) is not None and found.newest is not None
    ]


@dataclass
class Trial:
    """A lab with an agent at work on it."""

    lab: Lab
    record: RecordServer
    agent: Agent
    scraped: list[Claim] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Scrape the exposure until the end."""
        while not self.ended.wait(SCRAPE_SECONDS):
            asked = time.time()
            exposure = self.agent.metrics().get("dedicated_backup_exposure_seconds")
            if exposure is not None:
                # Reckoned at some time after it was asked for: so the claim was this or a later time.
                self.scraped.append(Claim(asked, asked - exposure))

    def claims(self, *, until: float) -> list[Claim]:
        """All that was claimed by a time."""
        every = [*published(self.record), *self.scraped]
        return sorted((claim for claim in every if claim.said <= until), key=lambda one: one.said)

    def published(self) -> Report:
        """The report of now."""
        report = self.record.published
        assert report is not None, "nothing was published yet"
        return report

    def verdicts(self, *, later: timedelta = timedelta(0)) -> Verdicts:
        """What the operator would say of the report of now, now or later."""
        return verdicts(self.published(), now=datetime.now(UTC) + later)

    def until(self, kind: str, status: str, reason: str, *, seconds: float = 40) -> float:
        """Wait for a verdict; after how many seconds it came. Raises TimeoutError."""
        begun = time.monotonic()
        until(
            lambda: self.record.published is not None and self.verdicts()[kind] == (status, reason),
            f"{kind} is {status}, {reason}; last {self.record.published and self.verdicts()}",
            seconds=seconds,
        )
        return time.monotonic() - begun

    def until_good(self) -> None:
        """Wait until everything is well, and something later than the backup is held."""
        for kind in ("RecoveryPointObjectiveMet", "WalContinuous"):
            until(
                lambda kind=kind: self.record.published is not None and self.verdicts()[kind][0] == "True",  # type: ignore[misc]
                f"{kind} is True",
            )


def verdicts(report: Report, *, now: datetime) -> Verdicts:
    """What the operator would say of a report at a time."""
    found, memory = report.found, report.memory
    every = (
        rpo_met(found, memory, OBJECTIVES, zone="UTC", now=now),
        wal_archiving(found, memory, OBJECTIVES, zone="UTC", now=now),
        wal_continuous(found, zone="UTC", now=now),
    )
    return {one.type: (one.status, one.reason) for one in every}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a restore brought back of what was acknowledged by the time of the destruction.

    `loss` and `exposure` are seconds: between the first commit that was lost and the destruction, and what
    was claimed of it last. `false_claims` promised a commit that was lost.
    """

    acknowledged: int
    lost: int
    loss: float
    exposure: float
    false_claims: tuple[Claim, ...]
    restore_seconds: float


def destroy_and_restore(trial: Trial, clients: Load) -> Outcome:
    """Lose every server, restore from the repository, and hold all claims against what came back."""
    return held_against_a_restore(trial.lab, clients, lambda moment: trial.claims(until=moment))


def held_against_a_restore(lab: Lab, clients: Load, claimed: Callable[[float], list[Claim]]) -> Outcome:
    """As `destroy_and_restore`; `claimed` gives what was claimed by a time, in the order of saying."""
    destroyed = time.time()
    lab.destroy()
    clients.stopped.set()
    begun = time.monotonic()
    restored = lab.restored()
    took = time.monotonic() - begun
    lost: list[Commit] = clients.lost(restored, until=destroyed)
    claims = claimed(destroyed)
    return Outcome(
        acknowledged=len(clients.acknowledged(until=destroyed)),
        lost=len(lost),
        loss=destroyed - lost[0].at if lost else 0.0,
        exposure=destroyed - claims[-1].up_to if claims else float("inf"),
        false_claims=tuple(claim for claim in claims if lost and claim.up_to > lost[0].at),
        restore_seconds=took,
    )


def told(name: str, outcome: Outcome, **more: float) -> None:
    """Append the figures of a trial to the file that LAB_FIGURES names, if it does."""
    figures = {
        "acknowledged": outcome.acknowledged,
        "lost": outcome.lost,
        "loss_s": round(outcome.loss, 2),
        "exposure_s": round(outcome.exposure, 2),
        "restore_s": round(outcome.restore_seconds, 2),
    }
    note(name, **{**figures, **more})


def note(trial: str, **figures: float) -> None:
    """Append figures to the file that LAB_FIGURES names, if it does."""
    if path := os.environ.get("LAB_FIGURES"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"trial": trial, **figures}) + "\n")


@contextmanager
def trial(
    folder: Path,
    *,
    standbys: int = 0,
    settings: Mapping[str, str] | None = None,
    repository: Mapping[str, str] | None = None,
    **times: float,
) -> Iterator[Trial]:
    """A lab, a place for the record, and an agent at work, for the time of the block."""
    with ExitStack() as stack:
        lab = stack.enter_context(
            laboratory(
                archive_timeout=ARCHIVE_INTERVAL, standbys=standbys, settings=settings, repository=repository
            )
        )
        record = stack.enter_context(record_server(namespace=NAMESPACE, name=RECORD))
        given = arguments(
            lab, record, folder / "agent", archive_interval=ARCHIVE_INTERVAL, disaster_rpo=RPO, **times
        )
        agent = stack.enter_context(recovery_agent(given, folder))
        found = Trial(lab, record, agent)
        watching = threading.Thread(target=found.watch, daemon=True)
        watching.start()
        try:
            yield found
        finally:
            found.ended.set()
            watching.join(10)
