"""The custom resource definitions of engines and ways in, from a folder that is no part of the project.

`UPSTREAM_CRDS` names it, else it is looked for in `shared/upstream-crds` beside the checkout.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from testbed.cluster import Cluster
from testbed.home import CHECKOUT

BESIDE = CHECKOUT.parent / "shared" / "upstream-crds"
PROJECTS = ("percona-postgresql", "cloudnative-pg", "barman-cloud")
EDGE_PROJECTS = ("gateway-api", "cert-manager")
REASON = "UPSTREAM_CRDS names no folder with the definitions of other projects"


def folder() -> Path | None:
    """The folder with the definitions, or None where there is none."""
    found = Path(os.environ.get("UPSTREAM_CRDS", BESIDE))
    return found if all((found / project).is_dir() for project in (*PROJECTS, *EDGE_PROJECTS)) else None


def install(cluster: Cluster, source: Path) -> None:
    """Install the engines' definitions, and wait until the API server serves and explains them."""
    _install(cluster, source, PROJECTS, ("perconapgclusters", "scheduledbackups", "objectstores"))


def install_edge(cluster: Cluster, source: Path) -> None:
    """The same of the Gateway API and of cert-manager."""
    _install(cluster, source, EDGE_PROJECTS, ("httproutes", "grpcroutes", "certificates.cert-manager"))


def remove_edge(cluster: Cluster, source: Path) -> None:
    """Take them away with all their objects, and wait until the API server knows them no more."""
    cluster.kubectl("delete", "--ignore-not-found", "--wait", *_files(source, EDGE_PROJECTS))
    while "httproutes" in cluster.kubectl("api-resources", "-o", "name"):
        time.sleep(0.2)


def _files(source: Path, projects: Sequence[str]) -> list[str]:
    return [option for project in projects for option in ("-f", str(source / project))]


def _install(cluster: Cluster, source: Path, projects: Sequence[str], plurals: Sequence[str]) -> None:
    files = _files(source, projects)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", *files)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
    for plural in plurals:
        while plural not in cluster.kubectl("api-resources", "-o", "name"):
            time.sleep(0.2)
