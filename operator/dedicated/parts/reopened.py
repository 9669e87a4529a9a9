"""From what a key bundle and a ledger hold to manifests for an empty namespace.

In the order in which they have to be made: keys and identity first, so that the operator finds them and makes
no others; then the ledger, each record at its own time (`spec.at`) and in the name of who stated it; the
instance last. Secrets and ConfigMaps get the labels and the immutability that the operator gave them.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from dedicated.api.conditions import rfc3339
from dedicated.api.json import Manifest, as_manifest, get_map, get_str
from dedicated.api.objects import CONFIG_MAP, RECORD, SECRET, Kind
from dedicated.contract.reading import facts_in, read
from dedicated.contract.recovery.bundle import BundleError, Contents
from dedicated.parts import keys, measured
from dedicated.parts.metadata import labels_of
from dedicated.parts.restarted import Restarted, restarted

MADE_BY_US = (keys.MASTERKEY, keys.OPERATOR_KEY, keys.LOGIN_KEY, keys.ADMIN)
"""Suffixes of the Secrets that are the operator's; all others are the user's own."""

SECRETS, IDENTITY, RECORDS, INSTANCE = "1-secrets", "2-identity", "4-records", "6-instance"
"""Batches; their names sort them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects that are made together. `name` sorts them in the order of making."""

    name: str
    manifests: tuple[Manifest, ...]


def batches(
    contents: Contents, bundle: Mapping[str, bytes], ledger: Mapping[str, bytes]
) -> tuple[Batch, ...]:
    """All that is to be made; of a ledger that is not at hand nothing, and the instance as the bundle has it.

    Raises BundleError where a member cannot be read.
    """
    instance = _object("instance.json", (ledger or bundle)["instance.json"])
    found = (
        Batch(SECRETS, tuple(_secrets(contents, bundle))),
        Batch(IDENTITY, tuple(_config_maps(contents, bundle, suffix=keys.IDENTITY))),
        Batch("3-measured", tuple(_config_maps(contents, ledger, suffix="measured-"))),
        Batch(RECORDS, tuple(_objects(ledger, "records"))),
        Batch("5-maintenances", tuple(_objects(ledger, "maintenances"))),
        Batch(INSTANCE, (_undated(instance),)),
    )
    return tuple(batch for batch in found if batch.manifests)


def begun_from_backup(
    made: tuple[Batch, ...], contents: Contents, bundle: Mapping[str, bytes], *, now: datetime
) -> tuple[tuple[Batch, ...], Restarted]:
    """The same, where the instance begins from its newest backup. Raises BundleError."""
    found = {batch.name: batch.manifests for batch in made}
    (instance,) = found[INSTANCE]
    readings = (read(_made(record, now)) for record in found.get(RECORDS, ()))
    facts = facts_in(one for one in readings if one is not None)
    begun = restarted(contents, instance, bundle, facts, now=now)
    found[SECRETS] = (*found[SECRETS], *begun.beside)
    found[RECORDS] = (*found.get(RECORDS, ()), *begun.records)
    found[INSTANCE] = (begun.instance,)
    return tuple(Batch(name, found[name]) for name in sorted(found)), begun


def _made(record: Manifest, now: datetime) -> Manifest:
    """As it is read once it is made: its own time is in its spec."""
    return {**record, "metadata": {**get_map(record, "metadata"), "creationTimestamp": rfc3339(now)}}


def _secrets(contents: Contents, members: Mapping[str, bytes]) -> Iterator[Manifest]:
    for name, data in _grouped(members, "secrets").items():
        ours = name in {f"{contents.instance}-{suffix}" for suffix in MADE_BY_US}
        yield {
            **_head(SECRET, contents, name, component=keys.COMPONENT if ours else ""),
            "type": "Opaque",
            **({"immutable": True} if ours else {}),
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }


def _config_maps(contents: Contents, members: Mapping[str, bytes], *, suffix: str) -> Iterator[Manifest]:
    for name, data in _grouped(members, "configmaps").items():
        if not name.startswith(f"{contents.instance}-{suffix}"):
            continue
        identity = suffix == keys.IDENTITY
        component = keys.COMPONENT if identity else measured.COMPONENT
        yield {
            **_head(CONFIG_MAP, contents, name, component=component),
            **({"immutable": True} if identity else {}),
            "data": {key: value.decode() for key, value in data.items()},
        }


def _head(kind: Kind, contents: Contents, name: str, *, component: str) -> Manifest:
    metadata: Manifest = {"name": name, "namespace": contents.namespace}
    if component:
        metadata["labels"] = labels_of(contents.instance, component)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _objects(members: Mapping[str, bytes], folder: str) -> Iterator[Manifest]:
    for name, data in sorted(members.items()):
        if name.startswith(f"{folder}/"):
            yield _undated(_object(name, data))


def _undated(found: Manifest) -> Manifest:
    """Without the time at which it was made; a record carries it in its spec from now on."""
    metadata = {key: value for key, value in get_map(found, "metadata").items() if key != "creationTimestamp"}
    spec = get_map(found, "spec")
    if get_str(found, "kind") == RECORD.kind:
        spec = {**spec, "at": get_str(spec, "at") or get_str(found, "metadata", "creationTimestamp")}
    return {**found, "metadata": metadata, "spec": spec}


def _object(name: str, data: bytes) -> Manifest:
    try:
        return as_manifest(json.loads(data))
    except (ValueError, TypeError):
        raise BundleError(f"member {name} is no object") from None


def _grouped(members: Mapping[str, bytes], folder: str) -> dict[str, dict[str, bytes]]:
    """Name -> key -> content."""
    found: dict[str, dict[str, bytes]] = {}
    for path, data in sorted(members.items()):
        kind, _, rest = path.partition("/")
        name, _, key = rest.partition("/")
        if kind == folder:
            found.setdefault(name, {})[key] = data
    return found
