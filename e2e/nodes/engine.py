"""The Docker engine that runs the node containers, and the containers.

An engine of our own, with its socket and data in the cluster's folder: it neither sees nor touches another
engine's containers, writes no packet filter and forwards nothing. Where the machine itself may not give
CAP_SYS_RESOURCE, a wrapper around runc leaves it out; elsewhere that does no harm.
"""

import os
import subprocess
from collections.abc import Sequence

from nodes.place import COUNT, FILES, Place
from testbed.controlplane import Program

NETWORK = "nodes"
_CALL_SECONDS = 120.0


class EngineError(RuntimeError):
    """A call of the Docker engine failed; says which, and what it printed."""


def engine(place: Place) -> Program:
    """The engine's command line."""
    return Program(
        "dockerd",
        (
            "dockerd",
            f"--host=unix://{place.docker_socket}",
            f"--data-root={place.root / 'docker'}",
            "--exec-root=/run/docker",  # short: the names of sockets in there must be
            f"--pidfile={place.root / 'dockerd.pid'}",
            "--bridge=none",
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            "--userland-proxy=false",
            f"--add-runtime=without-resource={FILES / 'runc-without-resource'}",
            "--default-runtime=without-resource",
            "--storage-driver=overlay2",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{place.cgroup}",
        ),
    )


def docker(place: Place, *arguments: str, stdin: str | None = None, seconds: float = _CALL_SECONDS) -> str:
    """What a docker command printed. EngineError if it failed or took longer."""
    command = ["docker", f"--host=unix://{place.docker_socket}", *arguments]
    try:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=os.environ | {"DOCKER_CONFIG": str(place.root)},
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"docker {' '.join(arguments)}: not within {seconds:g} s") from error
    if done.returncode:
        raise EngineError(f"docker {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def create_network(place: Place) -> None:
    """The switch of the nodes, with the control plane's address on it."""
    docker(
        place,
        *("network", "create", f"--subnet={place.node_range}", f"--gateway={place.gateway}"),
        *("-o", f"com.docker.network.bridge.name={place.bridge}"),
        *("-o", "com.docker.network.bridge.enable_ip_masquerade=false"),
        NETWORK,
    )


def run_node(place: Place, index: int, *, image: str, pause: str, programs: Sequence[str]) -> None:
    """Start a node: `programs` are mounts of its programs, `FOLDER:TARGET`."""
    first, second, *_ = place.gateway.split(".")
    environment = {
        "N": str(index),
        "NODES": str(COUNT),
        "GATEWAY": place.gateway,
        "NODE_PREFIX": f"{first}.{second}.0",
        "POD_PREFIX": place.pod_range.removesuffix(".0.0/16"),
        "SERVICES": place.service_range,
        "DNS": place.dns,
        "PAUSE": pause,
        "MACHINE": f"{place.host_address}/32",
    }
    mounts = [
        f"{FILES}:/files",
        f"{place.images}:/images",
        f"{place.pki}:/pki",
        f"{place.names}:/names",
        *programs,
    ]
    docker(
        place,
        *("run", "--detach", f"--name={place.node(index)}", f"--hostname={place.node(index)}"),
        *("--privileged", "--cgroupns=private", "--security-opt=seccomp=unconfined"),
        *(f"--network={NETWORK}", f"--ip={place.node_address(index)}"),
        *("--tmpfs=/run", "--tmpfs=/tmp", "--volume=/var"),
        *(f"--volume={mount}:ro" for mount in mounts),
        *(f"--env={name}={value}" for name, value in environment.items()),
        *("--entrypoint=tini", image, "--", "/files/node-start.sh"),
    )


def in_node(
    place: Place, node: str, *command: str, stdin: str | None = None, seconds: float = _CALL_SECONDS
) -> str:
    """What a command printed in a node."""
    return docker(
        place, "exec", *(("-i",) if stdin is not None else ()), node, *command, stdin=stdin, seconds=seconds
    )
