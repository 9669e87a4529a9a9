"""The status is written where it differs, figures wait for their fellows, judgements never do."""

import json
import time
from collections.abc import Callable, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from dedicated.api.json import JsonValue, Manifest, as_manifest
from dedicated.api.names import API_VERSION, KIND
from dedicated.api.objects import Key, Kind
from dedicated.api.resource import meta_of
from dedicated.cluster.events import EventRecorder
from dedicated.controllers.metrics import make_metrics
from dedicated.controllers.reporter import MINOR_PAUSE, Reporter, merge_patch
from dedicated.reconcile.actions import Plan

# A field of the status has one type: a number that equals True or False never takes its place.
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(min_value=2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
WHOLE = st.dictionaries(st.sampled_from("abcd"), VALUES.filter(lambda value: value is not None), max_size=4)


def patched(old: JsonValue, patch: JsonValue) -> JsonValue:
    """RFC 7386, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = patched(found.get(key), value)
    return found


def without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


@settings(deadline=None)
@given(WHOLE, WHOLE)
def test_a_merge_patch_leads_from_the_old_to_the_new(old: Manifest, new: Manifest) -> None:
    # A status holds no nulls: they mean "remove" in a merge patch.
    before, after = as_manifest(without_nulls(old)), as_manifest(without_nulls(new))
    patch = merge_patch(before, after)
    assert patched(before, patch) == after
    assert (patch == {}) == (json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True))


class Api:
    """Remembers what is written, and when a pass is asked for."""

    def __init__(self) -> None:
        self.written: list[Manifest] = []
        self.wakes: list[float] = []

    async def write(self, _: Key, patch: Manifest) -> None:
        self.written.append(as_manifest(patch["status"]))

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        raise AssertionError(f"no event was recorded: {kind} {manifest}")

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Manifest, *, content: str
    ) -> Manifest:
        raise AssertionError(f"no event was recorded: {kind} {namespace}/{name} {body} {content}")


def reporter_of(api: Api, monotonic: Callable[[], float] = time.monotonic) -> Reporter:
    return Reporter(
        monotonic=monotonic,
        write=api.write,
        wake_at=lambda _, at: api.wakes.append(at),
        recorder=EventRecorder(client=api, instance="test"),
        metrics=make_metrics(),
    )


def status(*, reason: str = "RollingOut", server: str = "1/3") -> Manifest:
    condition: Manifest = {"type": "Ready", "status": "False", "reason": reason, "message": server}
    return {"observedGeneration": 1, "summary": {"server": server}, "conditions": [condition]}


async def report(
    reporter: Reporter,
    *,
    old: Mapping[str, JsonValue],
    new: Manifest,
    probe: str | None = None,
    answered: bool = True,
) -> None:
    body: Manifest = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": "acme", "name": "acme", "uid": "u", "generation": 1},
        "status": dict(old),
    }
    await reporter.report(body, meta_of(body), Plan(status=new, probe=probe), version="7", answered=answered)


async def test_a_restart_waits_for_the_public_name_and_not_for_ever() -> None:
    api, clock = Api(), [100.0]
    reporter = reporter_of(api, lambda: clock[0])
    available: Manifest = {"type": "Available", "status": "True", "reason": "Answers", "message": ""}
    old: Manifest = {**status(), "conditions": [available]}
    for now in (100.0, 102.9):
        clock[0] = now
        await report(reporter, old=old, new=status(), probe="login.acme.example", answered=False)
    assert (api.written, api.wakes) == ([], [103.0, 103.0])
    clock[0] = 103.0
    await report(reporter, old=old, new=status(), probe="login.acme.example", answered=False)
    assert len(api.written) == 1


async def test_figures_wait_for_their_fellows() -> None:
    api = Api()
    reporter = reporter_of(api)
    await report(reporter, old={}, new=status())
    await report(reporter, old=status(), new=status(server="2/3"))
    assert len(api.written) == 1
    assert len(api.wakes) == 1
    assert MINOR_PAUSE > 0


async def test_a_judgement_is_written_at_once() -> None:
    api = Api()
    reporter = reporter_of(api)
    await report(reporter, old={}, new=status())
    await report(reporter, old=status(), new=status(reason="PublicNameFails"))
    assert len(api.written) == 2


async def test_nothing_is_written_where_nothing_differs() -> None:
    api = Api()
    await report(reporter_of(api), old=status(), new=status())
    assert api.written == []
