"""Who is next: replicas of a limiter take a change one after the other, in the order of their numbers.

A replica takes it when the one before has it in force, and proven. So what is wrong with a change is wrong
with one replica. Where the one before refused it, the line stops; where it tells nothing for `SILENT` seconds
(its node is gone), or gets no further for `STUCK` (its HAProxy does not run), it is passed over: what raises
a limit must reach those that serve.
"""

from dataclasses import dataclass
from typing import Literal

from dedicated.contract.limiter_report import SILENT, Report

STUCK = 180
"""Seconds: a reload and two proofs take no longer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a replica takes a change now, and why not."""

    now: Literal["Take", "Wait", "Stop"]
    why: str = ""


def turn(replica: int, wanted: str, before: Report | None, *, silent: float, still: float) -> Turn:
    """The turn of a replica. `before` is what the replica before it tells; it has told nothing new for
    `silent` seconds, and got no further for `still`, both reckoned from when this one saw the change.
    """
    name = f"replica {replica - 1}"
    informed = before if before is not None and before.wanted == wanted else None
    if replica == 0 or (informed is not None and informed.proven):
        return Turn("Take")
    if silent >= SILENT:
        return Turn("Take", f"{name} tells nothing for {SILENT} s and is passed over")
    waiting = _waiting(name, informed)
    if still >= STUCK and waiting.now == "Wait" and (informed is None or informed.phase == "Applying"):
        return Turn("Take", f"{name} gets no further for {STUCK} s and is passed over")
    return waiting


def _waiting(name: str, before: Report | None) -> Turn:
    if before is None:
        return Turn("Wait", f"{name} has not taken it yet")
    if before.phase == "Rejected":
        return Turn("Stop", f"{name} refused it: {before.message}")
    if before.phase == "Applied" and before.proof is not None and not before.proof.passed:
        return Turn("Stop", f"{name} has it, and is not proven: {before.proof.detail}")
    return Turn("Wait", f"{name} is taking it")
