"""A process of an instance beside the operator: its record, its rights and ways, its Job, and its word.

It tells what it found in one ConfigMap, the record: the operator makes it empty, the process writes its data
and nothing else, which its Role, and the protection of the instance, hold it to. All else of it is named,
labelled and owned as the record is, so that a record's head stands for the process here.
"""

from datetime import timedelta

from dedicated.api.json import JsonValue, Manifest, copied, get_map, get_str
from dedicated.api.names import GROUP
from dedicated.api.objects import CONFIG_MAP, INSTANCE, JOB, ROLE, ROLE_BINDING, SERVICE_ACCOUNT, Kind
from dedicated.api.resource import Instance
from dedicated.parts.instruction import RBAC
from dedicated.parts.metadata import restricted_pod

API_PORTS = (443, 6443)
"""Of API servers, inside and outside of a Service."""


def is_word(fields: Manifest, *keys: str) -> bool:
    """Whether fields that a manager owns of a record are its data under these keys, and no other field."""
    told = set(get_map(fields, "f:data")) - {"."}
    return set(fields) == {"f:data"} and told <= {f"f:{key}" for key in keys}


def head(kind: Kind, record: Manifest, *, name: str = "") -> Manifest:
    """The head of another object of the process; its name is the record's where none is given."""
    metadata = copied(get_map(record, "metadata"))
    assert isinstance(metadata, dict)
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {**metadata, "name": name or metadata["name"]},
    }


def rights(record: Manifest, *more: Manifest) -> tuple[Manifest, Manifest, Manifest]:
    """Its ServiceAccount, and the right to read and write the record alone, besides what `more` rules say."""
    name, namespace = get_str(record, "metadata", "name"), get_str(record, "metadata", "namespace")
    rule: Manifest = {
        "apiGroups": [""],
        "resources": [CONFIG_MAP.plural],
        "resourceNames": [name],
        "verbs": ["get", "patch"],
    }
    binding: Manifest = {
        **head(ROLE_BINDING, record),
        "roleRef": {"apiGroup": RBAC, "kind": ROLE.kind, "name": name},
        "subjects": [{"kind": SERVICE_ACCOUNT.kind, "name": name, "namespace": namespace}],
    }
    account: Manifest = {**head(SERVICE_ACCOUNT, record), "automountServiceAccountToken": False}
    return account, {**head(ROLE, record), "rules": [rule, *more]}, binding


def reading(instance: Instance) -> Manifest:
    """The rule that lets it read the instance."""
    return {
        "apiGroups": [GROUP],
        "resources": [INSTANCE.plural],
        "resourceNames": [instance.name],
        "verbs": ["list"],
    }


def tcp(*numbers: int) -> list[JsonValue]:
    """Ports of a policy."""
    return [{"port": number, "protocol": "TCP"} for number in numbers]


def ways_out(*numbers: int) -> list[JsonValue]:
    """Two rules of a policy: to DNS; and to these ports of anybody, among them the API server's."""
    return [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"ports": tcp(*sorted({*numbers, *API_PORTS}))},
    ]


def job(
    record: Manifest, pod: Manifest, *, name: str = "", retries: int, within: timedelta | None = None
) -> Manifest:
    """Its Job, of which no two pods are at a time. `pod` is what its spec has besides what all have; the
    Job's name is the record's where none is given."""
    spec: Manifest = {
        "serviceAccountName": get_str(record, "metadata", "name"),
        "enableServiceLinks": False,
        "securityContext": restricted_pod(),
        **pod,
    }
    labels = copied(get_map(record, "metadata", "labels"))
    return {
        **head(JOB, record, name=name),
        "spec": {
            "backoffLimit": retries,
            "parallelism": 1,
            "completions": 1,
            "podReplacementPolicy": "Failed",
            **({"activeDeadlineSeconds": int(within.total_seconds())} if within is not None else {}),
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
