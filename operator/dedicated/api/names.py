"""Names that the outside world sees: API group, labels, annotations, finalizer, field manager.

They are part of the product's interface: changing one orphans objects in the field.
"""

GROUP = "dedicated.zitadel.com"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "DedicatedInstance"
PLURAL = "dedicatedinstances"
RECORD_KIND = "ContractRecord"
RECORD_PLURAL = "contractrecords"
MAINTENANCE_KIND = "Maintenance"
MAINTENANCE_PLURAL = "maintenances"
BACKUP_KIND = "InstanceBackup"
BACKUP_PLURAL = "instancebackups"
RESTORE_KIND = "InstanceRestore"
RESTORE_PLURAL = "instancerestores"
EXPORT_KIND = "InstanceExport"
EXPORT_PLURAL = "instanceexports"

FINALIZER = f"{GROUP}/finalizer"
FIELD_MANAGER = "dedicated-operator"

LABEL_INSTANCE = f"{GROUP}/instance"
"""Name of the instance that a child, or a namespace, belongs to. Children are found by it."""
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_NAME = "app.kubernetes.io/name"
LABEL_APP_VERSION = "app.kubernetes.io/version"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_PART_OF = "app.kubernetes.io/part-of"

ANNOTATION_APPLIED = f"{GROUP}/applied"
"""Hash of the manifest last applied (design.md §5)."""
ANNOTATION_RESTORE = f"{GROUP}/restore"
"""Name of the InstanceRestore that a database was made by."""
ANNOTATION_POINT = f"{GROUP}/restored-to"
"""The point in time that a database was restored to, at least."""
ANNOTATION_KEYS = f"{GROUP}/keys"
"""Of a backup: salted fingerprint of the masterkey that its data needs."""

ZONE_LABEL = "topology.kubernetes.io/zone"
REGION_LABEL = "topology.kubernetes.io/region"
