"""`python -m clients`: ask until the time is over or SIGTERM comes, a JSON line for each request.

Exit codes: 0 at the end, also by SIGTERM; 2 for arguments or files that are no use.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from clients import load
from clients.rows import Row, line
from clients.target import Identity, Plan, Target, identity_from_json


def main(argv: Sequence[str]) -> int:
    """Run. Returns the exit code."""
    given = _parser().parse_args(argv)
    target = Target(given.name, given.address, given.port, given.ca, tuple(given.source))
    try:
        plan = Plan(given.login, given.token, given.write, sources=len(target.sources) or 1)
        identity = None if given.burst else identity_from_json(Path(given.identity).read_text())
        with sys.stdout if given.log == "-" else Path(given.log).open("a") as log:
            asyncio.run(_run(given, target, plan, identity, log))
    except (OSError, ValueError, TypeError) as error:
        print(f"clients: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clients")
    parser.add_argument("--name", required=True, help="public name")
    parser.add_argument("--address", required=True, help="IP address to connect to")
    parser.add_argument("--port", type=int, default=443)
    parser.add_argument("--ca", default="", help="PEM file; default: the system's authorities")
    parser.add_argument("--source", action="append", default=[], help="local address; may be repeated")
    parser.add_argument("--identity", default="", help="JSON file as clients.enrol makes it")
    parser.add_argument("--log", default="-")
    parser.add_argument("--seconds", type=float, default=0, help="0: until SIGTERM")
    for kind in Plan().kinds:
        interval = Plan().interval(kind)
        parser.add_argument(f"--{kind}", type=float, default=interval, help="seconds between; 0: none")
    parser.add_argument("--burst", choices=sorted(load.PATHS), help="only this, at --each-second")
    parser.add_argument("--each-second", type=float, default=20)
    return parser


async def _run(
    given: argparse.Namespace, target: Target, plan: Plan, identity: Identity | None, log: TextIO
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if given.seconds:
        loop.call_later(given.seconds, stop.set)

    def told(row: Row) -> None:
        print(line(row), file=log, flush=True)

    if identity is not None:
        await load.run(target, identity, plan, told=told, stop=stop)
    else:
        await load.burst(target, given.burst, each_second=given.each_second, told=told, stop=stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
