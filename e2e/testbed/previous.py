"""The operator as it was released before: its code, chart and definitions, from the checkout's own history.

`COMMIT` is the one place that names it. At a release it moves to the release's commit, together with the
definitions in `e2e/house/released` (see docs/upgrade.md).
"""

import subprocess
from pathlib import Path

from testbed.archives import unpack
from testbed.home import CHECKOUT

COMMIT = "24e909e87223d42a7e0816c0372a59713fdbfca5"
CHANGED = frozenset({"deployments/acme-server"})
"""What of an instance `acme` this version renders otherwise, as the changelog says. Empty at a release."""
PARTS = ("operator", "charts", "crds")
SKIP_REASON = "the history does not reach back to the previous release"


def is_at_hand() -> bool:
    """Whether the history reaches back that far: not in a shallow clone or an unpacked archive."""
    return _git("cat-file", "-e", f"{COMMIT}^{{commit}}").returncode == 0


def laid_out(folder: Path) -> Path:
    """Its code, chart and definitions in `folder`, laid out as in a checkout."""
    answer = _git("archive", "--format=tar", COMMIT, *PARTS)
    if answer.returncode:
        raise AssertionError(f"git archive {COMMIT}: {answer.stderr.decode()}")
    unpack(answer.stdout, folder)
    return folder


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=False)
