"""The first program in the cluster's namespaces: starts everything, then provisions volumes and balances.

`python -m nodes.machine ROOT NUMBER` runs as the only child of `tini` in namespaces of its own for
processes, mounts and network (see `nodes.session`). It never tidies up: when it or anything above it ends,
the kernel ends every process in there and with them every mount, link and route. `nodes.session.down`
removes the rest.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from urllib3.exceptions import HTTPError

from images import archive, reference
from nodes import addons, balancer, controlplane, volumes
from nodes.engine import EngineError, create_network, docker, engine, in_node, run_node
from nodes.place import COUNT, Place
from testbed.client import Api, ApiError, condition
from testbed.controlplane import Program
from testbed.processes import spawn, tail
from testbed.tools import binary

NODES = "v1/nodes"
_UP_SECONDS = 240.0


class MachineError(RuntimeError):
    """The cluster does not come up; says what does not, and ends with its log."""


def serve(place: Place) -> None:
    """Bring everything up, then work until killed."""
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)

    _run("mount", "-t", "tmpfs", "tmpfs", "/run")  # the engine's sockets, too, go with the namespace
    _join_link(place)
    spawn_program(place, engine(place))
    _await("the Docker engine", "dockerd", place, lambda: bool(docker(place, "version", seconds=5)))
    create_network(place)
    for index in range(1, COUNT + 1):
        _run("ip", "route", "add", place.pods_of(index), "via", place.node_address(index))
    _run("ip", "route", "add", place.service_range, "via", place.node_address(1))
    say("Docker engine")
    with ThreadPoolExecutor(2) as pool:
        loaded = pool.submit(docker, place, "load", f"--input={place.images / 'node.tar'}")
        controlplane.prepare(place)
        for program in controlplane.store_and_api(binary, place):
            spawn_program(place, program)
        api = Api.from_kubeconfig(place.pki / "machine.kubeconfig")
        _await("the API server", "kube-apiserver", place, lambda: _answers(api))
        say("API server")
        for program in controlplane.controllers(binary, place):
            spawn_program(place, program)
        addons.install(api, place)
        loaded.result()
    say("image of the nodes")
    mounts = [
        f"{binary('kubelet').resolve().parent}:/k8s",
        f"{binary('kube-router').resolve().parent}:/kuberouter",
    ]
    for index in range(1, COUNT + 1):
        run_node(place, index, image=reference("node"), pause=reference("pause"), programs=mounts)
    _await("the nodes", "kube-controller-manager", place, lambda: _nodes_ready(api))
    say("nodes Ready")
    import_images(place, "coredns.tar")
    _await("the cluster's DNS", "kube-controller-manager", place, lambda: addons.ready(api))
    say("DNS")
    work = (volumes.keep, balancer.keep)
    threads = [threading.Thread(target=each, args=(place,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    place.ready.touch()
    say("ready")
    while all(thread.is_alive() for thread in threads):
        time.sleep(1)
    raise MachineError("a worker ended")


def fetch(place: Place) -> None:
    """Build what the cluster is made of, where it is missing: outside, as this may need the network."""
    for program in ("etcd", "kubelet", "kube-router"):
        binary(program)
    place.images.mkdir(parents=True, exist_ok=True)
    for name in ("node", "pause", "coredns"):
        put_archive(place, archive(name), f"{name}.tar")


def put_archive(place: Place, source: Path, name: str) -> None:
    """Bring an archive to where nodes see it: by a link where the filesystem is the same."""
    target = place.images / name
    if target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:
        target.write_bytes(source.read_bytes())


def import_images(place: Place, archive_name: str) -> None:
    """Import an archive of the images folder into every node at once. EngineError if a node cannot."""
    command = ("ctr", "-n", "k8s.io", "images", "import", f"/images/{archive_name}")
    with ThreadPoolExecutor(COUNT) as pool:
        nodes = [place.node(index) for index in range(1, COUNT + 1)]
        list(pool.map(lambda node: in_node(place, node, *command, seconds=300), nodes))


def spawn_program(place: Place, program: Program) -> "subprocess.Popen[bytes]":
    """Start a program that ends with this one."""
    env = {**os.environ, "GOGC": "400"}  # memory is plentiful here, processors are not
    first = () if program.name == "dockerd" else ("nice", "-n", "-10")  # nodes and their pods inherit it
    return spawn((*first, *program.argv), log=place.logs / f"{program.name}.log", env=env)


def _join_link(place: Place) -> None:
    """Wait for our end of the link to the machine, and route; nothing else leads out of here."""
    _run("ip", "link", "set", "lo", "up")
    deadline = time.monotonic() + 10
    while subprocess.run(["ip", "link", "show", "machine"], capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            raise MachineError("no link to the machine")
        time.sleep(0.02)
    _run("ip", "address", "add", f"{place.inner_address}/30", "dev", "machine")
    _run("ip", "link", "set", "machine", "up")
    _run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    _run("ip", "route", "add", "blackhole", place.all_addresses)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=10)


def _answers(api: Api) -> bool:
    return api.pool.request("GET", f"{api.server}/readyz", timeout=2).status == 200


def _nodes_ready(api: Api) -> bool:
    found = api.list(NODES)
    return len(found) == COUNT and all(condition(node, "Ready") == "True" for node in found)


def _await(what: str, program: str, place: Place, ready: Callable[[], bool]) -> None:
    """Ask every 0.1 s until it is ready."""
    deadline = time.monotonic() + _UP_SECONDS
    while True:
        try:
            if ready():
                return
        except (ApiError, EngineError, OSError, HTTPError) as error:
            last = str(error)
        else:
            last = "not ready"
        if time.monotonic() > deadline:
            raise MachineError(f"{what}: {last}\n{tail(place.logs / f'{program}.log')}")
        time.sleep(0.1)


if __name__ == "__main__":
    serve(Place(Path(sys.argv[1]), int(sys.argv[2])))
