"""The CustomResourceDefinitions, generated from the models.

pydantic describes a model as JSON Schema; the API server wants a *structural* schema: no references,
no unions with null, no titles, every type stated. This module translates the one into the other and
adds what JSON Schema cannot say: CEL rules, list-map keys, printer columns.
Limit: it knows the constructs that our models use and fails on any other.
"""

import re
from dataclasses import dataclass

from dedicated.api import instance_backup, instance_export, instance_restore
from dedicated.api.instance import InstanceSpec
from dedicated.api.instance_backup import InstanceBackupSpec, InstanceBackupStatus
from dedicated.api.instance_export import InstanceExportSpec, InstanceExportStatus
from dedicated.api.instance_restore import InstanceRestoreSpec, InstanceRestoreStatus
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.maintenance_request import NAME_RULES, MaintenanceSpec, MaintenanceStatus
from dedicated.api.names import GROUP, VERSION
from dedicated.api.objects import (
    INSTANCE,
    INSTANCE_BACKUP,
    INSTANCE_EXPORT,
    INSTANCE_RESTORE,
    MAINTENANCE,
    RECORD,
    Kind,
)
from dedicated.api.record import RecordSpec
from dedicated.api.rules import ApiModel, Rule
from dedicated.api.status import InstanceStatus

NAME_LENGTH = 40
"""Characters of an instance's name."""
DROPPED = frozenset(
    {"title", "additionalProperties", "propertyNames", "const", "anyOf", "$ref", "$defs", "default"}
)


@dataclass(frozen=True, slots=True)
class Definition:
    """What one kind's definition is made of. `columns` are (name, type, JSON path, priority)."""

    kind: Kind
    short_name: str
    description: str
    rules: tuple[Rule, ...]
    spec: type[ApiModel]
    status: type[ApiModel] | None
    columns: tuple[tuple[str, str, str, int], ...]
    selectable: tuple[str, ...]

    def crd(self) -> Manifest:
        """The CustomResourceDefinition."""
        version: Manifest = {
            "name": VERSION,
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": self._root_schema()},
            **({"subresources": {"status": {}}} if self.status else {}),
            "selectableFields": [{"jsonPath": path} for path in self.selectable],
            "additionalPrinterColumns": [
                {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
                for name, kind, path, priority in self.columns
            ],
        }
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.kind.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": self.kind.kind,
                    "listKind": f"{self.kind.kind}List",
                    "plural": self.kind.plural,
                    "singular": self.kind.kind.lower(),
                    "shortNames": [self.short_name],
                    "categories": ["dedicated"],
                },
                "versions": [version],
            },
        }

    def _root_schema(self) -> Manifest:
        return {
            "type": "object",
            "description": self.description,
            "required": ["spec"],
            "x-kubernetes-validations": [rule.schema() for rule in self.rules],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                # The name is stated for the rules' fieldPath alone.
                "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
                "spec": structural(self.spec),
                **({"status": structural(self.status)} if self.status else {}),
            },
        }


def _name(body: Manifest) -> str:
    return get_str(body, "metadata", "name")


INSTANCE_DEFINITION = Definition(
    kind=INSTANCE,
    short_name="di",
    description="A dedicated ZITADEL instance, run as its contract promises.",
    rules=(
        Rule(
            cel="size(self.metadata.name) <= 40",
            message="metadata.name must be at most 40 characters: names of children are built from it",
            field="metadata.name",
            holds=lambda body: len(_name(body)) <= NAME_LENGTH,
        ),
        Rule(
            cel="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            message="metadata.name must start with a letter and hold only lower-case letters, "
            "digits and '-': it names a Service",
            field="metadata.name",
            holds=lambda body: re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", _name(body)) is not None,
        ),
    ),
    spec=InstanceSpec,
    status=InstanceStatus,
    columns=(
        ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0),
        ("Version", "string", ".status.summary.version", 0),
        ("Zones", "string", ".status.summary.zones", 0),
        ("Uptime-%", "string", ".status.serviceLevel.current.contract", 0),
        ("Next-Slot", "string", ".status.maintenance.nextSlots[0].start", 0),
        ("Findings", "string", ".status.summary.findings", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("URL", "string", ".status.url", 1),
        ("Plan", "string", ".spec.plan", 1),
        ("Server", "string", ".status.summary.server", 1),
        ("Login", "string", ".status.summary.login", 1),
        ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
    ),
    selectable=(".spec.domain", ".spec.plan", ".spec.infrastructure.class"),
)
_STRETCHES = "'slot','stretch','agreement','instruction','override','loadTest'"
"""Fields of a record that have a begin and an end; a record has one of them at most."""
RECORD_DEFINITION = Definition(
    kind=RECORD,
    short_name="crec",
    description="One fact of an instance's contract: written once, never changed.",
    rules=(
        Rule(
            cel="self.spec == oldSelf.spec",
            message="spec is immutable: a correction is a new record",
            field="spec",
        ),
    ),
    spec=RecordSpec,
    status=None,
    columns=(
        ("Instance", "string", ".spec.instance", 0),
        ("Fact", "string", ".spec.fact", 0),
        # A record has one of them at most.
        ("About", "string", ".spec['request','issue','withdraws']", 0),
        ("Object", "string", ".spec.modification.object", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("By", "string", ".spec.by", 0),
        ("Recorded-At", "string", ".metadata.creationTimestamp", 1),
        ("From", "string", f".spec[{_STRETCHES}]['start','validFrom','from']", 1),
        ("Until", "string", f".spec[{_STRETCHES}]['end','validUntil','until']", 1),
        ("Reference", "string", ".spec.reference", 1),
        ("Reason", "string", ".spec.reason", 1),
        ("Restored-At", "string", ".spec.at", 1),
        ("Changed-By", "string", ".spec.modification.manager", 1),
        ("Changed-At", "string", ".spec.modification.at", 1),
        ("Operation", "string", ".spec.modification.operation", 1),
        ("Field", "string", ".spec.modification.fields[0]", 1),
    ),
    selectable=(".spec.instance", ".spec.fact", ".spec.request"),
)
MAINTENANCE_DEFINITION = Definition(
    kind=MAINTENANCE,
    short_name="mt",
    description="One maintenance of an instance: what is to be done, and how far it is.",
    rules=NAME_RULES,
    spec=MaintenanceSpec,
    status=MaintenanceStatus,
    columns=(
        ("Instance", "string", ".spec.instance", 0),
        ("Kind", "string", ".spec.kind", 0),
        ("Phase", "string", ".status.phase", 0),
        ("Slot", "string", ".status.summary.slot", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Needs", "string", ".spec.duration", 1),
        ("Downtime", "string", ".spec.downtime", 1),
        ("Reference", "string", ".spec.reference", 1),
        ("Next", "string", ".status.summary.next", 0),
        ("Changes", "string", ".spec.changes", 1),
    ),
    selectable=(".spec.instance", ".spec.kind"),
)
BACKUP_DEFINITION = Definition(
    kind=INSTANCE_BACKUP,
    short_name="ib",
    description="One backup of an instance asked for beside the schedule, and what came of it.",
    rules=instance_backup.NAME_RULES,
    spec=InstanceBackupSpec,
    status=InstanceBackupStatus,
    columns=(
        ("Instance", "string", ".spec.instance", 0),
        ("Kind", "string", ".spec.kind", 0),
        ("State", "string", ".status.state", 0),
        ("Seconds", "integer", ".status.durationSeconds", 0),
        ("Newest-Point", "string", ".status.newestPoint", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Label", "string", ".status.label", 1),
        ("Message", "string", ".status.message", 1),
    ),
    selectable=(".spec.instance",),
)
EXPORT_DEFINITION = Definition(
    kind=INSTANCE_EXPORT,
    short_name="ie",
    description="All of an instance sealed to its customer, in a bucket of theirs, and what came of it.",
    rules=instance_export.NAME_RULES,
    spec=InstanceExportSpec,
    status=InstanceExportStatus,
    columns=(
        ("Instance", "string", ".spec.instance", 0),
        ("Phase", "string", ".status.phase", 0),
        ("Bytes", "integer", ".status.progress.bytes", 0),
        ("Total", "integer", ".status.progress.total", 0),
        ("Expected-End", "string", ".status.expectedEnd", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Bucket", "string", ".spec.destination.bucket", 1),
        ("Snapshot", "string", ".status.snapshotAt", 1),
        ("Expires", "string", ".status.expires", 1),
        ("Message", "string", ".status.message", 1),
    ),
    selectable=(".spec.instance",),
)
RESTORE_DEFINITION = Definition(
    kind=INSTANCE_RESTORE,
    short_name="ir",
    description="One restore of an instance's database into a new one, and what came of it.",
    rules=instance_restore.NAME_RULES,
    spec=InstanceRestoreSpec,
    status=InstanceRestoreStatus,
    columns=(
        ("Instance", "string", ".spec.instance", 0),
        ("Purpose", "string", ".spec.purpose", 0),
        ("Phase", "string", ".status.phase", 0),
        ("Target", "string", ".status.target", 0),
        ("Expected-End", "string", ".status.expectedEnd", 0),
        ("Age", "date", ".metadata.creationTimestamp", 0),
        ("Database", "string", ".status.cluster", 1),
        ("Message", "string", ".status.message", 1),
    ),
    selectable=(".spec.instance", ".spec.purpose"),
)
DEFINITIONS = (
    INSTANCE_DEFINITION,
    RECORD_DEFINITION,
    MAINTENANCE_DEFINITION,
    BACKUP_DEFINITION,
    RESTORE_DEFINITION,
    EXPORT_DEFINITION,
)


def structural(model: type[ApiModel]) -> Manifest:
    """A model's structural schema. Raises `ValueError` on a construct that has no translation."""
    described = as_manifest(model.model_json_schema(by_alias=True, mode="validation"))
    return _translate(described, get_map(described, "$defs"))


def _translate(schema: Manifest, defs: Manifest) -> Manifest:
    schema = _resolved(schema, defs)
    found: Manifest = {key: value for key, value in schema.items() if key not in DROPPED}
    if "const" in schema:
        found["enum"] = [schema["const"]]
    match schema.get("default"):
        case None:
            pass
        case default:
            # Written out in full: CEL rules judge a default as it stands, before its own fields get theirs.
            found["default"] = _without_nulls(default)
    if isinstance(schema.get("items"), dict):
        found["items"] = _translate(get_map(schema, "items"), defs)
    if get_map(schema, "additionalProperties") and "x-kubernetes-preserve-unknown-fields" not in schema:
        found["additionalProperties"] = _translate(get_map(schema, "additionalProperties"), defs)
    properties = get_map(schema, "properties")
    if properties:
        found["properties"] = {name: _translate(get_map(properties, name), defs) for name in properties}
    if "type" not in found:
        raise ValueError(f"no type in {schema}")
    return found


def _without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value


def _resolved(schema: Manifest, defs: Manifest) -> Manifest:
    """The schema with its reference followed and its union with null taken away."""
    options = [as_manifest(item) for item in get_list(schema, "anyOf") if get_str(item, "type") != "null"]
    if len(options) > 1:
        raise ValueError(f"a union has no structural schema: {schema}")
    merged = {**(options[0] if options else {}), **schema}
    reference = get_str(merged, "$ref")
    return {**get_map(defs, reference.rpartition("/")[2]), **merged} if reference else merged
