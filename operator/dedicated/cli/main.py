"""The command line `dedicated`, also called as `kubectl dedicated`.

`run` is the operator, `agent` a small process beside an instance, and `crds` prints the
CustomResourceDefinitions; all others are for people, in `commands`. Imports are late: the operator's process
loads no terminal, an agent and `dedicated crds` no Kubernetes client, and each says what is wrong before it
loads one.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from dedicated import __version__

USAGE = 2
BROKEN = 1
OPERATOR = frozenset({"run", "agent", "crds"})


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None, *, now: Callable[[], datetime] = utc_now) -> int:
    """Run the command line; the exit code, as in docs/command-line.md."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in OPERATOR:
        return _operator(given, now)
    from dedicated.cli.commands import run_command

    return run_command(given, now=now)


def _operator(arguments: Sequence[str], now: Callable[[], datetime]) -> int:
    from dedicated.cli.arguments import add_run_arguments

    parser = argparse.ArgumentParser(prog="dedicated", description="Operator of dedicated ZITADEL instances.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the operator until SIGTERM")
    add_run_arguments(run, environment=os.environ, hostname=socket.gethostname())
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions, or write them to a folder")
    crds.add_argument("--output", type=Path, metavar="DIR", help="write one file per kind into this folder")
    agent = commands.add_parser("agent", help="run a small process beside an instance")
    agents = agent.add_subparsers(dest="agent", required=True, metavar="AGENT")
    recovery = agents.add_parser(
        "recovery", help="tell what a restore of the database would bring back, until SIGTERM"
    )
    export = agents.add_parser("export", help="dump the database, prove the dump, store it sealed; once")
    if arguments[0] == "agent":
        from dedicated.cli.agent_arguments import add_recovery_arguments
        from dedicated.cli.export_arguments import add_export_arguments

        add_recovery_arguments(recovery, environment=os.environ)
        add_export_arguments(export, environment=os.environ)
    options = parser.parse_args(arguments)
    match options.command:
        case "run":
            return _run(options, now)
        case "agent" if options.agent == "export":
            return _export(options, now)
        case "agent":
            return _recovery(options, now)
        case _:
            return _crds(options.output)


def _run(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.cli.arguments import settings_of
    from dedicated.controllers import logs
    from dedicated.controllers.main import SettingsError, run

    settings = settings_of(options)
    logs.configure(level=settings.log_level, form=settings.log_format)
    try:
        asyncio.run(run(settings, now=now))
    except (SettingsError, ValueError) as error:
        print(f"dedicated run: {error}", file=sys.stderr)
        return USAGE
    return 0


def _recovery(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.recovery.main import run
    from dedicated.cli.agent_arguments import recovery_settings_of
    from dedicated.controllers import logs

    try:
        settings = recovery_settings_of(options, environment=os.environ)
    except ValueError as error:
        print(f"dedicated agent recovery: {error}", file=sys.stderr)
        return USAGE
    logs.configure(level=settings.log_level, form=settings.log_format)
    asyncio.run(run(settings, now=now))
    return 0


def _export(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.export.main import run
    from dedicated.cli.export_arguments import export_settings_of
    from dedicated.controllers import logs

    settings = export_settings_of(options, environment=os.environ)
    logs.configure(level=settings.log_level, form=settings.log_format)
    return 0 if asyncio.run(run(settings, now=now)) else BROKEN


def _crds(output: Path | None) -> int:
    from dedicated.cli.crds import documents

    for name, text in documents().items():
        if output is None:
            print(text, end="")
        else:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
    return 0
