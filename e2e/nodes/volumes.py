"""Volumes of real size: each is a filesystem in a file of its node, and full when it is full.

A provisioner as any: a claim of the class `local` whose pod is bound to a node gets a file there, with an
ext4 filesystem of the size asked for, and a volume that only that node can use. A deleted claim's file
goes; a claim that asks for more grows while in use. After a crash of the node its start script mounts the
files again.

Limit: a claim on a node that is broken waits until the node is back, as with local disks.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from urllib3.exceptions import HTTPError

from dedicated.api.json import Manifest, get_map, get_str
from nodes.addons import PROVISIONER, STORAGE_CLASS
from nodes.engine import EngineError, in_node
from nodes.place import COUNT, Place
from testbed.client import Api, ApiError

VOLUMES, CLAIMS = "v1/persistentvolumes", "v1/persistentvolumeclaims"
_SELECTED = "volume.kubernetes.io/selected-node"
_PROVISIONED = "pv.kubernetes.io/provisioned-by"
_UNITS = {
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "": 1,
}
_LEAST = 16 * 2**20
"""Bytes; ext4 with a journal needs some."""
_CALL_SECONDS = 30.0
_MAKE = """\
set -e
file=/var/volumes/$1.img
[ -e "$file" ] || { truncate -s "$2" "$file.new"; mkfs.ext4 -q -m 0 "$file.new"; mv "$file.new" "$file"; }
mkdir -p "/var/volumes/$1"
mountpoint -q "/var/volumes/$1" || mount -o loop "$file" "/var/volumes/$1"
rmdir "/var/volumes/$1/lost+found" 2>/dev/null || true
chmod 0777 "/var/volumes/$1"
"""
_GROW = """\
set -e
truncate -s "$2" "/var/volumes/$1.img"
device=$(findmnt -no SOURCE "/var/volumes/$1")
losetup -c "$device"
resize2fs "$device"
"""
_REMOVE = """\
set -e
! mountpoint -q "/var/volumes/$1" || umount "/var/volumes/$1"
rm -rf "/var/volumes/$1" "/var/volumes/$1.img"
"""


EVERY = 1.0
"""Seconds between two looks: each costs the API server as much as a pod that starts."""


def keep(place: Place) -> None:
    """Provision, grow and remove volumes until the process ends."""
    api = Api.from_kubeconfig(place.pki / "machine.kubeconfig")
    with ThreadPoolExecutor(COUNT) as pool:
        while True:
            try:
                step(api, place, pool)
            except (ApiError, HTTPError, OSError) as error:
                print(f"volumes: {error}", file=sys.stderr, flush=True)
            time.sleep(EVERY)


def step(api: Api, place: Place, pool: ThreadPoolExecutor) -> None:
    """Look once, and do what is due; nodes work side by side."""
    claims = {get_str(claim, "metadata", "uid"): claim for claim in api.list(CLAIMS)}
    volumes = {get_str(volume, "metadata", "name"): volume for volume in api.list(VOLUMES)}
    due: dict[str, list[Callable[[], None]]] = {}

    def add(node: str, work: Callable[[Api, Place, str, Manifest], None], what: Manifest) -> None:
        due.setdefault(node, []).append(lambda: work(api, place, node, what))

    for uid, claim in claims.items():
        if get_str(claim, "spec", "storageClassName") != STORAGE_CLASS:
            continue
        node = get_str(claim, "metadata", "annotations", _SELECTED)
        volume = volumes.get(f"pvc-{uid}")
        if volume is None:
            if node and not get_str(claim, "spec", "volumeName"):
                add(node, _provision, claim)
        elif requested(claim) > quantity(get_str(volume, "spec", "capacity", "storage")):
            add(node, _grow, claim)
    for volume in volumes.values():
        if (
            get_str(volume, "metadata", "annotations", _PROVISIONED) == PROVISIONER
            and get_str(volume, "status", "phase") == "Released"
            and get_str(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete"
        ):
            add(get_str(volume, "metadata", "labels", "node"), _remove, volume)
    list(pool.map(_do, due.values()))


def quantity(text: str) -> int:
    """Bytes of a Kubernetes quantity. ValueError for what is none."""
    digits = text.rstrip("KMGTik")
    unit = text[len(digits) :]
    if unit not in _UNITS:
        raise ValueError(f"{text!r} is no quantity")
    return int(float(digits) * _UNITS[unit])


def requested(claim: Manifest) -> int:
    """Bytes that a claim asks for."""
    return max(_LEAST, quantity(get_str(claim, "spec", "resources", "requests", "storage")))


def _do(work: list[Callable[[], None]]) -> None:
    for each in work:
        try:
            each()
        except (ApiError, EngineError, HTTPError) as error:
            print(f"volumes: {error}", file=sys.stderr, flush=True)


def _in(place: Place, node: str, script: str, *arguments: str) -> None:
    in_node(place, node, "sh", "-c", script, "sh", *arguments, seconds=_CALL_SECONDS)


def _provision(api: Api, place: Place, node: str, claim: Manifest) -> None:
    uid, size = get_str(claim, "metadata", "uid"), requested(claim)
    name = f"pvc-{uid}"
    _in(place, node, _MAKE, name, str(size))
    hostname: Manifest = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    api.create(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {"node": node}, "annotations": {_PROVISIONED: PROVISIONER}},
            "spec": {
                "capacity": {"storage": str(size)},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": STORAGE_CLASS,
                "local": {"path": f"/var/volumes/{name}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}},
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "namespace": get_str(claim, "metadata", "namespace"),
                    "name": get_str(claim, "metadata", "name"),
                    "uid": uid,
                },
            },
        }
    )


def _grow(api: Api, place: Place, node: str, claim: Manifest) -> None:
    name, size = f"pvc-{get_str(claim, 'metadata', 'uid')}", str(requested(claim))
    _in(place, node, _GROW, name, size)
    api.patch(VOLUMES, "", name, {"spec": {"capacity": {"storage": size}}})
    metadata = get_map(claim, "metadata")
    status: Manifest = {"status": {"capacity": {"storage": size}}}
    api.patch(CLAIMS, get_str(metadata, "namespace"), get_str(metadata, "name"), status, subresource="status")


def _remove(api: Api, place: Place, node: str, volume: Manifest) -> None:
    name = get_str(volume, "metadata", "name")
    _in(place, node, _REMOVE, name)
    api.delete(VOLUMES, "", name)
