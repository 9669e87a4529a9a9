"""With RERUN_ONCE, a failed test that waits for other processes is run once more, and named as such.

A machine that stood still for a moment is no fault of the program. What is pure has no such excuse.
"""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what may be run once more."""
    if os.environ.get("RERUN_ONCE"):
        for item in items:
            if item.get_closest_marker("cluster") or item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.flaky(reruns=1))
