"""Nothing is left of a cluster: after `down`, also when it was killed or has broken nodes."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from nodes.faults import break_node
from nodes.place import Place
from nodes.session import SYSCTLS, StartError, down, is_up, up
from testbed.processes import read_identities

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]
NUMBER = 9


def printed(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def traces(place: Place) -> dict[str, object]:
    """What a cluster may leave on the machine."""
    settings = {name: Path(f"/proc/sys/{name.replace('.', '/')}") for name in SYSCTLS}
    return {
        "processes": sorted(
            p.pid for p in psutil.process_iter(["cmdline"]) if str(place.root) in str(p.info)
        ),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(place.root) in line],
        "links": sorted(link for link in os.listdir("/sys/class/net") if link.startswith(place.name)),
        "routes": [route for route in printed("ip", "route") if place.host_link in route],
        "cgroups": sorted(map(str, Path("/sys/fs/cgroup").glob(f"*/{place.cgroup}"))),
        "loops": [loop for loop in printed("losetup", "-a") if str(place.root) in loop],
        "settings": {name: path.read_text() for name, path in settings.items() if path.exists()},
        "folder": place.root.exists(),
    }


@pytest.mark.parametrize("how", ["down", "killed", "broken"])
def test_nothing_is_left(tmp_path: Path, how: str) -> None:
    place = Place(tmp_path / "cluster", NUMBER)
    before = traces(place)
    up(place)
    assert traces(place) != before
    if how == "killed":
        for identity in read_identities(place.process):
            os.kill(identity.pid, signal.SIGKILL)
    if how == "broken":
        break_node(place, "node1", "hung")
        break_node(place, "node2", "dark")
        break_node(place, "node3", "crash")
    down(place)
    assert traces(place) == before
    assert not is_up(place)


def test_a_number_is_one_clusters(tmp_path: Path) -> None:
    place = Place(tmp_path / "cluster", NUMBER)
    subprocess.run(["ip", "link", "add", place.host_link, "type", "dummy"], check=True)
    try:
        with pytest.raises(StartError, match="DEDICATED_NODES_NUMBER"):
            up(place)
    finally:
        subprocess.run(["ip", "link", "del", place.host_link], check=True)
