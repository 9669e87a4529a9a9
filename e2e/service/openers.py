"""Who opens the key bundle: a pair of keys for each side, made once for a cluster and kept outside of it."""

import json
from pathlib import Path

import pyrage

from dedicated.api.json import as_manifest, get_str
from testbed.home import write_atomically

SIDES = ("Provider", "Customer")


def identity(home: Path, side: str) -> str:
    """The private key of a side, as a line of an identity file of age. Made at the first question."""
    return get_str(as_manifest(json.loads(_kept(home).read_text())), side)


def recipients(home: Path) -> tuple[tuple[str, str], ...]:
    """Each side with its public key."""
    pairs = ((side, pyrage.x25519.Identity.from_str(identity(home, side))) for side in SIDES)
    return tuple((side, str(pair.to_public())) for side, pair in pairs)


def _kept(home: Path) -> Path:
    file = home / "openers.json"
    if not file.exists():
        made = {side: str(pyrage.x25519.Identity.generate()) for side in SIDES}
        write_atomically(file, json.dumps(made), mode=0o600)
    return file
