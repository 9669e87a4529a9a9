"""Writes image archives: what `ctr images import`, `docker load` and `kind load image-archive` read.

One archive may hold several images; layers that they share are in it once, and a runtime imports them once.
It is an OCI layout, with the list that Docker reads beside it.

Limits: Linux on amd64, layers uncompressed: archives go from this machine's disk to this machine's nodes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dedicated.api.json import JsonValue
from images.dockerfile import Config

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Layer:
    """A tar on disk and its SHA-256, in hexadecimal digits."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image: the name that pods use, its layers from the lowest up, and how it runs."""

    reference: str
    layers: tuple[Layer, ...]
    config: Config


def write(images: Sequence[Image], out: Path) -> None:
    """Write an archive of all images."""
    layers = {layer.digest: layer.path for image in images for layer in image.layers}
    blobs: dict[str, bytes] = {}
    manifests: list[JsonValue] = []
    for_docker: list[JsonValue] = []
    for image in images:
        config = _add(blobs, _config(image))
        described: dict[str, JsonValue] = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(config, _CONFIG, len(blobs[config])),
            "layers": [_described(each.digest, _LAYER, each.path.stat().st_size) for each in image.layers],
        }
        manifest = _add(blobs, described)
        names: dict[str, JsonValue] = {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
        }
        manifests.append({**_described(manifest, _MANIFEST, len(blobs[manifest])), "annotations": names})
        for_docker.append(
            {
                "Config": _path(config),
                "RepoTags": [image.reference],
                "Layers": [_path(each.digest) for each in image.layers],
            }
        )
    index: dict[str, JsonValue] = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as archive:
        _put(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _put(archive, "index.json", json.dumps(index).encode())
        _put(archive, "manifest.json", json.dumps(for_docker).encode())
        for digest, data in blobs.items():
            _put(archive, _path(digest), data)
        for digest, path in layers.items():
            entry = tarfile.TarInfo(_path(digest))
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _config(image: Image) -> dict[str, JsonValue]:
    config = image.config
    runs: dict[str, JsonValue] = {
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "User": config.user,
        "WorkingDir": config.directory,
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "ExposedPorts": {f"{port}/tcp": {} for port in config.ports},
        "Labels": dict(config.labels),
    }
    digests: list[JsonValue] = [f"sha256:{layer.digest}" for layer in image.layers]
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {name: value for name, value in runs.items() if value},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }


def _add(blobs: dict[str, bytes], content: Mapping[str, JsonValue]) -> str:
    data = json.dumps(content, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return digest


def _described(digest: str, kind: str, size: int) -> dict[str, JsonValue]:
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
