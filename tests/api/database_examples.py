"""Counter-examples of the rules of `spec.database` and `spec.backup`: patches of the smallest spec."""

from dedicated.api.json import JsonValue, Manifest

REPOSITORY: Manifest = {
    "provider": "s3",
    "bucket": "acme-backup",
    "prefix": "backups",
    "endpoint": "s3.eu-central-2.amazonaws.com",
    "region": "eu-central-2",
    "secretName": "repository",
    "encryption": {"clientSide": {"secretName": "passphrase"}, "serverSide": "AES256"},
    "immutability": {"versioning": "Required"},
}
ON_VOLUME: Manifest = {
    **REPOSITORY,
    "provider": "volume",
    "storage": {"size": "10Gi", "className": "fast"},
}
"""With every field that a repository may have."""
_SERVERS: Manifest = {
    "postgresVersion": 18,
    "image": "images.example.test/postgres:18",
    "backupImage": "images.example.test/pgbackrest:2.58.0",
    "storage": {"size": "20Gi"},
}
_DATABASE: Manifest = {"engine": "percona", "external": None, "cluster": _SERVERS}
_BUCKET: Manifest = {
    "bucket": "acme-backup",
    "endpoint": "s3.eu-central-2.amazonaws.com",
    "region": "eu-central-2",
    "secretName": "repository",
    "encryption": {"clientSide": {"secretName": "passphrase"}},
}
_LOCATED: Manifest = {"infrastructure": {"dataLocation": {"region": "Switzerland"}}}
CLUSTER: Manifest = {**_LOCATED, "database": _DATABASE, "backup": {"repository": _BUCKET}}
"""Patch that makes the smallest spec one of a database that an engine runs."""


def _clustered(**backup: JsonValue) -> Manifest:
    """The same with more in `backup`."""
    return {**CLUSTER, "backup": {"repository": _BUCKET, **backup}}


def _database(**changes: JsonValue) -> Manifest:
    return {**CLUSTER, "database": {**_DATABASE, **changes}}


def _loose(field: str, most: str, clause: str) -> str:
    return (
        f"spec/rule/backup.{field} above {most} is looser than contract clause {clause}: "
        "name the agreement in agreements[]"
    )


def _repositories(key: str, *each: Manifest) -> tuple[Manifest, ...]:
    return tuple(_clustered(copies=[one]) if key == "copies" else _clustered(repository=one) for one in each)


def _scheduled(kind: str, schedule: str) -> Manifest:
    changes: Manifest = {kind: {"schedule": schedule}}
    return _clustered(**changes)


_EXTERNAL: Manifest = {"state": "New", "secretRef": {"name": "database"}}
_ENCRYPTED: Manifest = {"encryption": {"serverSide": "AES256"}}
_VOLUME: Manifest = {
    "provider": "volume",
    "storage": {"size": "10Gi"},
    "encryption": {"clientSide": {"secretName": "passphrase"}},
}
_STORED: Manifest = {**REPOSITORY, "storage": {"size": "10Gi"}}
_PLACES = (("spec.backup.repository", "repository"), ("spec.backup.copies[]", "copies"))
DATABASE_RULES: dict[str, tuple[Manifest, ...]] = {
    "spec.database/rule/external is required with engine external, and has no effect with another": (
        {"database": {"external": None}},
        _database(external=_EXTERNAL),
    ),
    "spec.database/rule/cluster is required with an engine other than external": (_database(cluster=None),),
    "spec.database/rule/cluster has no effect with engine external": ({"database": {"cluster": _SERVERS}},),
    "spec.database/rule/engine percona needs cluster.backupImage": (
        _database(cluster={**_SERVERS, "backupImage": None}),
    ),
    "spec/rule/backup has no effect with engine external: whoever runs the database backs it up, "
    "the operator can only observe it": ({"backup": CLUSTER["backup"]},),
    "spec/rule/backup is required with an engine other than external: the contract's backups are "
    "made with it (B-1, B-2)": ({**_LOCATED, "database": _DATABASE},),
    "spec/rule/infrastructure.dataLocation is required with an engine other than external: it says "
    "where database and backups may be, and is chosen at creation (D-1)": (
        {"database": _DATABASE, "backup": CLUSTER["backup"]},
    ),
    _loose("objectives.disasterRPO", "1h", "B-3"): (
        _clustered(objectives={"disasterRPO": "61m"}),
        {**_clustered(objectives={"disasterRPO": "2h"}), "agreements": [{"clause": "B-2", "record": "a"}]},
    ),
    _loose("objectives.failoverRPO", "1m", "B-5"): (_clustered(objectives={"failoverRPO": "61s"}),),
    _loose("objectives.failoverRTO", "1m", "B-5"): (_clustered(objectives={"failoverRTO": "2m"}),),
    _loose("objectives.restoreTime", "4h", "B-4"): (_clustered(objectives={"restoreTime": "241m"}),),
    _loose("wal.archiveInterval", "60s", "B-2"): (_clustered(wal={"archiveInterval": "61s"}),),
    "spec/rule/backup.differential.mode walOnly is looser than contract clause B-2: "
    "name the agreement in agreements[]": (_clustered(differential={"mode": "walOnly"}),),
    **{
        f"spec.backup.{kind}/rule/schedule must be minute and hour, as cron writes them, and three times *, "
        "since a backup comes each day (B-1), such as '0 1 * * *'": tuple(
            _scheduled(kind, schedule)
            for schedule in ("0 1 * *", "0 1 * * 1", "at one o'clock", "0 1 * * * ")
        )
        for kind in ("full", "differential")
    },
    "spec.backup/rule/a repository on a volume is lost with its zone: name a copy elsewhere in copies[]": (
        _clustered(repository=_VOLUME),
    ),
    "spec.backup/rule/a copy must have provider s3": (_clustered(copies=[_VOLUME]),),
    **{
        f"{path}/rule/{rule}": _repositories(key, broken)
        for path, key in _PLACES
        for rule, broken in {
            "provider must be s3 or volume: others cannot be checked for location and continuity yet": {
                "provider": "gcs",
                **_ENCRYPTED,
            },
            "provider s3 needs bucket, endpoint, region and secretName": _ENCRYPTED,
            "provider volume needs storage, and encryption.clientSide: how a volume is encrypted "
            "cannot be seen (D-2)": {**_VOLUME, **_ENCRYPTED},
            "storage has no effect with provider s3: remove it, or set provider volume": _STORED,
            "endpoint must be that of region: Amazon's names it": {**REPOSITORY, "region": "eu-central-1"},
        }.items()
    },
    **{
        f"{path}.encryption/rule/set clientSide or serverSide: a backup is never stored in the clear (D-2)": (
            _repositories(key, {**REPOSITORY, "encryption": {}})
        )
        for path, key in _PLACES
    },
}
"""Rule -> patches of the smallest spec, each of which breaks it."""

DATABASE_TRANSITIONS: dict[str, tuple[tuple[Manifest, Manifest], ...]] = {
    "spec.database/rule/engine is immutable: a database does not change its engine; "
    "restore into a new instance instead": (
        (_LOCATED, CLUSTER),
        (CLUSTER, {"database": {"engine": "cloudnative-pg"}}),
    ),
    "spec.database.cluster/rule/postgresVersion is immutable: "
    "a major upgrade of PostgreSQL is a restore into a new instance": (
        (CLUSTER, {"database": {"cluster": {"postgresVersion": 17}}}),
    ),
    "spec.backup/rule/repository is immutable: backups stay where they are; "
    "restore into a new instance instead": (
        (CLUSTER, {"backup": {"repository": {"bucket": "another"}}}),
    ),
}
"""Rule -> pairs: a patch that makes a valid spec, and a patch of that which breaks the rule."""
