"""All scenarios, in a cheap order: what changes little first, what leaves most behind last."""

from scenarios.catalogue.changes import changes
from scenarios.catalogue.losses import losses
from scenarios.catalogue.recovery import recovery
from scenarios.catalogue.surroundings import surroundings
from scenarios.model import Scenario


def catalogue(*, store_away: float) -> tuple[Scenario, ...]:
    """Every scenario. `store_away`: seconds for which the object store is taken away."""
    return (*changes(), *losses(), *surroundings(store_away=store_away), *recovery())
