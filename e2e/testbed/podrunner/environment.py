"""A container's environment, resolved as kubelet does. Pure."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_int, get_list, get_map, get_str


class MissingError(Exception):
    """Something that a pod refers to does not exist (yet); the text is kubelet's."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values come from: all in the pod's namespace."""

    namespace: str
    config_map: Callable[[str], Manifest | None]
    secret: Callable[[str], Manifest | None]


def content(source: Manifest, kind: str) -> dict[str, bytes]:
    """Keys and values of a ConfigMap or Secret."""
    found = {key: base64.b64decode(str(value)) for key, value in get_map(source, "binaryData").items()}
    for key, value in get_map(source, "data").items():
        found[key] = base64.b64decode(str(value)) if kind == "Secret" else str(value).encode()
    return found


def load(sources: Sources, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes]:
    """Content of a named ConfigMap or Secret; MissingError, or nothing if optional."""
    found = sources.secret(name) if kind == "Secret" else sources.config_map(name)
    if found is None:
        if optional:
            return {}
        raise MissingError(f'{kind.lower()} "{name}" not found')
    return content(found, kind)


def resolve(
    container: Manifest, pod: Manifest, sources: Sources, services: Sequence[Manifest], *, ip: str, host: str
) -> dict[str, str]:
    """All variables: of Services, `envFrom`, `env`, each over the ones before."""
    links = get_map(pod, "spec").get("enableServiceLinks") is not False
    linked = service_variables(services, get_str(pod, "metadata", "namespace"), links=links)
    found: dict[str, str] = {}
    for entry in get_list(container, "envFrom"):
        prefix = get_str(entry, "prefix")
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if reference := get_map(entry, field):
                optional = reference.get("optional") is True
                values = load(sources, kind, get_str(reference, "name"), optional=optional)
                found |= {prefix + key: value.decode(errors="replace") for key, value in values.items()}
    for entry in get_list(container, "env"):
        value = _value(as_manifest(entry), container, pod, sources, {**linked, **found}, ip=ip, host=host)
        if value is not None:
            found[get_str(entry, "name")] = value
    return {**linked, **found}


def _value(
    entry: Manifest,
    container: Manifest,
    pod: Manifest,
    sources: Sources,
    known: Mapping[str, str],
    *,
    ip: str,
    host: str,
) -> str | None:
    source = get_map(entry, "valueFrom")
    if not source:
        return expand(get_str(entry, "value"), known)
    if path := get_str(source, "fieldRef", "fieldPath"):
        return field_value(pod, path, ip=ip, host=host)
    if "resourceFieldRef" in source:
        return _resource_value(container, get_map(source, "resourceFieldRef"))
    for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if reference := get_map(source, field):
            name, key, optional = (
                get_str(reference, "name"),
                get_str(reference, "key"),
                reference.get("optional"),
            )
            values = load(sources, kind, name, optional=optional is True)
            if key in values:
                return values[key].decode(errors="replace")
            if optional is True:
                return None
            raise MissingError(f"couldn't find key {key} in {kind} {sources.namespace}/{name}")
    return None


def field_value(pod: Manifest, path: str, *, ip: str, host: str) -> str:
    """A field of the pod for the downward API."""
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return get_str(pod, "metadata", found[1], found[2])
    addresses = {"status.podIP": ip, "status.podIPs": ip, "status.hostIP": host, "status.hostIPs": host}
    return addresses.get(path) or get_str(pod, *path.split("."))


_UNITS = (
    {"m": Decimal("0.001")}
    | {unit: Decimal(1000**power) for power, unit in enumerate(("", "k", "M", "G", "T"))}
    | {f"{letter}i": Decimal(1024**power) for power, letter in enumerate("KMGT", 1)}
)


def quantity(text: str) -> Decimal:
    """A Kubernetes quantity in its base unit (bytes, cores)."""
    number = re.match(r"[0-9.]+", text)
    if not number:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(number[0]) * _UNITS[text[number.end() :]]


def _resource_value(container: Manifest, reference: Manifest) -> str:
    kind, _, name = get_str(reference, "resource").partition(".")
    of_node = {"cpu": "64", "memory": "256Gi"}.get(name, "0")
    has = get_str(container, "resources", kind, name) or (of_node if kind == "limits" else "0")
    divisor = quantity(get_str(reference, "divisor") or "1")
    exact = quantity(has) / (divisor or 1)
    return str(int(exact.to_integral_value(rounding="ROUND_CEILING")))


_EXPANSION = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where NAME is known; `$$` is a dollar sign."""

    def replace(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return known.get(found[2], found[0])

    return _EXPANSION.sub(replace, text)


def service_variables(services: Sequence[Manifest], namespace: str, *, links: bool) -> dict[str, str]:
    """Docker-style variables: of the API server always, of the namespace's Services with links."""
    found: dict[str, str] = {}
    for service in services:
        home, name = get_str(service, "metadata", "namespace"), get_str(service, "metadata", "name")
        address = get_str(service, "spec", "clusterIP")
        is_api = (home, name) == ("default", "kubernetes")
        if address not in {"", "None"} and (is_api or (links and home == namespace)):
            found |= _variables_of(
                name.upper().replace("-", "_"), address, get_list(service, "spec", "ports")
            )
    return found


def _variables_of(name: str, address: str, ports: Sequence[JsonValue]) -> dict[str, str]:
    found = {f"{name}_SERVICE_HOST": address}
    for number, port in enumerate(ports):
        protocol, value = get_str(port, "protocol") or "TCP", str(get_int(port, "port"))
        url = f"{protocol.lower()}://{address}:{value}"
        if number == 0:
            found |= {f"{name}_SERVICE_PORT": value, f"{name}_PORT": url}
        if label := get_str(port, "name"):
            found[f"{name}_SERVICE_PORT_{label.upper().replace('-', '_')}"] = value
        stem = f"{name}_PORT_{value}_{protocol}"
        found |= {
            stem: url,
            f"{stem}_PROTO": protocol.lower(),
            f"{stem}_PORT": value,
            f"{stem}_ADDR": address,
        }
    return found
