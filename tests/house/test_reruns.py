"""What is run once more when it fails, and what never is."""

import pytest

from testbed.reruns_plugin import pytest_collection_modifyitems


def _reruns(item: pytest.Item) -> int:
    return sum(mark.kwargs["reruns"] for mark in item.iter_markers("flaky"))


@pytest.mark.parametrize(("asked", "marker", "reruns"), [("", "lab", 0), ("1", "", 0), ("1", "lab", 1)])
def test_only_what_waits_for_other_processes_is_run_again(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, asked: str, marker: str, reruns: int
) -> None:
    item = pytest.Function.from_parent(request.node.parent, name="one", callobj=lambda: None)
    if marker:
        item.add_marker(marker)
    monkeypatch.setenv("RERUN_ONCE", asked)
    pytest_collection_modifyitems([item])
    assert _reruns(item) == reruns
