"""Tells what a pass found: the status where it differs, events on transitions, metrics.

A status in which only figures moved waits a moment for the next ones: a rollout moves them with every pod.
What people and tools wait for is never held back.
"""

import time
from collections.abc import Awaitable, Callable

from dedicated.api.conditions import AVAILABLE
from dedicated.api.json import JsonValue, Manifest, get_list, get_str
from dedicated.api.objects import Key
from dedicated.api.resource import Meta
from dedicated.cluster.events import EventRecorder
from dedicated.controllers.figures import figures_of
from dedicated.controllers.metrics import Metrics
from dedicated.reconcile.actions import Plan

MINOR_PAUSE = 2.0
"""Seconds between two writes of a status in which only figures moved."""


ANSWER_PAUSE = 3.0
"""Seconds that a first report waits for the public name's answer: a status has 15 s to be true again."""


class Reporter:
    """Reports passes. `write(key, patch)` is a merge patch of the status; `wake_at(key, monotonic)` asks for
    a pass to write what was held back."""

    def __init__(
        self,
        *,
        write: Callable[[Key, Manifest], Awaitable[None]],
        wake_at: Callable[[Key, float], None],
        recorder: EventRecorder,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._write = write
        self._wake_at = wake_at
        self._recorder = recorder
        self._metrics = metrics
        self._written: dict[Key, float] = {}
        self._held: dict[Key, float] = {}

    async def report(
        self, body: Manifest, meta: Meta, decided: Plan, *, version: str, answered: bool
    ) -> None:
        """Write the status on the resourceVersion that was judged, and tell of transitions.

        `answered` says whether the public name has been heard since the start of the process.
        """
        if decided.status is None:
            return
        change = merge_patch(meta.status, decided.status)
        if change and not answered and decided.probe is not None and was_judged(meta):
            # The answer comes in seconds: a restart does not write `Unknown` before it. Where it is late,
            # that is because something is broken, and all else is told.
            since = self._held.setdefault(meta.key, self._monotonic())
            if self._monotonic() - since < ANSWER_PAUSE:
                self._wake_at(meta.key, since + ANSWER_PAUSE)
                return
        if change and self._may_wait(meta, decided.status):
            self._wake_at(meta.key, self._written[meta.key] + MINOR_PAUSE)
        elif change:
            self._written[meta.key] = self._monotonic()
            await self._write(meta.key, {"metadata": {"resourceVersion": version}, "status": change})
        self._tell(body, meta, decided)

    def forget(self, key: Key) -> None:
        """The instance is gone."""
        self._written.pop(key, None)
        self._held.pop(key, None)
        self._metrics.instances.drop(key)

    def _may_wait(self, meta: Meta, status: Manifest) -> bool:
        recent = self._monotonic() - self._written.get(meta.key, -MINOR_PAUSE) < MINOR_PAUSE
        return recent and judgements(meta.status) == judgements(status)

    def _tell(self, body: Manifest, meta: Meta, decided: Plan) -> None:
        status = decided.status or {}
        for note in decided.events:
            self._recorder.record(
                body, kind=note.kind, reason=note.reason, action=note.action, note=note.note
            )
        self._metrics.instances.show(meta.key, figures_of(body, status, decided.requests, decided.gates))


def was_judged(meta: Meta) -> bool:
    """Whether the status tells, for this generation, what the public name answered."""
    return meta.status.get("observedGeneration") == meta.generation and any(
        get_str(item, "type") == AVAILABLE and get_str(item, "status") != "Unknown"
        for item in get_list(meta.status, "conditions")
    )


def judgements(status: Manifest) -> tuple[JsonValue, ...]:
    """What people and tools wait for in a status: it is never held back."""
    conditions = [
        f"{get_str(item, 'type')} {get_str(item, 'status')} {get_str(item, 'reason')}"
        for item in get_list(status, "conditions")
    ]
    restore = [get_str(status, "restore", field) for field in ("name", "phase")]
    return (status.get("observedGeneration"), status.get("findings"), *restore, *conditions)


def merge_patch(old: Manifest, new: Manifest) -> Manifest:
    """The JSON merge patch (RFC 7386) that turns `old` into `new`; empty where they are equal."""
    patch: Manifest = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch
