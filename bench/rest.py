"""An operator with nothing to do: what it asks, writes and weighs."""

import time
from collections import Counter
from collections.abc import Iterator

from bench.figure import Figure, at_most, below, report
from bench.stage import NAME, Stage, until
from dedicated.api.json import Manifest
from dedicated.api.objects import INSTANCE

REST_SECONDS = 120
CROWD = 20
FULL_HOUSE = 50
MEGABYTE = 1024 * 1024
REACTION_SECONDS = 5
"""A write that does not come in this time after its cause does not come."""


def idle_memory(stage: Stage) -> Iterator[Figure]:
    """A fresh operator, synced, without an instance."""
    stage.stopped()
    stage.running()
    time.sleep(REACTION_SECONDS)
    yield below("rss_idle", resident(stage), "MB", 90)


def requests_at_rest(stage: Stage) -> Iterator[Figure]:
    """Two minutes with twenty instances: everything but lease and watches counts."""
    stage.hold(CROWD)
    stage.say(f"{REST_SECONDS} s of rest")
    since = stage.cluster.audit_position()
    time.sleep(REST_SECONDS)
    calls = stage.calls(since)
    kinds = Counter(f"{call.verb} {call.resource}" for call in calls)
    stage.say(f"at rest: {dict(kinds)}")
    yield at_most("requests_at_rest_beyond_lease_and_watch", sum(not c.upkeep for c in calls), "requests", 0)
    yield report("requests_at_rest_lease_and_watch", sum(c.upkeep for c in calls), "requests")


def foreign_metadata(stage: Stage) -> Iterator[Figure]:
    """A label and an annotation of somebody else on the custom resource."""
    namespace = stage.hold(1)[0]
    since = stage.cluster.audit_position()
    for name in ("labels", "annotations"):
        body: Manifest = {"metadata": {name: {"example.test/bench": "1"}}}
        stage.cluster.api.patch(INSTANCE, namespace, NAME, body, manager="somebody")
    time.sleep(REACTION_SECONDS)
    yield at_most("writes_after_foreign_metadata", len(stage.writes(since)), "writes", 0)


def restart(stage: Stage) -> Iterator[Figure]:
    """A new process over fifty instances at rest: what it writes, and what it costs."""
    stage.hold(FULL_HOUSE)
    stage.stopped()
    since = stage.cluster.audit_position()
    started = time.monotonic()
    stage.running()
    ready = time.monotonic() - started
    stage.rest(stage.crowd)
    used = stage.process().cpu_times()
    seconds = time.monotonic() - started
    writes = stage.writes(since)
    stage.say(f"restart: looked at for {seconds:.0f} s, wrote {[str(call) for call in writes]}")
    yield at_most("restart_with_50_writes", len(writes), "writes", 0)
    yield report("restart_with_50_requests", sum(not call.upkeep for call in stage.calls(since)), "requests")
    yield report("restart_with_50_cpu", used.user + used.system, "seconds")
    yield report("restart_with_50_ready", ready, "seconds")
    yield report("rss_50_instances", resident(stage), "MB")


def resident(stage: Stage) -> float:
    """Memory of the operator in MB."""
    until("an operator that answers", lambda: stage.running().http("/healthz")[0] == 200)
    return stage.process().memory_info().rss / MEGABYTE
