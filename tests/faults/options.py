"""pytest plugin: what of the fault harness runs, and where its figures go.

`make test` takes some points of one scenario and two seeds, chosen by the commit, so that different commits
look in different places and the same commit always in the same one. `make test-all` takes every point of all
scenarios, and `SEEDS`.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from cluster.engine_stage import install_engines
from dedicated.api.json import Manifest
from faults.crashpoints import Choose, Point
from faults.scenario import Scenario
from faults.scenarios import SCENARIOS
from faults.site import Stage, stage_on
from testbed.cluster import Cluster
from testbed.home import CHECKOUT

SEEDS = 200
SEEDS_OF_A_COMMIT = 2
POINTS_OF_A_COMMIT = 12
"""About two minutes on two cores, whatever the scenario."""
FIXED = "0" * 40
"""In place of a commit, where there is no git."""
_SLOW = (pytest.mark.slow,)
ALL_SECONDS = pytest.mark.timeout(2700)
"""All points of a scenario, on a machine with other work."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Replay of one failure, and the figures' file."""
    group = parser.getgroup("faults")
    group.addoption("--crash-point", metavar="SCENARIO:N:before|after", help="try this point only")
    group.addoption("--fault-seed", type=int, metavar="N", help="try this seed only")
    group.addoption("--faults-report", metavar="FILE", help="append figures to this file, one JSON line each")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Scenarios and seeds for the tests that ask for them."""
    if "scenario" in metafunc.fixturenames:
        wide = "alone" in metafunc.fixturenames
        found = [scenario for scenario in SCENARIOS if (scenario.happens is not None) == wide]
        metafunc.parametrize("scenario", list(_scenarios(metafunc.config, found)))
    if "seeds" in metafunc.fixturenames:
        metafunc.parametrize("seeds", list(_seeds(metafunc.config)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A replay runs nothing else."""
    replays = (("--crash-point", "scenario"), ("--fault-seed", "seeds"))
    wanted = {fixture for option, fixture in replays if config.getoption(option) is not None}
    if wanted:
        kept = [item for item in items if _is_replay(item, wanted)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _is_replay(item: pytest.Item, wanted: set[str]) -> bool:
    given = getattr(getattr(item, "callspec", None), "params", {})
    return any(isinstance(given.get(fixture), Scenario | tuple) for fixture in wanted)


def _scenarios(config: pytest.Config, found: list[Scenario]) -> "Iterator[object]":
    given = config.getoption("--crash-point")
    chosen = None if found[0].happens else chosen_of(found, commit())
    for scenario in found:
        if given is None:
            yield pytest.param(scenario, id=scenario.name, marks=(*_SLOW, ALL_SECONDS))
            if scenario is chosen:
                yield pytest.param(scenario, id=f"{scenario.name}-of-this-commit")
        elif Point.parse(given).scenario == scenario.name:
            yield pytest.param(scenario, id=scenario.name)


def _seeds(config: pytest.Config) -> "Iterator[object]":
    given = config.getoption("--fault-seed")
    if given is not None:
        yield pytest.param((given,), id=f"seed-{given}")
        return
    seeds = seeds_of(commit(), SEEDS)
    yield pytest.param(seeds[:SEEDS_OF_A_COMMIT], id="of-this-commit")
    yield pytest.param(seeds[SEEDS_OF_A_COMMIT:], id="all", marks=_SLOW)


def commit() -> str:
    """The commit checked out."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return FIXED
    return answer.stdout.strip()


def chosen_of(scenarios: list[Scenario], commit: str) -> Scenario:
    """The scenario of a commit."""
    return scenarios[int(hashlib.sha256(commit.encode()).hexdigest(), 16) % len(scenarios)]


def points_of(every: Sequence[Point], commit: str) -> tuple[Point, ...]:
    """The points of a commit, in their order."""
    digests = {point: hashlib.sha256(f"{commit}:{point}".encode()).hexdigest() for point in every}
    kept = set(sorted(every, key=digests.__getitem__)[:POINTS_OF_A_COMMIT])
    return tuple(point for point in every if point in kept)


def seeds_of(commit: str, count: int) -> tuple[int, ...]:
    """The seeds of a commit: the first ones are the same, however many are asked for."""
    digests = (hashlib.sha256(f"{commit}:{number}".encode()).hexdigest() for number in range(count))
    return tuple(int(digest[:8], 16) for digest in digests)


@pytest.fixture
def choose(request: pytest.FixtureRequest) -> Choose:
    """The point asked for; all of them where all the time is taken, else the commit's."""
    given = request.config.getoption("--crash-point")
    if given:
        return lambda _: (Point.parse(given),)
    if request.node.get_closest_marker("slow"):
        return lambda every: every
    return lambda every: points_of(every, commit())


class Tell(Protocol):
    """Type of the fixture `tell`."""

    def __call__(self, figures: Manifest) -> None:
        """Append one line to the report."""


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Where figures go: the file of `--faults-report`, or nowhere."""
    given = request.config.getoption("--faults-report")

    def append(figures: Manifest) -> None:
        if given:
            line = json.dumps({**figures, "commit": commit()}) + "\n"
            descriptor = os.open(given, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            with os.fdopen(descriptor, "w") as file:
                file.write(line)

    return append


@pytest.fixture
def stage(cluster: Cluster, crds: None, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The fork server and the chronicle of a test; nobody ends the API server meanwhile.

    Where its scenario has an engine, the definitions of that are installed, or the test is skipped.
    """
    request.getfixturevalue("_turn")
    scenario = getattr(getattr(request.node, "callspec", None), "params", {}).get("scenario")
    played = isinstance(scenario, Scenario) and scenario.engine
    if played:
        install_engines(cluster)
    with stage_on(cluster, tmp_path, engine=played) as made:
        yield made
