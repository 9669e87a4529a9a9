"""What is packed: files that are mounted, and objects that are listed.

A Secret that has to be there and is not, or a masterkey that is not the one of `<name>-identity`, ends the
attempt: what is written is right or is not written. Nothing that is read here is in an error's text.
"""

import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import API_VERSION, KIND
from dedicated.contract.recovery.bundle import README
from dedicated.parts.keys import fingerprint

KEPT_METADATA = ("name", "namespace", "labels", "annotations", "creationTimestamp")
"""Of an object's metadata: the rest is the API server's."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BUNDLE_README = """# Key bundle of {instance} in namespace {namespace}

Who holds this can read all that the instance has stored. Keep it where the backups are not.

- `secrets/NAME/KEY`: the instance's Secrets, as files. {masterkey} is ZITADEL's masterkey.
- `configmaps/NAME/KEY`: the identity (salt and fingerprint of the masterkey), and ZITADEL's configuration
  (`zitadel.yaml`, `steps.yaml`).
- `instance.json`: the DedicatedInstance.
- `manifest.json`: the versions and images that ran, and the SHA-256 of every file.

With the operator: `dedicated keys restore BUNDLE --identity FILE --ledger LEDGER -o DIR` checks all of it and
writes manifests for `kubectl create -f DIR` into an empty namespace.

Without it: `age -d -i IDENTITY BUNDLE | gunzip | tar x`, restore the database, and start the same version of
ZITADEL on it with this configuration and `--masterkeyFile {masterkey_file}`.
"""
LEDGER_README = """# Ledger of {instance} in namespace {namespace}

All that was recorded of the instance when this was written; the newest number holds all there was.

- `records/NAME.json`: its ContractRecords; `maintenances/NAME.json`: the maintenances that were asked for;
  `instance.json`: the DedicatedInstance.
- `configmaps/NAME/KEY`: what was measured of its service level, by month.
- `orders.json`: the backups and restores that were asked for, and what came of them: to be read, not made
  again.
- `manifest.json`: the SHA-256 of every file, and of the object before this one.
"""


class MaterialError(Exception):
    """Something that has to be packed is not there, or is not right; the text names it, never its content."""


def files_below(folder: Path, kind: str) -> dict[str, bytes]:
    """Members `KIND/NAME/KEY` of what is mounted. What starts with a dot is the kubelet's own."""
    return {
        f"{kind}/{name.name}/{key.name}": key.read_bytes()
        for name in sorted((folder / kind).glob("*"))
        for key in sorted(name.glob("*"))
        if key.is_file() and not key.name.startswith(".")
    }


def checked_secrets(
    folder: Path, *, needed: tuple[str, ...], masterkey: str, identity: str
) -> tuple[dict[str, bytes], str]:
    """The Secrets as members, and the masterkey's fingerprint. Raises MaterialError."""
    found = files_below(folder, "secrets")
    there = {name.split("/")[1] for name in found}
    if missing := [name for name in needed if name not in there]:
        raise MaterialError(f"Secret {missing[0]} is not there, or is empty")
    told = files_below(folder, "configmaps")
    salt, known = (told.get(f"configmaps/{identity}/{key}", b"").decode() for key in ("salt", "masterkey"))
    material = found.get(f"secrets/{masterkey}")
    if material is None:
        raise MaterialError(f"Secret {masterkey.partition('/')[0]} has no key {masterkey.partition('/')[2]}")
    if not known or not hmac.compare_digest(fingerprint(material, salt=salt), known):
        raise MaterialError(f"the masterkey is not that of ConfigMap {identity}: its fingerprint differs")
    return found, known


def document(found: Manifest, *, kind: str) -> bytes:
    """An object as it is to be made again: without what the API server adds, and without its status."""
    metadata = {key: value for key, value in get_map(found, "metadata").items() if key in KEPT_METADATA}
    annotations = {
        key: value for key, value in get_map(metadata, "annotations").items() if key != LAST_APPLIED
    }
    metadata = (
        {**metadata, "annotations": annotations}
        if annotations
        else {key: value for key, value in metadata.items() if key != "annotations"}
    )
    kept: JsonValue = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": metadata,
        "spec": get_map(found, "spec"),
    }
    return (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode()


def members_of(listed: list[Manifest], *, folder: str, kind: str) -> dict[str, bytes]:
    """Members `FOLDER/NAME.json`."""
    return {f"{folder}/{get_str(one, 'metadata', 'name')}.json": document(one, kind=kind) for one in listed}


def orders_member(listed: Mapping[str, list[Manifest]]) -> dict[str, bytes]:
    """Member `orders.json` of what was asked for, by kind, with its status. It is a list and no objects: an
    order that is made again would be carried out again."""
    told: list[JsonValue] = [
        {
            "kind": kind,
            "name": get_str(one, "metadata", "name"),
            "createdAt": get_str(one, "metadata", "creationTimestamp"),
            "spec": get_map(one, "spec"),
            "status": get_map(one, "status"),
        }
        for kind, found in listed.items()
        for one in found
    ]
    return {"orders.json": (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()} if told else {}


def instance_member(listed: list[Manifest], *, incarnation: str) -> dict[str, bytes]:
    """Member `instance.json`, of those listed by the instance's name. Raises MaterialError."""
    if [get_str(one, "metadata", "uid") for one in listed] != [incarnation]:
        raise MaterialError("the instance is gone, or another one")
    return {"instance.json": document(listed[0], kind=KIND)}


def readme(text: str, **words: str) -> dict[str, bytes]:
    """Member `README.md`."""
    return {README: text.format(**words).encode()}
