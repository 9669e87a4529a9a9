"""`python -m images build [NAME...]`, `list`, `archive NAME...`, `reference NAME`."""

import argparse
import sys

from images.build import ImageError, archive, build, reference
from images.recipes import NAMES


def main() -> int:
    """Do what the command line says; its exit code."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, what, number in (
        ("build", "build what is missing (default: all)", "*"),
        ("list", "references and sizes, built first if need be", "*"),
        ("archive", "path of one archive that holds these images", "+"),
        ("reference", "what a pod names", "+"),
    ):
        commands.add_parser(command, help=what).add_argument("names", nargs=number, metavar="NAME")
    options = parser.parse_args()
    names = options.names or NAMES
    try:
        match options.command:
            case "archive":
                print(archive(*names))
            case "reference":
                print("\n".join(map(reference, names)))
            case command:
                for built in build(*names):
                    if command == "list":
                        print(f"{reference(built.name):50} {built.size / 1e6:6.0f} MB")
    except (ImageError, LookupError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
