"""The guaranteed load (S-3, RL-5): below its limits nobody is refused, and nobody fails.

That nobody is refused is proven by the limiter's own proof; that nobody fails is seen in what it lets
through: a client above its limits is refused, so what fails was below them. The text names no latency and no
share of failures; the figures here are ours. Limit: a minute with few requests tells nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dedicated.contract.limiter_report import Report
from dedicated.contract.objectives import Objectives

FAILED_PERCENT = 1
"""Of the requests let through: from more on, the guarantee is missed."""
SLOWEST = 1000
"""Milliseconds in which 99 of 100 requests let through are answered."""
JUDGED = 100
"""Requests let through in a minute, by which is judged."""

State = Literal["None", "NotApplicable", "Unknown", "Kept", "Missed"]


@dataclass(frozen=True, slots=True)
class Load:
    """A minute of all replicas: requests asked, refused, failed; the slowest replica's latencies in ms."""

    requests: int
    refused: int
    failed: int
    p50: float | None
    p99: float | None

    @property
    def admitted(self) -> int:
        """Requests let through."""
        return max(0, self.requests - self.refused)


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What became of the guarantee, and why."""

    state: State
    message: str


def load_of(reports: Iterable[Report]) -> Load:
    """What the replicas saw together."""
    found = tuple(reports)
    return Load(
        requests=sum(one.requests.ui + one.requests.api for one in found),
        refused=sum(one.refused.total for one in found),
        failed=sum(one.failed.ui + one.failed.api for one in found),
        p50=max((one.p50 for one in found if one.p50 is not None), default=None),
        p99=max((one.p99 for one in found if one.p99 is not None), default=None),
    )


def load_guarantee(load: Load, promised: Objectives, *, booked: int | None) -> Guarantee:
    """Whether the guarantee was kept; `booked` are requests a second of all clients, None: none were."""
    if not promised.performance:
        return Guarantee("None", "this infrastructure has no performance guarantee (L-2)")
    if promised.suspended is not None:
        return Guarantee("NotApplicable", "the customer's prerequisites are not met (L-2)")
    if booked is not None and load.requests > booked * 60:
        return Guarantee("NotApplicable", f"more than the {booked} requests a second that are booked (S-3)")
    if load.admitted < JUDGED:
        return Guarantee("Unknown", f"fewer than {JUDGED} requests a minute tell nothing")
    return _kept(load)


def _kept(load: Load) -> Guarantee:
    if load.failed * 100 > load.admitted * FAILED_PERCENT:
        return Guarantee("Missed", f"more than {FAILED_PERCENT} % of requests below the limits fail (RL-5)")
    if load.p99 is not None and load.p99 > SLOWEST:
        return Guarantee("Missed", f"1 of 100 requests below the limits takes over {SLOWEST} ms (RL-5)")
    return Guarantee("Kept", f"at most {FAILED_PERCENT} % fail, 99 of 100 are answered in {SLOWEST} ms")
