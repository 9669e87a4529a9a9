"""The export's Job, played: the process and PostgreSQL's programs run here, in the place of its pod.

The testbed has no volumes, so that the pod waits for its scratch for ever: it is carried out as it waits.
What it would have mounted is laid out, and arguments and variables are the pod's own, but for paths, the API
server's address and the store's authority. The programs run as a user that PostgreSQL takes, over a folder
that both may write, as the volume with an fsGroup is.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dedicated.api.json import Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import POD
from dedicated.parts.export import COMPONENT
from dedicated.parts.export_programs import SCRIPT
from dedicated.parts.programs import SCRATCH
from engines.escrow import HOME, laid_out, sources_of
from engines.escrow_jobs import finish
from lab.programs import Programs
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import python_path
from testbed.podrunner.environment import resolve

SECONDS = 200
"""Longest that an export may take."""


@dataclass
class ExportNode:
    """The node of one namespace. `ran` are the pods carried out, with exit code and log."""

    cluster: Cluster
    namespace: str
    folder: Path
    store_ca: Path
    programs: Programs
    ran: list[tuple[str, int, str]] = field(default_factory=list)

    def step(self) -> None:
        """Carry out the pods that wait."""
        for pod in self.cluster.api.list(POD, self.namespace, labels=f"{LABEL_COMPONENT}={COMPONENT}"):
            uid = get_str(pod, "metadata", "uid")
            if get_str(pod, "status", "phase") == "Pending" and uid not in {one for one, *_ in self.ran}:
                self._carry_out(pod, uid)

    def _carry_out(self, pod: Manifest, uid: str) -> None:
        (container,) = map(as_manifest, get_list(pod, "spec", "containers"))
        sources = sources_of(self.cluster, self.namespace)
        source = resolve(container, pod, sources, (), ip="127.0.0.1", host="127.0.0.1")
        root = laid_out(self.cluster, self.namespace, _without_claims(pod), container, self.folder / uid)
        with self._programs_beside(source) as scratch:
            ended = subprocess.run(
                self._argv(container, root, scratch, self.folder / uid),
                env={**os.environ, **source, "PYTHONPATH": python_path()},
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        self.ran.append((uid, ended.returncode, ended.stdout + ended.stderr))
        with contextlib.suppress(ApiError):  # gone meanwhile, with its order
            finish(self.cluster.api, pod, ended.returncode)

    def _argv(self, container: Manifest, root: Path, scratch: Path, credentials: Path) -> list[str]:
        given = [
            str(one).replace(f"={HOME}", f"={root}{HOME}").replace(f"={SCRATCH}", f"={scratch}")
            for one in get_list(container, "args")
        ]
        return [
            *(sys.executable, "-m", "dedicated", *given),
            *(f"--api-server={self.cluster.state.server}", f"--credentials={credentials}"),
            f"--ca-file={self.store_ca}",
        ]

    @contextlib.contextmanager
    def _programs_beside(self, source: dict[str, str]) -> Iterator[Path]:
        scratch, user = Path(tempfile.mkdtemp(prefix="export-")), self.programs.user
        if user is not None:
            os.chown(scratch, user, user)
        scratch.chmod(0o2770)
        beside = subprocess.Popen(
            ["/bin/sh", "-c", SCRIPT, "programs", str(scratch)],
            env={**source, "PATH": f"{self.programs.postgres}:/usr/bin:/bin"},
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
        try:
            yield scratch
        finally:
            beside.terminate()
            beside.wait(30)
            shutil.rmtree(scratch, ignore_errors=True)


def _without_claims(pod: Manifest) -> Manifest:
    """The pod without the volumes that a claim would bring."""
    spec = get_map(pod, "spec")
    kept = [one for one in get_list(spec, "volumes") if "ephemeral" not in as_manifest(one)]
    return {**pod, "spec": {**spec, "volumes": kept}}
