"""What is done on purpose: an installation, a change, an upgrade, a drain of all nodes. No request fails."""

from collections.abc import Sequence
from functools import partial

from dedicated.api.json import Manifest, get_str
from scenarios import deeds, figures, slot
from scenarios.model import Figure, Scenario, Step
from scenarios.record import Measurement
from scenarios.stage import Stage

INSTALLED = 300.0
"""Seconds from nothing to Ready that an installation may take here; the contract names none."""


PERMITTED, BEGUN = "a slot is permitted", "from the permission to the run"


def changes() -> tuple[Scenario, ...]:
    """In their order."""
    return (_fresh_install(), *_rollouts())


def _fresh_install() -> Scenario:
    return Scenario(
        name="fresh-install",
        promise="An instance comes about from nothing, and is Ready once its public name answers.",
        clause="O-1",
        target=f"Ready <= {INSTALLED:g} s",
        steps=_install,
        verdict=_installed,
        seconds=INSTALLED + 60,
        smoke=True,
        load="nobody",
        installs=True,
    )


def _rollouts() -> tuple[Scenario, ...]:
    """What replaces pods under load."""
    return (
        Scenario(
            name="config-change",
            promise="A change of ZITADEL's configuration is rolled out without a failed request.",
            clause="A-1",
            target="0 failed requests",
            steps=_configure,
            verdict=_nothing_failed,
            needs=frozenset({"clients"}),
            smoke=True,
        ),
        Scenario(
            name="upgrade",
            promise="A release waits for the slot that the customer permits, and is rolled out inside it "
            "without a failed request.",
            clause="M-15",
            target="0 failed requests, 0 acknowledged writes lost",
            steps=_upgrade,
            verdict=_upgraded,
            needs=frozenset({"clients", "two-releases"}),
            seconds=420,
        ),
        Scenario(
            name="node-drain",
            promise="Nodes are drained one after another without a failed request.",
            clause="S-2",
            target="0 failed requests, 0 acknowledged writes lost",
            steps=_drain,
            verdict=_nothing_failed,
            needs=frozenset({"clients", "own-database"}),
            seconds=900,
        ),
    )


def _install(stage: Stage) -> Sequence[Step]:
    def whole() -> bool:
        return not stage.unsettled()

    return (
        Step("installed and Ready", stage.install, what="change", until=whole, patience=INSTALLED),
    )


def _installed(seen: Measurement) -> Sequence[Figure]:
    return figures.took(seen, "installed and Ready", INSTALLED)


def _nothing_failed(seen: Measurement) -> Sequence[Figure]:
    return (*figures.no_failure(seen), *figures.nothing_lost(seen), *figures.outage(seen, None))


def _configure(stage: Stage) -> Sequence[Step]:
    return (_rolled(stage, "configuration changed", {"server": {"config": {"Log": {"Level": "warn"}}}}),)


def _upgrade(stage: Stage) -> Sequence[Step]:
    run = slot.Slot(stage, stage.newer_release())
    return (
        Step("asked for, and waits", run.ask, what="change", hold=10, until=run.waits, settle=False),
        Step(PERMITTED, run.permit, what="change", until=run.completed, patience=300, settle=False),
        Step("changes are applied at once again", run.free, what="note"),
    )


def _upgraded(seen: Measurement) -> Sequence[Figure]:
    lead = slot.LEAD.total_seconds()
    return (*_nothing_failed(seen), *figures.not_before(seen, BEGUN, step=PERMITTED, seconds=lead))


def _rolled(stage: Stage, label: str, patch: Manifest) -> Step:
    """A change of the spec; it is over once no pod of the server is one of those before it."""
    before = _pods_of_server(stage)

    def over() -> bool:
        return before.isdisjoint(_pods_of_server(stage)) and not stage.unsettled()

    return Step(label, partial(stage.change, patch), what="change", until=over, patience=240)


def _pods_of_server(stage: Stage) -> frozenset[str]:
    return frozenset(get_str(pod, "metadata", "uid") for pod in deeds.pods(stage, "server"))


def _drain(stage: Stage) -> Sequence[Step]:
    return tuple(
        Step(
            f"drained {node.name}",
            partial(deeds.drain, stage, node.name),
            what="change",
            undo=partial(deeds.uncordon, stage, node.name),
            patience=180,
        )
        for node in stage.provider.nodes()
    )
