"""A key bundle with every field, its status, and counter-examples of its rules."""

from api.database_examples import CLUSTER
from dedicated.api.json import JsonValue, Manifest

PROVIDER = "age1tj9expxhf8qgzlqx9aheu8f4xapfq0m7kr665h9n2px84eeq3u9qatykzc"
CUSTOMER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
KEY_BUNDLE: Manifest = {
    "recipients": [{"role": "Provider", "key": PROVIDER}, {"role": "Customer", "key": CUSTOMER}],
    "repository": {
        "bucket": "acme-keys",
        "prefix": "keys",
        "endpoint": "s3.eu-central-2.amazonaws.com",
        "region": "eu-central-2",
        "secretName": "escrow",
    },
}
_OBJECT: Manifest = {
    "number": 1,
    "object": "keys/acme-ns/acme/uid/bundle-000001.age",
    "sha256": "a" * 64,
    "writtenAt": "2026-03-01T12:00:00Z",
}
KEY_BUNDLE_STATUS: Manifest = {
    **_OBJECT,
    "fingerprint": "0" * 32,
    "recipients": [{"role": "Provider", "fingerprint": "0" * 16}],
    "ledger": _OBJECT,
    "openedAt": "2026-03-01T12:00:00Z",
}


def _of(*roles: str) -> Manifest:
    keys = (PROVIDER, CUSTOMER)
    recipients: list[JsonValue] = [{"role": role, "key": key} for role, key in zip(roles, keys, strict=True)]
    return {"keyBundle": {**KEY_BUNDLE, "recipients": recipients}}


def _beside(**repository: str) -> Manifest:
    """The backups' own place, and one of their copy."""
    where = KEY_BUNDLE["repository"]
    assert isinstance(where, dict)
    return {**CLUSTER, "keyBundle": {**KEY_BUNDLE, "repository": {**where, **repository}}}


_ALONE = "provider and customer each open it alone"
KEY_BUNDLE_RULES: dict[str, tuple[Manifest, ...]] = {
    f"spec.keyBundle/rule/recipients must name one with role Provider: {_ALONE}": (
        _of("Customer", "Customer"),
    ),
    f"spec.keyBundle/rule/recipients must name one with role Customer: {_ALONE}": (
        _of("Provider", "Provider"),
    ),
    "spec/rule/keyBundle.repository.bucket must not be one of the backups': who can read the backups would "
    "find the keys beside them": (_beside(bucket="acme-backup"),),
    "spec/rule/keyBundle.repository.secretName must not be one of the backups': who can write the backups "
    "could write over the keys": (_beside(secretName="repository"),),
}
