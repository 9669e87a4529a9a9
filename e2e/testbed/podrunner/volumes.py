"""A pod's volumes as directories, and a container's mounts as links to them below its root."""

import shutil
from pathlib import Path

from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from testbed.home import write_atomically
from testbed.podrunner.environment import MissingError, Sources, field_value, load

_NO_TOKEN = b"no token: pods of the testbed do not speak to the API server\n"
_DEFAULT_MODE = 0o644


def lay_out(pod: Manifest, sources: Sources, folder: Path, *, ip: str, host: str) -> None:
    """Write all volumes below `folder`, one directory each; MissingError if a source does not exist."""
    for entry in get_list(pod, "spec", "volumes"):
        volume = as_manifest(entry)
        target = folder / get_str(volume, "name")
        target.mkdir(parents=True, exist_ok=True)
        for path, (data, mode) in _files(volume, pod, sources, ip=ip, host=host).items():
            write_atomically(target / path, data, mode=mode)


def _files(
    volume: Manifest, pod: Manifest, sources: Sources, *, ip: str, host: str
) -> dict[str, tuple[bytes, int]]:
    if "configMap" in volume:
        part = get_map(volume, "configMap")
        return _keyed(part, "ConfigMap", get_str(part, "name"), sources, _mode(part))
    if "secret" in volume:
        part = get_map(volume, "secret")
        return _keyed(part, "Secret", get_str(part, "secretName"), sources, _mode(part))
    if "downwardAPI" in volume:
        part = get_map(volume, "downwardAPI")
        return _fields(part, pod, _mode(part), ip=ip, host=host)
    if "projected" in volume:
        part, found = get_map(volume, "projected"), dict[str, tuple[bytes, int]]()
        for source in get_list(part, "sources"):
            found |= _projected(as_manifest(source), pod, sources, _mode(part), ip=ip, host=host)
        return found
    if "emptyDir" in volume:
        return {}
    kind = next((key for key in volume if key != "name"), "")
    raise MissingError(f"the testbed has no volumes of type {kind}")


def _projected(
    source: Manifest, pod: Manifest, sources: Sources, mode: int, *, ip: str, host: str
) -> dict[str, tuple[bytes, int]]:
    for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if field in source:
            part = get_map(source, field)
            return _keyed(part, kind, get_str(part, "name"), sources, mode)
    if "downwardAPI" in source:
        return _fields(get_map(source, "downwardAPI"), pod, mode, ip=ip, host=host)
    if "serviceAccountToken" in source:
        return {get_str(source, "serviceAccountToken", "path"): (_NO_TOKEN, mode)}
    raise MissingError(f"the testbed has no projection of {', '.join(source)}")


def _mode(part: Manifest) -> int:
    return _given_mode(part.get("defaultMode"), _DEFAULT_MODE)


def _given_mode(value: JsonValue, default: int) -> int:
    return value if isinstance(value, int) else default


def _keyed(part: Manifest, kind: str, name: str, sources: Sources, mode: int) -> dict[str, tuple[bytes, int]]:
    optional = part.get("optional") is True
    values = load(sources, kind, name, optional=optional)
    if "items" not in part:
        return {key: (data, mode) for key, data in values.items()}
    found: dict[str, tuple[bytes, int]] = {}
    for entry in get_list(part, "items"):
        item = as_manifest(entry)
        key = get_str(item, "key")
        if key in values:
            found[get_str(item, "path")] = (values[key], _given_mode(item.get("mode"), mode))
        elif not optional:
            raise MissingError(f"references non-existent {kind.lower()} key: {key}")
    return found


def _fields(part: Manifest, pod: Manifest, mode: int, *, ip: str, host: str) -> dict[str, tuple[bytes, int]]:
    return {
        get_str(item, "path"): (
            field_value(pod, get_str(item, "fieldRef", "fieldPath"), ip=ip, host=host).encode(),
            mode,
        )
        for item in get_list(part, "items")
    }


def mount(container: Manifest, volumes: Path, root: Path) -> None:
    """Make a container's root: a directory in which every mount path leads to its volume."""
    shutil.rmtree(root, ignore_errors=True)
    (root / "tmp").mkdir(parents=True)
    mounts = sorted(get_list(container, "volumeMounts"), key=lambda entry: len(get_str(entry, "mountPath")))
    for entry in mounts:
        source = volumes / get_str(entry, "name")
        if part := get_str(entry, "subPath"):
            source /= part
        path = root / get_str(entry, "mountPath").strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        path.symlink_to(source)
