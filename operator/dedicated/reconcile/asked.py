"""What people ask for by objects of their own, as the plan needs it: `Maintenance`, `InstanceBackup`,
`InstanceRestore`, `InstanceExport`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from dedicated.api.duration import parse_duration
from dedicated.api.instance_export import InstanceExportSpec
from dedicated.api.instance_restore import InstanceRestoreSpec, Purpose
from dedicated.api.json import Manifest, digest, get_int, get_map, get_str, shared
from dedicated.api.words import instant


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


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """An `InstanceRestore`: what is asked for, and its status as it stands. Times are in whole seconds, as
    the engines are told them; what is later than asked for is not restored."""

    name: str
    uid: str
    instance: str
    purpose: Purpose
    created: str
    target: datetime | None = None
    accepted: datetime | None = None
    retain: timedelta = timedelta(hours=72)
    status: Manifest = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The phase that was told last."""
        return get_str(self.status, "phase")


def restore_of(manifest: Manifest) -> RestoreOrder | None:
    """A restore as far as the plan asks; None where this version cannot read its spec."""
    try:
        spec = InstanceRestoreSpec.model_validate(get_map(manifest, "spec"))
    except ValidationError:
        return None
    return RestoreOrder(
        name=get_str(manifest, "metadata", "name"),
        uid=get_str(manifest, "metadata", "uid"),
        instance=spec.instance,
        purpose=spec.purpose,
        created=get_str(manifest, "metadata", "creationTimestamp"),
        target=_second(spec.target),
        accepted=_second(spec.accept_loss_since),
        retain=parse_duration(spec.retain),
        status=get_map(manifest, "status"),
    )


def _second(text: str | None) -> datetime | None:
    return instant(text).replace(microsecond=0) if text else None


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


def export_of(manifest: Manifest) -> ExportOrder | None:
    """An export as far as the plan asks; None where this version cannot read its spec."""
    try:
        spec = InstanceExportSpec.model_validate(get_map(manifest, "spec"))
    except ValidationError:
        return None
    return ExportOrder(
        name=get_str(manifest, "metadata", "name"),
        uid=get_str(manifest, "metadata", "uid"),
        instance=spec.instance,
        created=get_str(manifest, "metadata", "creationTimestamp"),
        spec=spec,
        status=get_map(manifest, "status"),
    )
