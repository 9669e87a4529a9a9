"""What a replica of the limiter tells the operator: what is in force in it, how it was proven, what it saw.

The agent beside each HAProxy writes one report under its own key of ConfigMap `<instance>-limiter-report`;
the operator judges the reports against the policy and the clock. Figures are of the last minute, and of one
replica: tables are read as numbers of entries and never as addresses, so nothing in a report tells who a
client is. A report is one line of JSON of a few kilobytes at most. A newer agent's fields are passed over,
and what an older one does not tell has a default.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

Phase = Literal["Waiting", "Applying", "Applied", "Rejected"]
"""Of what is wanted: another replica is before it; it is being applied or proven; it is in force; it was
refused, and what was in force before goes on serving."""

MANAGER = "dedicated-limiter"
"""Field manager of what the agents write."""
EVERY, REST = 30, 120
"""Seconds between two writes at least, where the figures differ; and at most, where they do not."""
SILENT = 60
"""Seconds after which a replica that tells nothing of new content is passed over by the next one."""
LONGEST = 32_768
WORDS = 400
"""Characters of a message."""
PATHS = 10
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Thresholds of one class: admitted in 60 s, offered in 180 s; 0 where they were not read."""

    limit: int = 0
    ban: int = 0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What holds for an address that no override names, as the replica's own maps answer."""

    ui: Bounds = Bounds()
    api: Bounds = Bounds()


@dataclass(frozen=True, slots=True)
class Counts:
    """A number for each class."""

    ui: int = 0
    api: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Requests refused, or, in shadow mode, that would have been."""

    ui_limited: int = 0
    ui_banned: int = 0
    api_limited: int = 0
    api_banned: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.ui_limited + self.ui_banned + self.api_limited + self.api_banned


@dataclass(frozen=True, slots=True)
class ClassProof:
    """What a proof counted in one class: requests admitted, the number of the first refused one and of the
    first banned one, and the seconds that the ban was said to last."""

    admitted: int = 0
    first_refused: int = 0
    banned_at: int = 0
    ban_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """The last proof: requests from reserved addresses, counted against the policy.

    `content` is the digest of the files that were in force; `ranges` are the raised or exempt ranges that
    were proven beside the limits of everybody. `detail` says what differed, where `passed` is false.
    """

    at: datetime
    content: str
    passed: bool
    detail: str = ""
    ui: ClassProof = ClassProof()
    api: ClassProof = ClassProof()
    ranges: int = 0


@dataclass(frozen=True, slots=True)
class TopPath:
    """The first two segments of a path, and how often it was refused in the last hour."""

    path: str
    refused: int


@dataclass(frozen=True, slots=True)
class Report:
    """One replica's word at a time.

    `content` is the digest of the files in force, `wanted` of those that the ConfigMap holds; they are equal
    while nothing is under way. `policy_hash` is HAProxy's own answer. `room` is how many addresses a class
    has room for. `from_cluster` is the share of requests whose client has an address of the cluster or of a
    trusted proxy: they share one budget. `p50`, `p99` are milliseconds; None where nothing was asked.
    """

    replica: int
    measured_at: datetime
    started_at: datetime = NEVER
    haproxy: str = ""
    phase: Phase = "Waiting"
    message: str = ""
    content: str = ""
    wanted: str = ""
    policy_hash: str = ""
    thresholds: Thresholds = Thresholds()
    proof: Proof | None = None
    bans: Counts = Counts()
    tracked: Counts = Counts()
    room: int = 0
    requests: Counts = Counts()
    refused: Refused = Refused()
    failed: Counts = Counts()
    apart: int = 0
    p50: float | None = None
    p99: float | None = None
    from_cluster: float = 0.0
    top_paths: tuple[TopPath, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether what is wanted is in force and was proven."""
        proof = self.proof
        return (
            self.phase == "Applied"
            and self.content == self.wanted
            and proof is not None
            and proof.passed
            and proof.content == self.content
        )


_ADAPTER = TypeAdapter(Report)


def report_name(instance: str) -> str:
    """The ConfigMap that the agents of an instance's limiter write."""
    return f"{instance}-limiter-report"


def key_of(replica: int) -> str:
    """The key of a replica's report in it."""
    return f"r{replica}"


def to_json(report: Report) -> str:
    """One line of JSON, the same for the same report, and never longer than is read again."""
    proof = report.proof
    bounded = replace(
        report,
        message=report.message[:WORDS],
        proof=proof and replace(proof, detail=proof.detail[:WORDS]),
        top_paths=tuple(replace(one, path=one.path[:64]) for one in report.top_paths[:PATHS]),
    )
    return _ADAPTER.dump_json(bounded, exclude_defaults=True).decode()


def from_json(text: str) -> Report | None:
    """The report in a text; None where the text is none, or is longer than any report."""
    if len(text) > LONGEST:
        return None
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None


def reports_in(data: dict[str, str], *, replicas: int) -> tuple[Report, ...]:
    """The reports of the replicas that there are, in their order; one that cannot be read is left out."""
    found = (from_json(data.get(key_of(number), "")) for number in range(replicas))
    return tuple(
        report for number, report in enumerate(found) if report is not None and report.replica == number
    )


def material(report: Report) -> Report:
    """A report without what nobody acts on: figures to two digits, no time of measuring."""
    return replace(
        report,
        measured_at=NEVER,
        bans=_rounded(report.bans),
        tracked=_rounded(report.tracked),
        requests=_rounded(report.requests),
        failed=_rounded(report.failed),
        refused=Refused(
            *(
                two_digits(number)
                for number in (
                    report.refused.ui_limited,
                    report.refused.ui_banned,
                    report.refused.api_limited,
                    report.refused.api_banned,
                )
            )
        ),
        p50=_coarse(report.p50),
        p99=_coarse(report.p99),
        from_cluster=round(report.from_cluster, 1),
        top_paths=tuple(TopPath(one.path, 0) for one in report.top_paths[:3]),
    )


def two_digits(number: int) -> int:
    """The number with its first two digits, the others being 0."""
    text = str(number)
    return int(text[:2] + "0" * (len(text) - 2))


def _rounded(counts: Counts) -> Counts:
    return Counts(two_digits(counts.ui), two_digits(counts.api))


def _coarse(milliseconds: float | None) -> float | None:
    """A latency to a power of the square root of two: what scatters at rest stays one value."""
    if milliseconds is None or milliseconds <= 1:
        return milliseconds and 1.0
    return float(2 ** (round(2 * math.log2(milliseconds)) / 2))
