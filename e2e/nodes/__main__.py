"""`python -m nodes up|down|status|fault NODE KIND|heal NODE|load IMAGE...|exec -- COMMAND`."""

import argparse
import os
import sys

from images.build import ImageError
from nodes.engine import EngineError
from nodes.faults import FAULTS, FaultError, break_node, broken, heal_node
from nodes.place import COUNT, Place, default_place
from nodes.provider import NodesProvider
from nodes.session import StartError, down, enter, is_up, up
from service.provider import ProviderError


def main() -> int:
    """Do what the command line says; its exit code."""
    options = _parser().parse_args()
    place = default_place()
    try:
        return _do(options, place)
    except (EngineError, FaultError, ImageError, LookupError, ProviderError, StartError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nodes", description="A cluster of three real nodes on this machine."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start it, unless it runs")
    commands.add_parser("down", help="end it, whatever state it is in; leaves nothing")
    commands.add_parser("status", help="nodes and their faults; exit 1 if it does not run")
    fault = commands.add_parser("fault", help="break a node")
    fault.add_argument("node")
    fault.add_argument("kind", choices=FAULTS)
    commands.add_parser("heal", help="undo what was done to a node").add_argument("node")
    commands.add_parser("load", help="bring images into every node").add_argument("images", nargs="+")
    commands.add_parser("exec", help="run a command in its network").add_argument("argv", nargs="+")
    return parser


def _do(options: argparse.Namespace, place: Place) -> int:
    match options.command:
        case "up":
            up(place)
            place.transient.unlink(missing_ok=True)  # asked for by a person: stays
            print(f"export KUBECONFIG={place.kubeconfig}")
        case "down":
            down(place)
        case "status":
            return _status(place)
        case "fault":
            break_node(place, options.node, options.kind)
        case "heal":
            heal_node(place, options.node)
        case "load":
            NodesProvider.of(place).load(options.images)
        case "exec":
            command = [*enter(place), *options.argv]
            os.execvpe(command[0], command, os.environ | {"KUBECONFIG": str(place.kubeconfig)})
    return 0


def _status(place: Place) -> int:
    if not is_up(place):
        print("no cluster of real nodes runs")
        return 1
    print(NodesProvider.of(place).kubectl("get", "nodes", "-o", "wide"), end="")
    for index in range(1, COUNT + 1):
        if fault := broken(place, place.node(index)):
            print(f"{place.node(index)}: {fault}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
