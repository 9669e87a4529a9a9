"""Opening what the escrow wrote, with a recipient's identity: unsealed, unpacked, every checksum compared."""

import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyrage

from dedicated.cli.terminal import FOUND, USAGE, Failure
from dedicated.contract.recovery.bundle import MOST_BYTES, BundleError, Contents, What, sha256, unpack

MOST_SEALED = 256 * 1024 * 1024
"""Bytes of a file that is opened at all."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file, opened and found whole. `sha256` is of the sealed bytes."""

    path: Path
    sha256: str
    contents: Contents
    members: dict[str, bytes]


def identities_in(path: Path) -> list[pyrage.x25519.Identity]:
    """The identities of a file as `age-keygen` writes it. Raises Failure; its text quotes nothing."""
    lines = [line.strip() for line in _read(path).decode("utf-8", "replace").splitlines()]
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise Failure(f"{path}: no age identity (a line AGE-SECRET-KEY-1...)", exit_code=USAGE)
    return found


def opened(path: Path, identities: Sequence[pyrage.x25519.Identity], *, what: What) -> Opened:
    """What a file holds. Raises Failure where it cannot be opened, or is not as it was written."""
    sealed = _read(path)
    try:
        packed = pyrage.decrypt(sealed, identities)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            cause = "it is not sealed to this identity, or its head is damaged"
        else:
            cause = "it is damaged: a byte differs, it is cut off, or it is no age file"
        raise Failure(f"{path}: {cause}", exit_code=FOUND) from None
    try:
        contents, members = unpack(_inflated(packed))
    except BundleError as error:
        raise Failure(f"{path}: {error}", exit_code=FOUND) from None
    if contents.what != what:
        raise Failure(f"{path}: it is a {contents.what.lower()}, not a {what.lower()}", exit_code=USAGE)
    return Opened(path, sha256(sealed), contents, members)


def newest_in(folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """Of what was fetched of an instance's part of the bucket: the newest bundle, and beside it the newest
    ledger and the one before. Raises Failure."""
    bundles = list(folder.rglob("bundle-*.age"))
    if not bundles:
        raise Failure(f"{folder}: no bundle-*.age in it", exit_code=USAGE)
    if len({bundle.parent.parent for bundle in bundles}) > 1:
        text = "bundles of several instances: name the folder of one, PREFIX/NAMESPACE/NAME"
        raise Failure(f"{folder}: {text}", exit_code=USAGE)
    incarnation = max(bundles, key=lambda path: _written(path)[::-1]).parent
    newest = max(incarnation.glob("bundle-*.age"), key=_written)
    ledgers = sorted(incarnation.glob("ledger-*.age"), key=_written)
    return newest, tuple(ledgers[-2:])


def newest_ledger(found: Sequence[Opened], bundle: Contents) -> Opened | None:
    """The ledger that holds most, of those at hand; None where none is. Raises Failure for one of another
    incarnation, and where the chain between two that follow each other is broken."""
    ordered = sorted(found, key=lambda one: (one.contents.number, one.contents.at))
    for one in ordered:
        if one.contents.incarnation != bundle.incarnation:
            of = f"of incarnation {one.contents.incarnation}, the bundle is of {bundle.incarnation}"
            raise Failure(f"{one.path}: {of}", exit_code=FOUND)
        before = [other for other in ordered if other.contents.number == one.contents.number - 1]
        if before and one.contents.previous.sha256 not in {other.sha256 for other in before}:
            text = f"{one.path}: ledger {one.contents.number} does not follow the ledger before it"
            raise Failure(text, exit_code=FOUND)
    return ordered[-1] if ordered else None


def _written(path: Path) -> tuple[str, str]:
    """Number and time in a name, `bundle-NUMBER-TIME-HASH.age`: within one incarnation the number counts."""
    _, number, time, *_ = (*path.stem.split("-"), "", "")
    return number, time


def _inflated(packed: bytes) -> bytes:
    """Raises BundleError."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise BundleError("it is not compressed as a bundle is") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_SEALED + 1)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", exit_code=USAGE) from None
    if len(data) > MOST_SEALED:
        raise Failure(f"{path}: larger than {MOST_SEALED} bytes", exit_code=USAGE)
    return data
