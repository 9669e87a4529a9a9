"""The Secrets that the operator makes once, with contents that stand for random ones."""

from dedicated.api.json import Manifest
from dedicated.api.resource import Instance
from dedicated.parts import keys
from dedicated.parts.database import monitor
from dedicated.parts.limiter import peers
from dedicated.reconcile.actions import CreateAdmin, CreateKeyPair, CreateMonitor, CreatePeers


def secret_of(
    instance: Instance, action: CreateKeyPair | CreateAdmin | CreateMonitor | CreatePeers
) -> Manifest:
    """What an action makes."""
    match action:
        case CreateKeyPair(suffix):
            return keys.key_pair_secret(instance, suffix, private_pem=b"p", public_pem=b"q")
        case CreateAdmin():
            return keys.admin_secret(instance, "first")
        case CreateMonitor(secret):
            return monitor.secret(instance, secret, "password")
        case CreatePeers(name):
            pair = peers.Pair(b"certificate\n", b"key\n")
            return peers.secret(instance, name, own=pair, following=pair, before=b"")
