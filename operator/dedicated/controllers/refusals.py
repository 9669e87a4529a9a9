"""What the API server refuses for good, in words for the next pass to tell."""

from dedicated.api.json import Manifest, get_str
from dedicated.api.names import LABEL_COMPONENT
from dedicated.api.objects import ENGINE_KINDS, INSTANCE_EXPORT, INSTANCE_RESTORE, MAINTENANCE
from dedicated.cluster.errors import ApiError
from dedicated.parts import export
from dedicated.reconcile.actions import Action, Apply, Ask, MarkNamespace, Tell
from dedicated.reconcile.observed import Failure

ENGINES = frozenset(kind.kind for kind in ENGINE_KINDS)
UNKNOWN_FIELD = "field not declared in schema"
"""What the API server says of an apply with a field that the kind's definition does not know."""


def refusal(action: Action, error: ApiError) -> Failure | None:
    """What a person must solve; None where trying again may help."""
    what = f"{type(action).__name__} {action.ref}" if isinstance(action, Apply) else str(action)
    # Only fields that others own have causes: without one, the object moved on while we looked.
    if isinstance(action, Apply) and action.fresh and error.conflict and error.causes:
        text = f"the name is taken by an object that is not ours, and it is left alone ({error.message})"
        return Failure(what=what, reason="NameTaken", message=text)
    undeclared = isinstance(action, Apply) and action.ref.kind in ENGINES and UNKNOWN_FIELD in error.message
    if undeclared or error.forbidden or error.invalid or error.status == 400:
        causes = f" ({'; '.join(error.causes)})" if error.causes else ""
        # Without its label a namespace is not protected; the instance in it is none the worse.
        reason = "NamespaceNotMarked" if isinstance(action, MarkNamespace) else "ApplyRefused"
        if isinstance(action, Ask | Tell):
            what, reason = _order(action)
        elif undeclared:
            reason = "EngineVersionUnsupported"
        return Failure(what=what, reason=reason, message=f"{error.message}{causes}")
    return None


def _order(action: Ask | Tell) -> tuple[str, str]:
    """What was refused about an order, and the finding's code."""
    kind = action.kind if isinstance(action, Tell) else get_str(action.manifest, "kind")
    if kind == MAINTENANCE.kind:
        return "Maintenance", "MaintenanceRefused"
    if kind == INSTANCE_RESTORE.kind:
        return kind, "RestoreRefused"
    manifest: Manifest = {} if isinstance(action, Tell) else action.manifest
    part = get_str(manifest, "metadata", "labels", LABEL_COMPONENT) == export.COMPONENT
    exporting = kind == INSTANCE_EXPORT.kind or part
    return kind, "ExportRefused" if exporting else "BackupRefused"
