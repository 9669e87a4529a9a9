"""What an object of the escrow holds, before it is sealed: a tar whose first member says what the others are.

`manifest.json` names instance, incarnation, number, time, versions and who can open it, the SHA-256 of each
other member, and of the object before it: so that a flipped byte, a missing member and a missing object are
each told by name. `README.md` is for a person without this program. The same members make the same bytes.

Opening checks all of it before anything is handed out, within bounds: what is opened came from a store.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from dedicated.api.key_bundle import RecipientRole
from dedicated.contract.recovery.escrow import Opener

MANIFEST = "manifest.json"
README = "README.md"
FORMAT = "dedicated.zitadel.com/escrow/v1"
MOST_BYTES = 256 * 1024 * 1024
"""Of an opened object: far above what a ledger of years comes to."""
OPENER_DIGITS = 16
MEMBER = re.compile(r"[a-z]+/[-a-z0-9.]{1,253}(/[-._a-zA-Z0-9]{1,253})?|[A-Za-z]+\.(json|md)")
What = Literal["Bundle", "Ledger"]


class BundleError(ValueError):
    """What was opened is not as it was packed; the text names what differs."""


@dataclass(frozen=True, slots=True)
class Previous:
    """The object before this one of the same kind; both empty where the record knew none."""

    object: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """`manifest.json`. `fingerprint` is the masterkey's salted one; `masterkey` names its Secret and key.
    `sums` has the SHA-256 of each other member."""

    format: str
    what: What
    instance: str
    namespace: str
    incarnation: str
    number: int
    at: datetime
    mark: str
    fingerprint: str
    masterkey: str
    versions: Mapping[str, str]
    openers: tuple[Opener, ...]
    previous: Previous
    sums: Mapping[str, str]


_ADAPTER = TypeAdapter(Contents)


def opener(role: RecipientRole, key: str) -> Opener:
    """Who holds the identity of a public key."""
    return Opener(role, sha256(key.encode())[:OPENER_DIGITS])


def sha256(data: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sums_of(members: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each member."""
    return {name: sha256(data) for name, data in sorted(members.items())}


def pack(contents: Contents, members: Mapping[str, bytes]) -> bytes:
    """The tar."""
    manifest = json.dumps(_ADAPTER.dump_python(contents, mode="json"), indent=2, sort_keys=True) + "\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in ((MANIFEST, manifest.encode()), *sorted(members.items())):
            head = tarfile.TarInfo(name)
            head.size, head.mode, head.mtime = len(data), 0o600, int(contents.at.timestamp())
            archive.addfile(head, io.BytesIO(data))
    return out.getvalue()


def unpack(data: bytes) -> tuple[Contents, dict[str, bytes]]:
    """The manifest and the members. Raises BundleError where one is missing, or not as packed."""
    if len(data) > MOST_BYTES:
        raise BundleError(f"it has {len(data)} bytes, more than {MOST_BYTES}")
    members = dict(_members(data))
    try:
        contents = _ADAPTER.validate_json(members.pop(MANIFEST))
    except KeyError:
        raise BundleError(f"it has no {MANIFEST}") from None
    except ValidationError:
        raise BundleError(f"{MANIFEST} is of another version, or none") from None
    if contents.format != FORMAT:
        raise BundleError(f"{MANIFEST}: format {contents.format} is not known, {FORMAT} is")
    if missing := sorted(contents.sums.keys() - members.keys()):
        raise BundleError(f"member {missing[0]} is missing")
    if unknown := sorted(members.keys() - contents.sums.keys()):
        raise BundleError(f"member {unknown[0]} is not in {MANIFEST}")
    for name, told in contents.sums.items():
        if sha256(members[name]) != told:
            raise BundleError(f"member {name} is not as it was packed: its SHA-256 differs")
    return contents, members


def _members(data: bytes) -> Iterable[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for head in archive:
                file = archive.extractfile(head) if head.isreg() else None
                if file is None or MEMBER.fullmatch(head.name) is None:
                    raise BundleError(f"member {head.name[:100]!r} is no file of a bundle")
                yield head.name, file.read()
    except tarfile.TarError:
        raise BundleError("it is no tar, or it is cut off") from None


def object_name(prefix: str, contents: Contents, sealed: bytes) -> str:
    """Where it is put: by incarnation, in order of time, with the begin of its own SHA-256, so that nothing
    is ever written over by something else."""
    at = contents.at.strftime("%Y%m%dT%H%M%SZ")
    name = f"{contents.what.lower()}-{contents.number:06d}-{at}-{sha256(sealed)[:16]}.age"
    parts = (prefix.strip("/"), contents.namespace, contents.instance, contents.incarnation, name)
    return "/".join(part for part in parts if part)
