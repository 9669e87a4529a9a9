"""`python -m house.current`: fails where a generated file is not what the models make of it today."""

import sys

from dedicated.cli.crds import documents
from testbed.home import CHECKOUT


def stale() -> list[str]:
    """Generated files that differ from their source."""
    return [
        f"crds/{name}"
        for name, text in documents().items()
        if not (path := CHECKOUT / "crds" / name).is_file() or path.read_text(encoding="utf-8") != text
    ]


if __name__ == "__main__":
    found = stale()
    for name in found:
        print(f"{name} is not current: run `make crds`", file=sys.stderr)
    sys.exit(1 if found else 0)
