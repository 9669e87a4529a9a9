"""What is no command for people: `run` is the operator, `agent` a small process beside an instance,
and `crds` prints the definitions.

Imports are late: an agent and `dedicated crds` load no Kubernetes client, and each says what is wrong before
it loads one.
"""

import argparse
import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from dedicated import __version__

USAGE = 2
BROKEN = 1
SHARED = 0o007
"""Of a process whose scratch is shared with PostgreSQL's programs: two users, one group."""
PROCESSES = frozenset({"run", "agent", "crds"})


def run_process(arguments: Sequence[str], *, now: Callable[[], datetime]) -> int:
    """Run one of `PROCESSES`, or tell what it can be told; the exit code."""
    from dedicated.cli.arguments import add_run_arguments

    parser = argparse.ArgumentParser(prog="dedicated", description="Operator of dedicated ZITADEL instances.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run the operator until SIGTERM")
    add_run_arguments(run, environment=os.environ, hostname=socket.gethostname())
    crds = commands.add_parser("crds", help="print the CustomResourceDefinitions, or write them to a folder")
    crds.add_argument("--output", type=Path, metavar="DIR", help="write one file per kind into this folder")
    agent = commands.add_parser("agent", help="run a small process beside an instance")
    if arguments[0] == "agent":
        from dedicated.cli.agents import add_agents

        add_agents(agent, environment=os.environ, asked=arguments[1] if len(arguments) > 1 else "")
    options = parser.parse_args(arguments)
    match options.command:
        case "run":
            return _run(options, now)
        case "agent":
            return _agent(options, now)
        case _:
            return _crds(options.output)


def _agent(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    agents = {
        "recovery": _recovery,
        "verify": _verify,
        "escrow": _escrow,
        "export": _export,
        "import": _import,
        "limiter": _limiter,
    }
    return agents[options.agent](options, now)


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
    os.umask(SHARED)
    return 0 if asyncio.run(run(settings, now=now)) else BROKEN


def _import(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.importing.main import run
    from dedicated.cli.import_arguments import import_settings_of
    from dedicated.controllers import logs

    try:
        settings = import_settings_of(options, environment=os.environ)
    except ValueError as error:
        print(f"dedicated agent import: {error}", file=sys.stderr)
        return USAGE
    logs.configure(level=settings.log_level, form=settings.log_format)
    os.umask(SHARED)
    return 0 if asyncio.run(run(settings, now=now)) else BROKEN


def _verify(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.verify.main import CAUSES, run
    from dedicated.cli.agent_arguments import verify_settings_of
    from dedicated.controllers import logs

    settings = verify_settings_of(options, environment=os.environ)
    logs.configure(level=settings.log_level, form=settings.log_format)
    try:
        asyncio.run(run(settings, now=now, monotonic=time.monotonic))
    except CAUSES as error:
        print(f"dedicated agent verify: {error}", file=sys.stderr)
        return BROKEN
    return 0


def _escrow(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.escrow.main import run
    from dedicated.cli.escrow_arguments import escrow_settings_of
    from dedicated.controllers import logs

    settings = escrow_settings_of(options)
    logs.configure(level=settings.log_level, form=settings.log_format)
    return 0 if asyncio.run(run(settings, now=now)) else 1


def _limiter(options: argparse.Namespace, now: Callable[[], datetime]) -> int:
    from dedicated.agents.limiter.main import PrepareError, prepare, run
    from dedicated.cli.limiter_arguments import limiter_settings_of
    from dedicated.controllers import logs

    try:
        settings = limiter_settings_of(options)
    except ValueError as error:
        print(f"dedicated agent limiter: {error}", file=sys.stderr)
        return USAGE
    logs.configure(level=settings.log_level, form=settings.log_format)
    try:
        asyncio.run(prepare(settings) if options.prepare else run(settings, now=now))
    except PrepareError as error:
        print(f"dedicated agent limiter: {error}", file=sys.stderr)
        return BROKEN
    return 0


def _crds(output: Path | None) -> int:
    from dedicated.cli.crds import documents

    for name, text in documents().items():
        if output is None:
            print(text, end="")
        else:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
    return 0
