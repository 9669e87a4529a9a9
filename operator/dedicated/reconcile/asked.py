"""What people ask for by objects of their own, `Maintenance`, `InstanceBackup` and `InstanceExport`, as the
plan needs it."""

from dataclasses import dataclass, field
from typing import Literal

from dedicated.api.instance_export import InstanceExportSpec
from dedicated.api.json import Manifest, digest, get_int, get_map, get_str, shared


@dataclass(frozen=True, slots=True)
class Asked:
    """A `Maintenance` object: `told` is the digest of its status as it stands.

    `unnotified` is its spec as long as the status tells of no notice: what that will have to say.
    """

    name: str
    instance: str
    generation: int
    told: str
    unnotified: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An `InstanceBackup`: what is asked for, and its status as it stands."""

    name: str
    uid: str
    instance: str
    kind: Literal["Full", "Differential"]
    keep_days: int
    created: str
    status: Manifest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """An `InstanceExport`: what is asked for, and its status as it stands."""

    name: str
    uid: str
    instance: str
    created: str
    spec: InstanceExportSpec
    status: Manifest = field(default_factory=dict)


def asked_of(manifest: Manifest) -> Asked:
    """A `Maintenance` as far as the plan asks."""
    return Asked(
        name=get_str(manifest, "metadata", "name"),
        instance=shared(manifest, "spec", "instance"),
        generation=get_int(manifest, "metadata", "generation"),
        told=digest(get_map(manifest, "status")),
        unnotified=None if get_str(manifest, "status", "notifiedAt") else get_map(manifest, "spec"),
    )


def order_of(manifest: Manifest) -> Order:
    """An order as far as the plan asks."""
    spec = get_map(manifest, "spec")
    kind = get_str(spec, "kind")
    return Order(
        name=get_str(manifest, "metadata", "name"),
        uid=get_str(manifest, "metadata", "uid"),
        instance=get_str(spec, "instance"),
        kind="Differential" if kind == "Differential" else "Full",
        keep_days=get_int(spec, "keepDays") or 14,
        created=get_str(manifest, "metadata", "creationTimestamp"),
        status=get_map(manifest, "status"),
    )


def export_of(manifest: Manifest) -> ExportOrder:
    """An export as far as the plan asks. Raises ValueError for one that the definition would refuse."""
    return ExportOrder(
        name=get_str(manifest, "metadata", "name"),
        uid=get_str(manifest, "metadata", "uid"),
        instance=get_str(manifest, "spec", "instance"),
        created=get_str(manifest, "metadata", "creationTimestamp"),
        spec=InstanceExportSpec.model_validate(get_map(manifest, "spec")),
        status=get_map(manifest, "status"),
    )
