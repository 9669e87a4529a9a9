"""`python -m testbed up|down|status|env|logs`: the local control plane by hand."""

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from testbed import session, supervisor, tools
from testbed.client import Api, condition
from testbed.cluster import Cluster
from testbed.gobuild import BuildError
from testbed.home import Home, State, default_home
from testbed.nodes import NODES
from testbed.processes import read_identities


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 failed or not up."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    parser.add_argument(
        "--home", type=Path, help="directory of the testbed; default $DEDICATED_STATE or .cache/testbed"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start; does nothing if it is up")
    down = commands.add_parser("down", help="stop and remove")
    down.add_argument("--keep-logs", action="store_true", help="leave the logs")
    build = commands.add_parser("build", help="build or find programs; done by the others when needed")
    build.add_argument("programs", nargs="*", help="default: all that ordinary tests need")
    commands.add_parser("status", help="what runs")
    commands.add_parser("env", help='settings for a shell: eval "$(python -m testbed env)"')
    logs = commands.add_parser("logs", help="output of a pod that really runs, or ran")
    logs.add_argument("namespace")
    logs.add_argument("pod")
    serve = commands.add_parser("serve", help="the supervisor itself, in the foreground")
    serve.add_argument("--home", type=Path, default=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    home = Home(options.home.resolve()) if options.home else default_home()
    match options.command:
        case "up":
            return _up(home)
        case "down":
            done = session.down(home, keep_logs=options.keep_logs)
            print("The testbed is down." if done else "Nothing was up.")
            return 0
        case "build":
            return _build(options.programs)
        case "serve":
            return supervisor.serve(home)
        case command:
            return _ask(home, command, options)


def _build(programs: Sequence[str]) -> int:
    try:
        taken = {name: tools.take(name) for name in programs} or tools.build_all()
    except (BuildError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    for name, tool in sorted(taken.items()):
        print(f"{name:24} {tool.path}")
    return 0


def _up(home: Home) -> int:
    start = time.monotonic()
    try:
        state, started = session.up(home)
    except (session.StartError, BuildError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    if started:
        print(f"The testbed is up after {time.monotonic() - start:.1f} s.")
    else:
        print("The testbed was already up.")
    _print_environment(state)
    return 0


def _print_environment(state: State) -> None:
    print(f"export KUBECONFIG={state.kubeconfig}")
    print(f"export TESTBED_FRONT={state.front}")
    print(f"export TESTBED_CA={state.ca}")


def _ask(home: Home, command: str, options: argparse.Namespace) -> int:
    state = session.alive(home)
    if state is None:
        print(f"No testbed is up in {home.root}.", file=sys.stderr)
        return 1
    if command == "env":
        _print_environment(state)
    elif command == "status":
        _print_status(home, state)
    elif command == "logs":
        text = Cluster.of(home, state).pod_log(options.namespace, options.pod)
        print(text or f"No pod {options.namespace}/{options.pod} ran here.", end="" if text else "\n")
        return 0 if text else 1
    return 0


def _print_status(home: Home, state: State) -> None:
    for identity in read_identities(home.processes):
        running = f"pid {identity.pid}" if identity.find() else "not running"
        tool = state.tools.get(identity.name, "")
        print(f"{identity.name:24} {running:14} {tool}")
    for node in Api.from_kubeconfig(state.kubeconfig).list(NODES):
        metadata = node["metadata"]
        name = metadata["name"] if isinstance(metadata, dict) else ""
        print(f"node {name:19} Ready={condition(node, 'Ready')}")
    print(f"{'API server':24} {state.server}\n{'front':24} {state.front}\n{'logs':24} {home.logs}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
