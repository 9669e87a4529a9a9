"""The engines' custom resource definitions, from a folder that is no part of the project.

`UPSTREAM_CRDS` names it, else it is looked for in `shared/upstream-crds` beside the checkout.
"""

import os
import time
from pathlib import Path

from testbed.cluster import Cluster
from testbed.home import CHECKOUT

BESIDE = CHECKOUT.parent / "shared" / "upstream-crds"
PROJECTS = ("percona-postgresql", "cloudnative-pg", "barman-cloud")
REASON = "UPSTREAM_CRDS names no folder with the definitions of other projects"


def folder() -> Path | None:
    """The folder with the definitions, or None where there is none."""
    found = Path(os.environ.get("UPSTREAM_CRDS", BESIDE))
    return found if all((found / project).is_dir() for project in PROJECTS) else None


def install(cluster: Cluster, source: Path) -> None:
    """Install the engines' definitions, and wait until the API server serves and explains them."""
    files = [option for project in PROJECTS for option in ("-f", str(source / project))]
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *files)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
    for plural in ("perconapgclusters", "scheduledbackups", "objectstores"):
        while plural not in cluster.kubectl("api-resources", "-o", "name"):
            time.sleep(0.2)
