"""The recorder tells once, never waits and never raises."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from dedicated.api.json import Manifest, get_map, get_str
from dedicated.api.objects import Kind
from dedicated.cluster.errors import ApiError
from dedicated.cluster.events import BURST, EVENT, QUEUE_LENGTH, EventRecorder
from virtual_time import now, run_virtual

INSTANCE: Manifest = {
    "apiVersion": "dedicated.zitadel.com/v1alpha1",
    "kind": "DedicatedInstance",
    "metadata": {"name": "acme", "namespace": "a", "uid": "u1"},
}


@dataclass
class EventApi:
    events: dict[str, Manifest] = field(default_factory=dict)
    patches: list[Manifest] = field(default_factory=list)
    error: Exception | None = None

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        assert kind == EVENT
        if self.error is not None:
            raise self.error
        name = get_str(manifest, "metadata", "name")
        if name in self.events:
            raise ApiError(status=409, reason="AlreadyExists", message=name)
        self.events[name] = manifest
        return manifest

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Manifest, *, content: Literal["merge"]
    ) -> Manifest:
        assert (kind, namespace, content) == (EVENT, "a", "merge")
        assert name in self.events
        self.patches.append(body)
        return body


@dataclass
class Bench:
    api: EventApi
    recorder: EventRecorder
    drops: list[float]

    def say(self, note: str, *, instance: Manifest = INSTANCE) -> None:
        self.recorder.record(instance, kind="Normal", reason="Rolled", action="Roll", note=note)


async def bench(*, run: bool = True, api: EventApi | None = None) -> Bench:
    loop = asyncio.get_running_loop()
    drops: list[float] = []
    api = api or EventApi()
    recorder = EventRecorder(
        client=api,
        instance="op-1",
        on_drop=lambda: drops.append(loop.time()),
        monotonic=loop.time,
        wall=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=loop.time()),
    )
    if run:
        recorder_task = asyncio.create_task(recorder.run())
        recorder_task.add_done_callback(lambda task: None if task.cancelled() else task.result())
    return Bench(api, recorder, drops)


def test_an_event_says_who_what_and_when() -> None:
    async def main() -> None:
        it = await bench()
        it.say("6 pods ready")
        await it.recorder.flush()
        (event,) = it.api.events.values()
        assert get_str(event, "metadata", "namespace") == "a"
        assert get_str(event, "metadata", "name").startswith("acme.")
        assert event["reportingController"] == "dedicated.zitadel.com/operator"
        assert event["reportingInstance"] == "op-1"
        assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
        assert (event["type"], event["reason"], event["action"]) == ("Normal", "Rolled", "Roll")
        assert event["note"] == "6 pods ready"
        assert get_map(event, "regarding")["uid"] == "u1"

    run_virtual(main())


def test_a_repetition_is_told_as_a_series_after_ten_minutes() -> None:
    async def main() -> None:
        it = await bench()
        for _ in range(60):
            it.say("no connection")
            await asyncio.sleep(10)
        await it.recorder.flush()
        assert (len(it.api.events), it.api.patches) == (1, [])
        it.say("no connection")
        await it.recorder.flush()
        last = "2026-01-01T00:10:00.000000Z"
        assert it.api.patches == [{"series": {"count": 61, "lastObservedTime": last}}]
        assert it.drops == []

    run_virtual(main())


def test_a_restarted_recorder_continues_the_event_of_its_predecessor() -> None:
    async def main() -> None:
        api = EventApi()
        for _ in range(2):
            it = await bench(api=api)
            it.say("same")
            await it.recorder.flush()
        assert len(api.events) == 1
        assert get_map(api.patches[0], "series")["count"] == 2

    run_virtual(main())


def test_other_notes_and_other_objects_are_other_events() -> None:
    async def main() -> None:
        it = await bench()
        it.say("one")
        it.say("two")
        reborn: Manifest = {**INSTANCE, "metadata": {"name": "acme", "namespace": "a", "uid": "u2"}}
        it.say("one", instance=reborn)
        await it.recorder.flush()
        assert len(it.api.events) == 3

    run_virtual(main())


def test_one_noisy_object_is_cut_off_and_others_are_not() -> None:
    async def main() -> None:
        it = await bench()
        for number in range(BURST + 10):
            it.say(f"note {number}")
        other: Manifest = {**INSTANCE, "metadata": {"name": "other", "namespace": "a", "uid": "u2"}}
        it.say("calm", instance=other)
        await it.recorder.flush()
        assert len(it.api.events) == BURST + 1
        assert it.recorder.dropped == len(it.drops) == 10
        await asyncio.sleep(300)
        it.say("later")
        await it.recorder.flush()
        assert len(it.api.events) == BURST + 2

    run_virtual(main())


def test_a_full_queue_drops_instead_of_waiting() -> None:
    async def main() -> None:
        it = await bench(run=False)
        for number in range(QUEUE_LENGTH + 5):
            uid: Manifest = {**INSTANCE, "metadata": {"name": "x", "namespace": "a", "uid": f"u{number}"}}
            it.say("note", instance=uid)
        assert it.recorder.dropped == 5
        assert now() == 0.0

    run_virtual(main())


@pytest.mark.parametrize("error", [ApiError(status=403, reason="x", message="no"), RuntimeError("bug")])
def test_refusals_and_bugs_end_neither_the_recorder_nor_the_caller(error: Exception) -> None:
    async def main() -> None:
        it = await bench()
        it.api.error = error
        it.say("lost")
        await it.recorder.flush()
        it.api.error = None
        it.say("told")
        await it.recorder.flush()
        assert [event["note"] for event in it.api.events.values()] == ["told"]

    run_virtual(main())


def test_long_notes_are_cut_at_a_character() -> None:
    async def main() -> None:
        it = await bench()
        it.say("ü" * 2000)
        await it.recorder.flush()
        (event,) = it.api.events.values()
        assert event["note"] == "ü" * 512

    run_virtual(main())


def test_events_about_cluster_scoped_objects_live_in_default() -> None:
    async def main() -> None:
        it = await bench()
        node: Manifest = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u9"}}
        it.say("gone", instance=node)
        await it.recorder.flush()
        (event,) = it.api.events.values()
        assert get_str(event, "metadata", "namespace") == "default"

    run_virtual(main())
