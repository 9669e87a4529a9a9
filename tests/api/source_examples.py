"""What an instance may start from, each with every field, its status, and counter-examples of its rules."""

from api.database_examples import CLUSTER
from dedicated.api.json import JsonValue, Manifest, get_map

_STORE: Manifest = {
    "bucket": "acme-elsewhere",
    "folder": "backups/acme/a-uid",
    "endpoint": "s3.eu-west-1.amazonaws.com",
    "region": "eu-west-1",
    "secretName": "elsewhere",
}
_SCRATCH: Manifest = {"size": "20Gi", "className": "fast"}
EXPORT: Manifest = {
    **_STORE,
    "manifestSha256": "a" * 64,
    "identitySecretName": "identity",
    "scratch": _SCRATCH,
    "image": "images.example.test/postgres:18",
}
BACKUP: Manifest = {
    **_STORE,
    "server": "db",
    "passphraseSecretName": "passphrase-elsewhere",
    "postgresVersion": 18,
    "zitadelVersion": "v4.15.2",
    "target": "2026-03-01T12:00:00Z",
}
DATABASE: Manifest = {
    "secretName": "self-hosted",
    "zitadelVersion": "v4.15.2",
    "scratch": _SCRATCH,
    "image": "images.example.test/postgres:18",
}
KEYS: Manifest = {"keys": {"masterkey": {"secretRef": {"name": "own"}}}}
SOURCES: dict[str, Manifest] = {
    "export": {**KEYS, "from": {"export": EXPORT}},
    "backup": {**KEYS, **CLUSTER, "from": {"backup": BACKUP}},
    "database": {**KEYS, "from": {"database": DATABASE}},
}
"""Patches of the smallest spec: an instance that starts from each."""


def full_source(path: tuple[str, ...]) -> Manifest:
    """The patch that has what is below a path of the schema; empty where that is below no source."""
    return SOURCES[path[2]] if path[:2] == ("spec", "from") and len(path) > 2 else {}


IMPORT_STATUS: Manifest = {
    "source": "Backup",
    "origin": "s3://acme-elsewhere/backups/acme/a-uid at s3.eu-west-1.amazonaws.com",
    "place": "aws:eu-west-1",
    "phase": "Imported",
    "message": "7 events",
    "responsible": "Provider",
    "progress": {"bytes": 1, "total": 2},
    "startedAt": "2026-03-01T12:00:00Z",
    "expectedEnd": "2026-03-01T12:10:00Z",
    "importedAt": "2026-03-01T12:10:00Z",
}


def _from(kind: str, **changes: JsonValue) -> Manifest:
    """A patch whose source has these changes."""
    whole = SOURCES[kind]
    return {**whole, "from": {kind: {**get_map(whole, "from", kind), **changes}}}


_CNPG: Manifest = {**CLUSTER, "database": {**get_map(CLUSTER, "database"), "engine": "cloudnative-pg"}}
_MAJOR = (
    "spec/rule/from.backup needs an engine that runs the database here, with the major version of the "
    "backups: set database.cluster.postgresVersion to from.backup.postgresVersion"
)
SOURCE_RULES: dict[str, tuple[Manifest, ...]] = {
    "spec.from/rule/set exactly one of export, backup and database": (
        {**KEYS, "from": {}},
        {**KEYS, "from": {"export": EXPORT, "database": DATABASE}},
    ),
    "spec/rule/keys.masterkey.secretRef is required with from: its data can only be read with the masterkey "
    "it was written with": ({"from": {"export": EXPORT}},),
    "spec/rule/firstInstance must not be set with from: it would have no effect": (
        {**SOURCES["export"], "firstInstance": {}},
    ),
    "spec/rule/from needs an empty database: set database.external.state New": (
        {**SOURCES["database"], "database": {"external": {"state": "Existing"}}},
    ),
    _MAJOR: ({**KEYS, "from": {"backup": BACKUP}}, _from("backup", postgresVersion=17)),
    "spec/rule/from.backup.passphraseSecretName has no effect but with engine percona": (
        {**SOURCES["backup"], **_CNPG},
    ),
    **{
        f"spec/rule/from.{kind}.image is required with engine external: no program of PostgreSQL is known": (
            _from(kind, image=None),
        )
        for kind in ("export", "database")
    },
}
"""Rule -> patches of the smallest spec, each of which breaks it."""
SOURCE_TRANSITIONS: dict[str, tuple[tuple[Manifest, Manifest], ...]] = {
    "spec/rule/from is immutable: it is read once, when the instance is created": (
        (SOURCES["export"], {"from": {"export": {"bucket": "another"}}}),
        (SOURCES["database"], {"from": None}),
        (KEYS, {"from": {"export": EXPORT}}),
    )
}
"""Rule -> pairs: a patch that makes a valid spec, and a patch of that which breaks the rule."""
