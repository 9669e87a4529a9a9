"""Breaking a node, and undoing whatever was done to it.

What was done is written down before it is done, so that healing works in another process and after a kill,
and twice. A paused node's kernel still accepts connections (`hung`); a zone without power does not
(`dark`): its link goes first.
"""

import json
import subprocess
from pathlib import Path

from dedicated.api.json import as_manifest, get_str
from nodes.engine import NETWORK, EngineError, docker, in_node
from nodes.place import Place
from nodes.session import enter
from testbed.home import write_atomically

FREEZES = 5
"""How often a node is frozen in vain before that is an error."""
FAULTS = ("crash", "partition", "hung", "dark", "interface")


class FaultError(RuntimeError):
    """A fault cannot be done: the node is broken already."""


def break_node(place: Place, node: str, fault: str) -> None:
    """Do a fault; returns once it is done. FaultError for a broken node, LookupError for an unknown one."""
    place.index(node)
    if fault not in FAULTS:
        raise LookupError(f"no fault is called {fault}: there are {', '.join(FAULTS)}")
    note = _note(place, node)
    if note.exists():
        raise FaultError(f"{node} is broken already: {note.read_text()}")
    link = _link(place, node) if fault in ("partition", "dark") else ""
    write_atomically(note, json.dumps({"fault": fault, "link": link}))
    if link:
        _switch(place, link, on=False)
    match fault:
        case "hung" | "dark":
            _freeze(place, node)
        case "interface":
            docker(place, "network", "disconnect", NETWORK, node)
        case "crash":
            docker(place, "kill", node)


def heal_node(place: Place, node: str) -> None:
    """Undo what was done; harmless for a sound node."""
    note = _note(place, node)
    if not note.exists():
        return
    done = as_manifest(json.loads(note.read_text()))
    state = docker(place, "inspect", "--format={{.State.Status}}", node).strip()
    if state == "paused":
        docker(place, "unpause", node)
    if state == "exited":
        docker(place, "start", node)
    if link := get_str(done, "link"):
        _switch(place, link, on=True)
    if get_str(done, "fault") == "interface":
        _reconnect(place, node)
    note.unlink()


def broken(place: Place, node: str) -> str:
    """The fault of a node; empty for a sound one."""
    note = _note(place, node)
    return get_str(json.loads(note.read_text()), "fault") if note.exists() else ""


def _freeze(place: Place, node: str) -> None:
    """A node whose processes are born all the time is not frozen at the first attempt (runc's freezer)."""
    for _ in range(FREEZES):
        try:
            docker(place, "pause", node)
        except EngineError as error:
            if "unable to freeze" not in str(error):
                raise
        else:
            return
    docker(place, "pause", node)


def _note(place: Place, node: str) -> Path:
    return place.root / "faults" / f"{node}.json"


def _link(place: Place, node: str) -> str:
    """The switch's end of a node's link."""
    index = in_node(place, node, "sh", "-c", "cat /sys/class/net/eth*/iflink", seconds=10).strip()
    shown = subprocess.run(
        [*enter(place), "ip", "-json", "link"], capture_output=True, text=True, check=True, timeout=10
    )
    for entry in json.loads(shown.stdout):
        if str(entry["ifindex"]) == index:
            return str(entry["ifname"])
    raise LookupError(f"{node} has no link with index {index}")


def _switch(place: Place, link: str, *, on: bool) -> None:
    master = ("master", place.bridge) if on else ("nomaster",)
    subprocess.run([*enter(place), "ip", "link", "set", link, *master], check=True, timeout=10)


def _reconnect(place: Place, node: str) -> None:
    try:
        docker(place, "network", "connect", f"--ip={place.node_address(place.index(node))}", NETWORK, node)
    except EngineError as error:
        if "already" not in str(error):
            raise
