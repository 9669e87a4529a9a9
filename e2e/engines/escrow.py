"""The key bundle's Job, played: its pod is simulated, and the agent runs here as the process that it is.

What the pod would have mounted is laid out as the pod runner does; the arguments are the pod's own, but for
paths, the API server's address, and the store's authority, which no Secret of a user's brings. The token is
that of the Job's account, so that its rights are what is tried.
"""

import contextlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml

from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import CONFIG_MAP, POD, SECRET
from dedicated.parts.escrow import COMPONENT
from engines.escrow_jobs import finish
from testbed.client import ApiError
from testbed.cluster import Cluster
from testbed.home import python_path
from testbed.podrunner.environment import Sources
from testbed.podrunner.volumes import lay_out, mount

HOME = "/etc/dedicated"


@dataclass
class EscrowNode:
    """The node of one namespace. `ran` are the pods carried out, with exit code and log; `away`: it does
    nothing."""

    cluster: Cluster
    namespace: str
    folder: Path
    store_ca: Path
    ran: list[tuple[str, int, str]] = field(default_factory=list)
    away: bool = False

    def step(self) -> None:
        """What would have been done by now, beside engines that are played."""
        self.turn()

    def turn(self) -> bool:
        """Carry out the pods that wait; whether there was one."""
        worked = False
        for pod in [] if self.away else self.cluster.api.list(POD, self.namespace):
            if get_str(pod, "metadata", "labels", LABEL_COMPONENT) != COMPONENT:
                continue
            if get_str(pod, "status", "phase") == "Running" and not self._is_done(pod):
                self._carry_out(pod)
                worked = True
        return worked

    def _is_done(self, pod: Manifest) -> bool:
        return get_str(pod, "metadata", "uid") in {uid for uid, *_ in self.ran}

    def _carry_out(self, pod: Manifest) -> None:
        uid = get_str(pod, "metadata", "uid")
        ended = subprocess.run(
            self._argv(pod, self.folder / uid),
            env={**os.environ, "PYTHONPATH": python_path()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.ran.append((uid, ended.returncode, ended.stdout + ended.stderr))
        with contextlib.suppress(ApiError):  # a Job that got nowhere is taken away with its pod
            finish(self.cluster.api, pod, ended.returncode)

    def _argv(self, pod: Manifest, folder: Path) -> list[str]:
        (container,) = map(as_manifest, get_list(pod, "spec", "containers"))
        root = laid_out(self.cluster, self.namespace, pod, container, folder)
        given = [str(one).replace(f"={HOME}", f"={root}{HOME}") for one in get_list(container, "args")]
        return [
            *(sys.executable, "-m", "dedicated", *given),
            *(f"--api-server={self.cluster.state.server}", f"--credentials={folder}"),
            f"--store-ca-file={self.store_ca}",
        ]


def sources_of(cluster: Cluster, namespace: str) -> Sources:
    """Where a pod's values come from."""
    find = cluster.api.find
    return Sources(namespace, partial(find, CONFIG_MAP, namespace), partial(find, SECRET, namespace))


def laid_out(cluster: Cluster, namespace: str, pod: Manifest, container: Manifest, folder: Path) -> Path:
    """What a container of a pod has mounted, below the path that is returned; the token of its account, and
    the API server's authority, are in `folder`."""
    root, sources = folder / "root", sources_of(cluster, namespace)
    lay_out(pod, sources, folder / "volumes", ip="127.0.0.1", host="127.0.0.1")
    mount(container, folder / "volumes", root)
    account = get_str(pod, "spec", "serviceAccountName")
    config = yaml.safe_load(cluster.account_kubeconfig(namespace, account).read_text())
    (folder / "token").write_text(config["users"][0]["user"]["token"])
    (folder / "ca.crt").write_bytes(cluster.ca.read_bytes())
    return root
