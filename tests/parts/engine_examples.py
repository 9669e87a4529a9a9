"""Instances of each engine, and the schedules that they are rendered with."""

from datetime import timedelta

from builders import NOW, body, clustered, spec, valid
from dedicated.api.json import JsonValue
from dedicated.api.resource import Instance
from dedicated.contract.recovery.rendering import Rendering, rendering
from dedicated.contract.recovery.schedule import parse_schedule
from dedicated.parts.database.engine import EngineWanted

ZONE = "Europe/Zurich"


def at(schedule: str) -> Rendering:
    """A schedule as it stands now."""
    return rendering(parse_schedule(schedule), ZONE, now=NOW)


def of(engine: str, **changes: JsonValue) -> Instance:
    """An instance with this engine."""
    return valid({**body(), "spec": spec(**clustered(engine, **changes))})


def wanted(engine: str, **changes: JsonValue) -> EngineWanted:
    """The input of its rendering."""
    return rendered(of(engine, **changes))


def rendered(found: Instance) -> EngineWanted:
    """The input of an instance's rendering."""
    return EngineWanted(found, at("0 1 * * *"), at("0 0,2-23 * * *"), timedelta(seconds=60))
