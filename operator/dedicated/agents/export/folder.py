"""A downloaded export, held against its manifest: every object opened as a stream, whatever its size."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyrage

from dedicated.contract.transfer.export import MANIFEST, README, SEALED, File, Flaw, Manifest, read_manifest
from dedicated.contract.transfer.physical_export import (
    REPOSITORY,
    PhysicalManifest,
    fetched_flaws,
    read_physical,
)

PIECE = 1024 * 1024


class NotAnIdentityError(ValueError):
    """A file holds no identity of age."""


def identity_in(file: Path) -> pyrage.x25519.Identity:
    """The first identity in a file, as `age-keygen` writes it. Raises NotAnIdentityError, OSError."""
    for line in file.read_text(encoding="ascii", errors="replace").splitlines():
        if line.strip().startswith("AGE-SECRET-KEY-1"):
            try:
                return pyrage.x25519.Identity.from_str(line.strip())
            except pyrage.IdentityError:
                break
    raise NotAnIdentityError(f"{file.name} holds no identity of age (AGE-SECRET-KEY-1...)")


def manifest_in(folder: Path, *, sha256: str = "") -> Manifest:
    """The manifest of a folder; `sha256` is that of the order's status, where it is known.

    Raises ValueError, and OSError where there is none.
    """
    return read_manifest(_manifest(folder, sha256))


def either_in(folder: Path, *, sha256: str = "") -> Manifest | PhysicalManifest:
    """The same, also of a physical export."""
    data = _manifest(folder, sha256)
    return read_physical(data) or read_manifest(data)


def _manifest(folder: Path, sha256: str) -> bytes:
    data = (folder / MANIFEST).read_bytes()
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{MANIFEST} is not the one that was written: its SHA-256 differs")
    return data


def check(
    folder: Path,
    manifest: Manifest | PhysicalManifest,
    identity: pyrage.x25519.Identity | None,
    *,
    output: Path | None = None,
) -> Iterator[Flaw]:
    """What is wrong. Without an identity the objects alone are held against their checksums.

    With `output`, what is opened and right is written there. Raises OSError of files that cannot be read.
    """
    for file in manifest.files:
        found = _sealed(folder, file)
        if found is None and identity is not None:
            found = _opened(folder, file, identity, output)
        if found is not None:
            yield found
    known = {MANIFEST, README, *(file.name + SEALED for file in manifest.files)}
    known |= {file.name for file in manifest.files}
    for path in sorted(path for path in folder.rglob("*" + SEALED) if path.is_file()):
        name = str(path.relative_to(folder))
        if name not in known:
            yield Flaw("FileUnknown", name, "it is not in the manifest")


def check_fetched(folder: Path, manifest: PhysicalManifest) -> Iterator[Flaw]:
    """What of a physical export was not fetched, or not whole; nothing where none was fetched yet."""
    root = folder / REPOSITORY
    names = {one.name for one in manifest.objects}
    sizes = {name: (root / name).stat().st_size for name in names if (root / name).is_file()}
    return fetched_flaws(manifest, sizes) if sizes else iter(())


def _sealed(folder: Path, file: File) -> Flaw | None:
    name = file.name + SEALED
    path = folder / name
    if not path.is_file():
        return Flaw("FileMissing", name, f"{file.sealed_size} bytes are missing")
    size = path.stat().st_size
    if size != file.sealed_size:
        return Flaw("FileDamaged", name, f"it has {size} bytes, {file.sealed_size} were stored")
    hashed = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(PIECE):
            hashed.update(piece)
    if hashed.hexdigest() != file.sealed_sha256:
        return Flaw("FileDamaged", name, "its SHA-256 is not the one of what was stored")
    return None


def _opened(folder: Path, file: File, identity: pyrage.x25519.Identity, output: Path | None) -> Flaw | None:
    target = output / file.name if output is not None else Path("/dev/null")
    if output is not None:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / (file.name + SEALED)).open("rb") as source, target.open("wb") as sink:
        hashing = _Hashing(sink)
        try:
            pyrage.decrypt_io(source, hashing, [identity])
        except pyrage.DecryptError:
            return Flaw("FileNotOpened", file.name + SEALED, "this identity does not open it")
    if (hashing.size, hashing.sum.hexdigest()) != (file.size, file.sha256):
        return Flaw("FileDamaged", file.name, "what it holds is not what was sealed")
    return None


class _Hashing:
    """A file that is written, and hashed meanwhile."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sum = hashlib.sha256()
        self.size = 0
        self._sink = sink

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self.sum.update(data)
        self.size += len(data)
        return self._sink.write(data)

    def flush(self) -> None:
        """As a file has it."""
        self._sink.flush()
