"""What the operator may do, compared with what it did: the chart's rules against the API server's audit log.

A right that no request used is one too many, a request that was denied is one too few. RBAC alone is judged:
an admission policy that refuses, or a namespace on its end, denies no right. Nor does an API server that has
just started and not read its roles yet: what the same user was allowed there at another time was granted.
Limits: an audit log shows a server-side apply as `patch`, so one that made the object counts as `create` too,
as RBAC judges it. Checks inside the API server leave no line of their own: see `UNSEEN`.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from dedicated.api.json import Manifest, as_manifest, get_int, get_list, get_str
from dedicated.api.names import GROUP, PLURAL

OPERATOR = re.compile(r"system:serviceaccount:[^:]+:dedicated-operator")
"""User names of operators under test: their chart's release is always called so."""
AGENTS = ("dedicated-operator/", "kopf/")
"""How its requests are signed: tests may try something as its user."""
EVERYBODY = frozenset({"selfsubjectaccessreviews", "selfsubjectreviews"})
"""Granted to every user by the cluster itself."""
DECISION = "authorization.k8s.io/decision"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A verb on a resource (`plural` or `plural/subresource`) of an API group."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}"


UNSEEN = frozenset({Right(GROUP, f"{PLURAL}/finalizers", "update")})
"""Rights that the API server asks for while it admits another request; a test of their own uses each."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What operators did by an audit log: rights used, requests denied (as text), requests in all, and kinds
    (`plural.group`) that were listed and never there."""

    used: frozenset[Right] = frozenset()
    denied: frozenset[str] = frozenset()
    requests: int = 0
    absent: frozenset[str] = frozenset()

    def fuller(self, other: "Usage") -> "Usage":
        """Workers read the same log one after the other: who saw more, saw everything."""
        return max(self, other, key=lambda found: found.requests)

    def to_json(self) -> str:
        """For the way from a worker to its controller."""
        used = [f"{right.group}|{right.resource}|{right.verb}" for right in sorted(self.used)]
        sets = {"used": used, "denied": sorted(self.denied), "absent": sorted(self.absent)}
        return json.dumps({**sets, "requests": self.requests})

    @classmethod
    def from_json(cls, text: str) -> "Usage":
        """The reverse of `to_json`."""
        kept = as_manifest(json.loads(text))
        used = frozenset(Right(*str(item).split("|")) for item in get_list(kept, "used"))
        denied = frozenset(map(str, get_list(kept, "denied")))
        absent = frozenset(map(str, get_list(kept, "absent")))
        return cls(used, denied, get_int(kept, "requests"), absent)


def granted(manifests: Iterable[Manifest]) -> frozenset[Right]:
    """The rights in a chart's roles, those for people (aggregated) apart."""
    return frozenset(
        Right(str(group), str(resource), str(verb))
        for manifest in manifests
        if get_str(manifest, "kind") in {"Role", "ClusterRole"} and not _for_people(manifest)
        for rule in get_list(manifest, "rules")
        for group in get_list(rule, "apiGroups")
        for resource in get_list(rule, "resources")
        for verb in get_list(rule, "verbs")
    )


def usage(audit: Path) -> Usage:
    """What operators did by this audit log; nothing where there is none."""
    if not audit.exists():
        return Usage()
    with audit.open("rb") as file:
        # Most lines are of others: the cheap look first.
        lines = (line for line in file if b":dedicated-operator" in line and line.endswith(b"}\n"))
        return usage_of([as_manifest(json.loads(line)) for line in lines])


def usage_of(events: Iterable[Manifest]) -> Usage:
    """What operators did by these audit events."""
    allowed: set[tuple[str, str, Right]] = set()
    denied: set[tuple[str, str, Right]] = set()
    listed: dict[bool, set[str]] = {True: set(), False: set()}
    requests = 0
    for event in events:
        user, resource = get_str(event, "user", "username"), get_str(event, "objectRef", "resource")
        ours = OPERATOR.fullmatch(user) and get_str(event, "userAgent").startswith(AGENTS)
        if not ours or not resource or resource in EVERYBODY:
            continue
        requests += 1
        subresource = get_str(event, "objectRef", "subresource")
        full = f"{resource}/{subresource}" if subresource else resource
        right = Right(get_str(event, "objectRef", "apiGroup"), full, get_str(event, "verb"))
        asked = (user, get_str(event, "objectRef", "namespace"), right)
        if get_str(event, "annotations", DECISION) == "forbid":
            denied.add(asked)
            continue
        allowed.add(asked)
        code = get_int(event, "responseStatus", "code")
        if right.verb == "list":
            listed[code != HTTPStatus.NOT_FOUND].add(f"{resource}.{right.group}")
        if right.verb == "patch" and code == HTTPStatus.CREATED:
            allowed.add((*asked[:2], Right(right.group, right.resource, "create")))
    lines = {f"{right} in {place or 'the cluster'} by {user}" for user, place, right in denied - allowed}
    used = frozenset(right for _, _, right in allowed)
    return Usage(used, frozenset(lines), requests, frozenset(listed[False] - listed[True]))


def verdict(found: Usage, rights: frozenset[Right], *, custom: Iterable[str], whole: bool) -> Sequence[str]:
    """What is wrong, a line each. `custom` are verbs of ours, which no audit log shows: their policies' tests
    use them. Unused rights are told of a `whole` run only."""
    lines = [f"denied: {line}" for line in sorted(found.denied)]
    if whole:
        seen = found.used | UNSEEN
        # Of kinds whose definitions are not at hand (docs/skips.md), or which no cluster here has.
        there = (right for right in rights if f"{right.resource}.{right.group}" not in found.absent)
        asked = (right for right in there if right.verb not in set(custom))
        unused = sorted(right for right in asked if right not in seen)
        lines += [f"granted, but used by no test: {right}" for right in unused]
    return lines


def _for_people(role: Manifest) -> bool:
    labels = role.get("metadata")
    found = labels.get("labels") if isinstance(labels, dict) else None
    return isinstance(found, dict) and any("aggregate-to-" in name for name in found)
