"""Who owns which fields of a child, reduced from its managedFields: ours, and those of others.

Kept as text, since most of it is the same for every instance. Kubernetes' own managers are left out, and so
are the words of an instance's own processes in their records.
"""

import json
import sys
from dataclasses import dataclass

from dedicated.api.json import JsonValue, Manifest, get_map, get_str
from dedicated.api.names import FIELD_MANAGER
from dedicated.parts import escrow, importing, recovery_agent, verification
from dedicated.parts.limiter import objects

OWNERS = "f:ownerReferences"
PLATFORM_MANAGERS = frozenset({"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet"})
"""Field managers of Kubernetes itself: what they set is no modification."""
WORDS = (
    recovery_agent.is_report,
    escrow.is_report,
    verification.is_verdict,
    importing.is_report,
    objects.is_report,
)
"""Whether something is the word of an instance's own process in its record."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """One entry of managedFields that is not ours: who owns which fields, JSON of `fieldsV1`."""

    manager: str
    operation: str
    time: str
    fields: str


def owners_of(entries: list[JsonValue], component: str) -> tuple[str, tuple[Ownership, ...]]:
    """Our field set, and those of others. What our own agents write into records is nobody's modification."""
    ours, foreign = "", []
    for entry in entries:
        manager, operation = get_str(entry, "manager"), get_str(entry, "operation")
        subresource = get_str(entry, "subresource")
        if manager == FIELD_MANAGER:
            if operation == "Apply" and not subresource:
                ours = sys.intern(_compact(_without_owner(get_map(entry, "fieldsV1"))))
        elif subresource != "status" and manager not in PLATFORM_MANAGERS:
            owned = get_map(entry, "fieldsV1")
            if any(is_word(component, manager, owned) for is_word in WORDS):
                continue
            operation = f"{operation} ({subresource})" if subresource else operation
            fields = _compact(owned)
            foreign.append(Ownership(manager, operation, get_str(entry, "time"), fields))
    return ours, tuple(foreign)


def _without_owner(fields: Manifest) -> Manifest:
    """Our field set without the owner reference, whose uid is the one thing in it that differs between
    instances: without it the same child of every instance shares one string."""
    metadata = {key: value for key, value in get_map(fields, "f:metadata").items() if key != OWNERS}
    return {**fields, "f:metadata": metadata}


def _compact(fields: Manifest) -> str:
    return json.dumps(fields, separators=(",", ":"))
