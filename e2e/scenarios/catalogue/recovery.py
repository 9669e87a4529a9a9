"""What has to come back: a drill in a copy, a whole cluster from what is kept beside it."""

import json
from collections.abc import Sequence
from functools import partial

from dedicated.api.json import JsonValue, Manifest, get_str
from dedicated.api.names import API_VERSION
from scenarios import deeds, figures
from scenarios.model import Figure, Scenario, Step
from scenarios.record import Measurement
from scenarios.stage import Stage

RTO = 4 * 3600.0
"""Seconds that a restore may take (B-4)."""
RESTORES = "instancerestores"
WORK = 100.0
"""Seconds of work before the loss: longer than a segment of the log stays open."""
DRILL, REBUILT = "drill done", "whole cluster rebuilt"


def recovery() -> tuple[Scenario, ...]:
    """In their order."""
    return (
        Scenario(
            name="drill",
            promise="A restore is tried out in a copy, while users notice nothing.",
            clause="B-4",
            target=f"done <= {RTO:g} s, 0 failed requests",
            steps=_drill,
            verdict=_drilled,
            needs=frozenset({"clients", "own-database", "backups"}),
            seconds=900,
        ),
        Scenario(
            name="rebuild",
            promise="The whole cluster is lost and rebuilt from Git, the bucket and the key bundle: "
            "no more is lost than was published.",
            clause="B-3",
            target=f"published exposure never below the true loss, rebuilt <= {RTO:g} s",
            steps=_rebuild,
            verdict=_rebuilt,
            needs=frozenset({"clients", "own-database", "backups", "rebuild"}),
            seconds=1800,
        ),
    )


def _drill(stage: Stage) -> Sequence[Step]:
    manifest: Manifest = {
        "apiVersion": API_VERSION,
        "kind": "InstanceRestore",
        "metadata": {"name": "drill-of-a-scenario", "namespace": stage.namespace},
        "spec": {"instance": stage.instance, "purpose": "Drill"},
    }
    order = partial(_order, stage, manifest)
    return (Step(DRILL, order, what="change", until=partial(_over, stage, manifest), patience=800),)


def _order(stage: Stage, manifest: JsonValue) -> None:
    stage.provider.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))


def _over(stage: Stage, manifest: Manifest) -> bool:
    """Whether it is verified, recorded and cleared away; never, where it failed."""
    name = get_str(manifest, "metadata", "name")
    phase = ("-o", "jsonpath={.status.phase}")
    return stage.provider.kubectl("get", RESTORES, name, "-n", stage.namespace, *phase) == "Removed"


def _drilled(seen: Measurement) -> Sequence[Figure]:
    return (*figures.took(seen, DRILL, RTO), *figures.no_failure(seen), *figures.nothing_lost(seen))


def _rebuild(stage: Stage) -> Sequence[Step]:
    def whole() -> bool:
        return not stage.unsettled()

    return (
        Step("work that is archived", deeds.nothing, what="note", hold=WORK),
        Step("the cluster is lost", stage.lose_all, undo=stage.start_nodes, settle=False),
        Step(REBUILT, stage.rebuild, what="heal", until=whole, patience=1200),
    )


def _rebuilt(seen: Measurement) -> Sequence[Figure]:
    return (*figures.took(seen, REBUILT, RTO), *figures.exposure(seen), *figures.load(seen))
