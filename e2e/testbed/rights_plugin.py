"""pytest plugin: at the end of a run, the audit log of all its operators is held against the chart's rights.

Every worker reads the log before it leaves the testbed, so the last one has seen everything; the controller
judges. A denied request fails any run, an unused right only a run of everything (`--all-rights`).
"""

import pytest

from testbed import rights
from testbed.home import Home
from testbed.operator_process import Settings, render
from testbed.rights import Usage

CUSTOM_VERBS = ("act-as-operator", "modify")
"""Verbs of our own in the chart's roles."""
KEY = "operator_rights"
_FOUND = pytest.StashKey[Usage]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all-rights`: this is a run of everything, so each right must have been used."""
    parser.addoption("--all-rights", action="store_true", help="fail where a right of the chart was not used")


def note_usage(config: pytest.Config, home: Home) -> None:
    """Keep what the audit log shows, before the testbed goes."""
    found = rights.usage(home.audit)
    output = getattr(config, "workeroutput", None)
    if output is None:
        _add(config, found)
    else:
        output[KEY] = found.to_json()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A worker of pytest-xdist has ended."""
    output = getattr(node, "workeroutput", None) or {}
    config = getattr(node, "config", None)
    if KEY in output and isinstance(config, pytest.Config):
        _add(config, Usage.from_json(output[KEY]))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Judge, and say so: a line in any case, the lines of what is wrong."""
    config = session.config
    found = config.stash.get(_FOUND, None)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if found is None or reporter is None or not found.requests:
        return
    whole = bool(config.getoption("--all-rights")) and exitstatus == pytest.ExitCode.OK
    chart = rights.granted([*render(Settings("judge", ())), *render(Settings("judge", ("judge",)))])
    wrong = rights.verdict(found, chart, custom=CUSTOM_VERBS, whole=whole)
    reporter.write_line("")
    reporter.write_line(
        f"rights: {found.requests} requests of operators, {len(found.denied)} kinds of them denied; "
        f"{len(chart & found.used)} of {len(chart)} granted rights used"
    )
    for line in wrong:
        reporter.write_line(f"rights: {line}")
    if wrong:
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED


def _add(config: pytest.Config, found: Usage) -> None:
    config.stash[_FOUND] = config.stash.get(_FOUND, Usage()).fuller(found)
