"""What Percona's engine is told of a backup of another instance, in a repository that none here archives to.

This form of a source takes no environment, as that of a cluster does: the credentials come as a file of
pgBackRest's configuration, out of the user's Secret. Once imported the cluster is rendered without it: where
its object is made anew, the engine would copy the old backup over the volumes that are there.
"""

from datetime import UTC, datetime

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.source import BackupSource
from dedicated.api.words import instant
from dedicated.parts.database.engine import AMAZON

CONFIGURATION = "pgbackrest.conf"
"""Key of a Secret with options of pgBackRest, as its file has them."""


def arriving(backup: BackupSource) -> Manifest:
    """`dataSource.pgbackrest` for it."""
    secrets = {"store.conf": backup.secret_name, "cipher.conf": backup.passphrase_secret_name}
    options: Manifest = {"repo1-path": f"/{backup.folder}"}
    if backup.passphrase_secret_name is not None:
        options["repo1-cipher-type"] = "aes-256-cbc"
    if not backup.endpoint.partition(":")[0].endswith(AMAZON):
        options["repo1-s3-uri-style"] = "path"
    files: list[JsonValue] = [
        {"secret": {"name": secret, "items": [{"key": CONFIGURATION, "path": file}]}}
        for file, secret in secrets.items()
        if secret is not None
    ]
    s3: Manifest = {"bucket": backup.bucket, "endpoint": backup.endpoint, "region": backup.region}
    found: Manifest = {
        "stanza": backup.server,
        "configuration": files,
        "global": options,
        "repo": {"name": "repo1", "s3": s3},
    }
    if backup.target is not None:
        found["options"] = until(instant(backup.target))
    return found


def until(point: datetime) -> list[JsonValue]:
    """pgBackRest's options to restore to a point in time; a shell takes the quotes away."""
    at = point.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00")
    return ["--type=time", f'--target="{at}"']
