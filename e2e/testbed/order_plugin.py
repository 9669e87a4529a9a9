"""pytest plugin: an order of tests in which workers seldom wait for each other.

A test that has the cluster alone waits for those that use it and keeps new ones waiting; what does not use
the cluster goes on. So the longest tests come first, where nothing is left over at the end, then those that
are alone, beside tests without a cluster, and last those that share it. Within each group the order is left
as it came: by chance.
"""

from collections.abc import Collection

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by `place`."""
    items.sort(key=lambda item: place(_fixtures(item), {mark.name for mark in item.iter_markers()}))


def _fixtures(item: pytest.Item) -> Collection[str]:
    found: Collection[str] = getattr(item, "fixturenames", ())
    return found


def place(fixtures: Collection[str], marks: Collection[str]) -> int:
    """The group of a test, by its fixtures and marks: groups of lower numbers begin earlier."""
    if "stage" in fixtures and ("scenario" in fixtures or "seeds" in fixtures):
        return 0  # minutes each: the fault harness
    if "alone" in fixtures:
        return 1
    if "cluster" in marks or "_turn" in fixtures:
        return 4
    return 3 if "lab" in marks else 2
