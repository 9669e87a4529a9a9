"""Keeps the line of instances that wait for their turn (`reconcile.turns`): in memory, made by each leader.

All instances present at the start are counted first, and their statuses tell of it, before the first one
changes. Who has nothing to wait for at its first judged pass is free for the rest of this operator's life.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.conditions import UPGRADE_PENDING, rfc3339
from dedicated.api.json import Manifest
from dedicated.api.objects import Key, Ref
from dedicated.controllers.metrics import Metrics
from dedicated.reconcile.actions import Plan
from dedicated.reconcile.turns import (
    FREE,
    PATIENCE,
    Turn,
    Waiting,
    answers_now,
    has_begun,
    in_order,
    is_urgent,
    next_in_line,
    reason_of,
)

PROVING_PAUSE = 1.0
"""Seconds until it is looked again whether a public name was read since the rollout."""
LOOK_PAUSE = 5.0
"""Seconds until the instance that has its turn is looked at again at the latest: all others wait for it."""
TELLING_SECONDS = 30.0
"""How long the first turn waits until all statuses tell of what waits; one reading of a name takes less."""
LISTED = 100
"""Instances named in the log at the start."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Current:
    """Whose turn it is. `began` and `rolled_out` are monotonic seconds."""

    key: Key
    since: datetime
    began: float
    rolled_out: float | None = None
    overdue: bool = False


class Line:
    """Who waits, and whose turn it is.

    `present` are the instances that exist; `wake(key)` and `wake_at(key, monotonic)` ask for a pass.
    """

    def __init__(
        self,
        *,
        present: Callable[[], Iterable[Key]],
        wake: Callable[[Key], None],
        wake_at: Callable[[Key, float], None],
        metrics: Metrics,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._present = present
        self._wake = wake
        self._wake_at = wake_at
        self._metrics = metrics
        self._now = now
        self._monotonic = monotonic
        self._counting: set[Key] | None = set()
        self._told_by: float | None = None
        self._free: set[Key] = set()
        self._causes: dict[Key, Mapping[Ref, str]] = {}
        self._waiting: dict[Key, Waiting] = {}
        self._places: dict[Key, int] = {}
        self._current: _Current | None = None
        metrics.watch_line(
            instances=lambda: len(self._waiting),
            objects=lambda: sum(len(item.objects) for item in self._waiting.values()),
        )

    def of(self, key: Key, causes: Mapping[Ref, str], *, heard: float | None) -> Turn:
        """What the instance may do in this pass. `heard` is when its public name was read last, monotonic."""
        current = self._current
        if current is not None and current.key == key:
            since, rolled_out = rfc3339(current.since), current.rolled_out
            proven = heard is not None and rolled_out is not None and heard > rolled_out
            return Turn("Running", since=since, heard=proven)
        waiting = self._waiting.get(key)
        pending = waiting.objects if waiting is not None else ()
        if key in self._free or is_urgent(self._causes.setdefault(key, causes), causes, pending=pending):
            return FREE
        return Turn("Waiting", before=self._places.get(key), held_by=self._held_by())

    def passed(self, key: Key, status: Manifest, decided: Plan, *, answered: bool) -> None:
        """Take over what a pass decided on the status as it stood; `answered` as for `Reporter.report`."""
        if self._current is not None and self._current.key == key:
            self._proceed(self._current, decided)
        elif decided.pending is None:
            self._waiting.pop(key, None)  # nothing can be done about it now
        elif key not in self._free:
            resumes = has_begun(status)
            if not decided.pending and not resumes:
                self._release(key)
                return
            heard = decided.probe is None or answered
            self._waiting[key] = Waiting(decided.pending, resumes, answers_now(status), heard)
            if self._counting is None:
                self._places.setdefault(key, len(self._waiting) - 1 + (self._current is not None))

    def ended(self, key: Key, status: Manifest) -> None:
        """A pass has ended, whatever came of it; `status` is the instance's as it stands now."""
        if (waiting := self._waiting.get(key)) is not None:
            told = has_begun(status) or reason_of(status) == UPGRADE_PENDING
            waiting = self._waiting[key] = replace(waiting, told=told)
            if self._told_by is not None and not waiting.may_begin:
                self._wake_at(key, self._told_by)
        if self._counting is not None:
            self._counting.add(key)
        self._advance()

    def forget(self, key: Key) -> None:
        """The instance is gone."""
        if self._current is not None and self._current.key == key:
            self._end(self._current)
        self._release(key)
        self._free.discard(key)
        self._advance()

    def _advance(self) -> None:
        if self._counting is not None:
            if not all(present in self._counting for present in self._present()):
                return
            self._counting = None
            self._tell_count()
        if self._told_by is not None:
            all_told = all(item.may_begin for item in self._waiting.values())
            if not all_told and self._monotonic() < self._told_by:
                return
            self._told_by = None
        if self._current is not None:
            self._tell_if_overdue(self._current)
        elif (following := next_in_line(self._waiting)) is not None:
            self._begin(following)

    def _release(self, key: Key) -> None:
        self._free.add(key)
        self._waiting.pop(key, None)
        self._places.pop(key, None)
        self._causes.pop(key, None)

    def _tell_count(self) -> None:
        order = in_order(self._waiting)
        self._places = {key: place for place, key in enumerate(order)}
        if not order:
            logger.info("this operator changes no instance")
            return
        objects = sum(len(item.objects) for item in self._waiting.values())
        named = ", ".join(f"{key} ({len(self._waiting[key].objects)})" for key in order[:LISTED])
        logger.info(
            "this operator changes %d objects of %d instances, one instance after the other",
            objects,
            len(order),
            extra={"instances": len(order), "objects": objects, "first": named},
        )
        self._told_by = self._monotonic() + TELLING_SECONDS
        self._wake_waiting()

    def _begin(self, key: Key) -> None:
        waiting = self._waiting.pop(key)
        began = self._monotonic()
        self._current = _Current(key, self._now(), began)
        age = self._metrics.upgrade_turn.labels(namespace=key.namespace, name=key.name)
        age.set_function(lambda: self._monotonic() - began)
        logger.info(
            "its turn begins, %d objects change; instances that wait after it: %d",
            len(waiting.objects),
            len(self._waiting),
            extra={"key": str(key)},
        )
        self._wake(key)

    def _proceed(self, current: _Current, decided: Plan) -> None:
        now, pause = self._monotonic(), LOOK_PAUSE
        match decided.turn:
            case "Over":
                self._end(current)
                self._release(current.key)
                return
            case "Proving":
                current.rolled_out = current.rolled_out or now
                if decided.status is not None and answers_now(decided.status):
                    pause = PROVING_PAUSE
            case _:
                current.rolled_out = None
        if not decided.actions:  # behind a pass that acts comes another one, later and later where it fails
            self._wake_at(current.key, now + pause)

    def _tell_if_overdue(self, current: _Current) -> None:
        if current.overdue or self._monotonic() - current.began < PATIENCE.total_seconds():
            return
        current.overdue = True
        logger.warning(
            "its turn lasts since %s: see its status; instances that wait: %d",
            rfc3339(current.since),
            len(self._waiting),
            extra={"key": str(current.key)},
        )
        self._wake_waiting()

    def _end(self, current: _Current) -> None:
        self._current = None
        self._metrics.upgrade_turn.remove(current.key.namespace, current.key.name)
        lasted = self._monotonic() - current.began
        logger.info(
            "its turn is over after %.0f s; instances that wait: %d",
            lasted,
            len(self._waiting),
            extra={"key": str(current.key)},
        )
        if current.overdue:
            self._wake_waiting()

    def _held_by(self) -> str:
        current = self._current
        if current is None or not current.overdue:
            return ""
        since = rfc3339(current.since)
        return f"{current.key} has had its turn since {since} and is not back. Provider: see its status"

    def _wake_waiting(self) -> None:
        for key in self._waiting:
            self._wake(key)
