"""Ways past the limiter: of somebody's object, where it leads, and whether that is server or login.

Services that select their pods, Ingresses and routes to their Services, and NetworkPolicies of others that
let somebody in: policies add up, so that one more opens what ours closes. A Service of ours leads past it
only where it is open to the outside. Limits: objects of other kinds (a mesh's, a network plugin's own
policies) are not known; what they open is seen by the connection that must fail.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dedicated.api.json import JsonValue, Manifest, get_int, get_list, get_map, get_str, shared
from dedicated.api.names import (
    API_VERSION,
    KIND,
    LABEL_APP_VERSION,
    LABEL_INSTANCE,
)
from dedicated.api.objects import INGRESS, NETWORK_POLICY, SERVICE, Key
from dedicated.contract.limits_sight import Way
from dedicated.parts.limiter.names import BACKENDS, pods_service
from dedicated.parts.metadata import labels_of

VARYING = frozenset({LABEL_APP_VERSION, "pod-template-hash"})
"""Labels of pods whose values come and go: one that is asked for may be there."""
OPEN_TYPES = frozenset({"NodePort", "LoadBalancer"})
_SUFFIXES = tuple(f"-{component}{more}" for component in BACKENDS for more in ("", "-pods"))
_IN_CLUSTER = re.compile(r"([^.]+)\.([^.]+)\.svc(\.|$)")


@dataclass(frozen=True, slots=True)
class Leads:
    """Where an object leads, as far as it may lead past a limiter.

    `pods` is the selector of its pods, None where it has none; `services` are names of Services with their
    namespaces; `opens` says how, in a few words; `ours` whether the operator made it.
    """

    kind: str
    name: Key
    opens: str
    pods: Manifest | None = field(default=None, hash=False)
    services: tuple[Key, ...] = ()
    ours: bool = False


def leads_of(manifest: Manifest) -> Leads | None:
    """The kept form of an object; None where it cannot lead past a limiter."""
    kind = shared(manifest, "kind")
    name = Key(shared(manifest, "metadata", "namespace"), get_str(manifest, "metadata", "name"))
    match kind:
        case SERVICE.kind:
            return _service(manifest, name)
        case NETWORK_POLICY.kind:
            return _policy(manifest, name)
        case INGRESS.kind:
            backends = [get_map(manifest, "spec", "defaultBackend"), *_paths(manifest)]
            found = (Key(name.namespace, get_str(backend, "service", "name")) for backend in backends)
            return _route(kind, name, found)
    refs = (get_map(ref) for rule in get_list(manifest, "spec", "rules") for ref in _refs(get_map(rule)))
    return _route(
        kind, name, (Key(get_str(ref, "namespace") or name.namespace, get_str(ref, "name")) for ref in refs)
    )


def ways_of(instance: Key, known: Iterable[Leads]) -> tuple[Way, ...]:
    """The ways past an instance's limiter among what is known of its namespace, or leads to it."""
    services = {
        Key(instance.namespace, name)
        for component in BACKENDS
        for name in (f"{instance.name}-{component}", pods_service(instance.name, component))
    }
    found = [Way(leads.kind, _shown(leads, instance), leads.opens)
             for leads in known if _is_past(leads, instance, services)]  # fmt: skip
    return tuple(sorted(found))


def instances_of(leads: Leads) -> Iterator[Key]:
    """The instances whose Services an object names."""
    for key in leads.services:
        suffix = next((each for each in sorted(_SUFFIXES, key=len) if key.name.endswith(each)), "")
        yield Key(key.namespace, key.name.removesuffix(suffix))


def _is_past(leads: Leads, instance: Key, services: set[Key]) -> bool:
    if services & {*leads.services}:
        return True
    if leads.pods is None or leads.name.namespace != instance.namespace:
        return False
    return any(selects(leads.pods, labels_of(instance.name, component)) for component in BACKENDS)


def _shown(leads: Leads, instance: Key) -> str:
    return leads.name.name if leads.name.namespace == instance.namespace else str(leads.name)


def _is_ours(manifest: Manifest) -> bool:
    owners = get_list(manifest, "metadata", "ownerReferences")
    return any((get_str(item, "kind"), get_str(item, "apiVersion")) == (KIND, API_VERSION) for item in owners)


def _service(manifest: Manifest, name: Key) -> Leads | None:
    spec = get_map(manifest, "spec")
    kind = get_str(spec, "type") or "ClusterIP"
    if kind == "ExternalName":
        inside = _IN_CLUSTER.match(get_str(spec, "externalName"))
        targets = (Key(inside[2], inside[1]),) if inside else ()
        return _route(SERVICE.kind, name, targets, opens="ExternalName")
    chosen = get_map(spec, "selector")
    selector: Manifest = {"matchLabels": chosen}
    open_to_all = kind in OPEN_TYPES or bool(get_list(spec, "externalIPs"))
    ours = _is_ours(manifest)
    if not chosen or (ours and not open_to_all) or not _may_select(chosen):
        return None
    opens = f"{kind} with external addresses" if open_to_all and kind not in OPEN_TYPES else kind
    return Leads(SERVICE.kind, name, opens, pods=selector, ours=ours)


def _may_select(chosen: Manifest) -> bool:
    """Whether labels can be those of server or login pods of some instance."""
    instance = get_str(chosen, LABEL_INSTANCE) or "any"
    return any(selects({"matchLabels": chosen}, labels_of(instance, component)) for component in BACKENDS)


def _policy(manifest: Manifest, name: Key) -> Leads | None:
    rules = [get_map(rule) for rule in get_list(manifest, "spec", "ingress")]
    if _is_ours(manifest) or not any(_opens(rule) for rule in rules):
        return None
    chosen = get_map(manifest, "spec", "podSelector")
    return Leads(NETWORK_POLICY.kind, name, "lets others in", pods=chosen)


def _opens(rule: Manifest) -> bool:
    """Whether a rule opens a port of server or login; one with a name may be any."""
    ports = [get_map(port) for port in get_list(rule, "ports")]
    return not ports or any(_meets(port, number) for port in ports for number in BACKENDS.values())


def _meets(port: Manifest, number: int) -> bool:
    if (get_str(port, "protocol") or "TCP") != "TCP":
        return False
    first = get_int(port, "port")
    if "port" not in port or not first:
        return True
    return first <= number <= (get_int(port, "endPort") or first)


def _route(kind: str, name: Key, targets: Iterable[Key], *, opens: str = "leads there") -> Leads | None:
    found = tuple(dict.fromkeys(key for key in targets if key.name.endswith(_SUFFIXES)))
    return Leads(kind, name, opens, services=found) if found else None


def _paths(manifest: Manifest) -> Iterator[Manifest]:
    for rule in get_list(manifest, "spec", "rules"):
        for path in get_list(rule, "http", "paths"):
            yield get_map(path, "backend")


def _refs(rule: Manifest) -> Iterator[JsonValue]:
    """Backends of a route's rule, mirrors among them."""
    backends = get_list(rule, "backendRefs")
    yield from backends
    for item in (rule, *backends):
        for each in get_list(item, "filters"):
            yield get_map(each, "requestMirror", "backendRef")


def selects(selector: Manifest, labels: Mapping[str, JsonValue]) -> bool:
    """Whether a label selector chooses a pod with these labels; an empty one chooses every pod."""
    for key, value in get_map(selector, "matchLabels").items():
        if key not in VARYING and labels.get(key) != value:
            return False
    return all(_holds(get_map(item), labels) for item in get_list(selector, "matchExpressions"))


def _holds(expression: Manifest, labels: Mapping[str, JsonValue]) -> bool:
    key, values = get_str(expression, "key"), get_list(expression, "values")
    if key in VARYING:
        return True
    match get_str(expression, "operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True
