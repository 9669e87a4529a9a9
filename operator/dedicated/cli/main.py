"""The command line `dedicated`, also called as `kubectl dedicated`.

The operator, its agents and the CustomResourceDefinitions are `processes`; all others are for people, in
`commands`. These are imported late: the operator's process loads no terminal.
"""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dedicated.cli.processes import PROCESSES, run_process


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None, *, now: Callable[[], datetime] = utc_now) -> int:
    """Run the command line; the exit code, as in docs/command-line.md."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in PROCESSES:
        return run_process(given, now=now)
    from dedicated.cli.commands import run_command

    return run_command(given, now=now)
