"""What a request to the API server is about, read from its method, path and headers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from dedicated.api.json import JsonValue, get_str

CHANGING = frozenset({"create", "update", "patch", "apply", "delete", "deletecollection"})
UPKEEP = frozenset({"leases", "selfsubjectaccessreviews", "selfsubjectreviews"})
"""Leading, and asking for one's own name and rights: no change of anything."""
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_A_NAMESPACE = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `body` is kept of changing requests only."""

    number: int
    """1 for the first request that came to this proxy."""
    write: int
    """1 for the first write; 0 for what is no write (reads, and the operator's upkeep)."""
    verb: str
    """As RBAC has it; server-side apply is `apply`."""
    group: str
    resource: str
    """`plural` or `plural/subresource`; empty for paths that are no resource."""
    namespace: str
    name: str
    """Of a create too: as its body has it."""
    body: JsonValue = None

    @property
    def watch(self) -> bool:
        """Whether the answer is a stream without end."""
        return self.verb == "watch"

    def __str__(self) -> str:
        place = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.verb} {self.resource} {place}".strip()


@dataclass(frozen=True, slots=True)
class Target:
    """The part of a request that its URL tells."""

    group: str
    resource: str
    namespace: str
    name: str


def verb_of(method: str, target: Target, *, query: Mapping[str, str], content_type: str) -> str:
    """The API's verb for an HTTP request."""
    if method == "GET":
        watched = query.get("watch") in {"true", "1"}
        return "watch" if watched else "get" if target.name else "list"
    if content_type.startswith("application/apply-patch"):
        return "apply"
    if method == "DELETE" and not target.name:
        return "deletecollection"
    return _METHODS.get(method, method.lower())


def is_write(verb: str, resource: str) -> bool:
    """Whether a request changes what the operator is there for."""
    return verb in CHANGING and resource not in UPKEEP


def target_of(path: str) -> Target:
    """`/api/v1/namespaces/a/pods/p/status` and the like; all empty for `/version` and its kind."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", _, *rest]:
            group = ""
        case ["apis", group, _, *rest]:
            pass
        case _:
            return Target("", "", "", "")
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in _OF_A_NAMESPACE:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    return Target(group, f"{plural}/{subresource}" if subresource else plural, namespace, name)


def body_of(raw: bytes) -> JsonValue:
    """The JSON of a request; None for anything else."""
    try:
        value: JsonValue = json.loads(raw) if raw else None
    except ValueError:
        return None
    return value


def name_of(target: Target, body: JsonValue) -> str:
    """The name of the object meant: in the URL, or in the body of what is new."""
    return target.name or get_str(body, "metadata", "name")
