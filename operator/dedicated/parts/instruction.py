"""Role and RoleBinding that let the instructed through the protection of an instance (O-4).

They stand while an instruction is in force. The verb opens the protection and no more: RBAC must allow the
change as well.
"""

from collections.abc import Sequence

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import GROUP, PLURAL
from dedicated.api.objects import ROLE, ROLE_BINDING, Ref
from dedicated.api.resource import Instance
from dedicated.contract.facts import Grantee
from dedicated.parts.metadata import child

COMPONENT = "instruction"
VERB = "modify"
"""The verb that the chart's protection asks for."""
RBAC = "rbac.authorization.k8s.io"


def refs(instance: Instance) -> frozenset[Ref]:
    """What stands while an instruction is in force."""
    name = f"{instance.name}-{COMPONENT}"
    return frozenset({Ref(ROLE.kind, name), Ref(ROLE_BINDING.kind, name)})


def manifests(instance: Instance, grantees: Sequence[Grantee]) -> tuple[Manifest, ...]:
    """Both objects for who is instructed; none where nobody is."""
    if not grantees:
        return ()
    role = child(ROLE, instance, COMPONENT, COMPONENT)
    rule: Manifest = {
        "apiGroups": [GROUP],
        "resources": [PLURAL],
        "resourceNames": [instance.name],
        "verbs": [VERB],
    }
    binding = child(ROLE_BINDING, instance, COMPONENT, COMPONENT)
    reference: Manifest = {"apiGroup": RBAC, "kind": ROLE.kind, "name": f"{instance.name}-{COMPONENT}"}
    subjects: list[JsonValue] = [_subject(who) for who in grantees]
    return {**role, "rules": [rule]}, {**binding, "roleRef": reference, "subjects": subjects}


def _subject(who: Grantee) -> Manifest:
    if who.kind == "ServiceAccount":
        return {"kind": who.kind, "name": who.name, "namespace": who.namespace}
    return {"kind": who.kind, "name": who.name, "apiGroup": RBAC}
