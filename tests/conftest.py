"""What all tests share: the testbed's fixtures, and the rule that nothing is skipped unsaid."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "testbed.rights_plugin",
    "testbed.fixtures",
    "nodes.fixtures",
    "testbed.reruns_plugin",
    "testbed.order_plugin",
    "faults.options",
]

# How fast examples are made or tried says something of the machine and its other work, not of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SKIPS = Path(__file__).parents[1] / "docs" / "skips.md"


def allowed_skips(text: str) -> tuple[str, ...]:
    """Reasons in the table of docs/skips.md: the first column, in backquotes."""
    rows = (line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `"))
    return tuple(row.strip("`") for row in rows)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skip for a reason that docs/skips.md does not list fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # a worker of pytest-xdist: the controller judges
        return
    allowed = allowed_skips(SKIPS.read_text(encoding="utf-8"))
    for report in reporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(known in reason for known in allowed):
            reporter.write_line(f"{report.nodeid}: skip not listed in docs/skips.md: {reason}")
            session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
