"""An instance of a lost cluster as it begins in another one: from the newest backup in its own repository.

What the bundle and the ledger hold says all of it: the place of the backups, of the database that served
last, their versions, and the masterkey's Secret. So nobody writes `spec.from` by hand on the day of need.

The databases are stated as gone, by records of the day: else the ledger of before would name one of them as
the instance's, or an import of before as done, and the new cluster would wait for what is not there.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from dedicated.api.backup import Repository
from dedicated.api.conditions import rfc3339
from dedicated.api.json import JsonValue, Manifest, get_map
from dedicated.api.names import API_VERSION
from dedicated.api.objects import RECORD, SECRET
from dedicated.api.resource import FIRST, Instance, InvalidInstance, parse_instance
from dedicated.contract.facts import Fact
from dedicated.contract.recovery.bundle import BundleError, Contents
from dedicated.contract.recovery.restore import database_in
from dedicated.parts.database import cloudnative_pg
from dedicated.parts.database.engine import cluster_name, folder
from dedicated.parts.database.percona_arriving import CONFIGURATION
from dedicated.parts.recovery_source import STANZA

BY = "dedicated keys restore"
AS_KEYS = "access-key-id and secret-access-key"
AS_CONFIGURATION = f"{CONFIGURATION} with [global], repo1-s3-key and repo1-s3-key-secret, to read the backups"


@dataclass(frozen=True, slots=True)
class Restarted:
    """The instance's manifest, and Secrets and records that are made with it. `needed` are the Secrets that
    no bundle has: name, and what its user puts into it."""

    instance: Manifest
    beside: tuple[Manifest, ...]
    records: tuple[Manifest, ...]
    needed: Mapping[str, str]


def restarted(
    contents: Contents,
    manifest: Manifest,
    members: Mapping[str, bytes],
    facts: Iterable[Fact],
    *,
    now: datetime,
) -> Restarted:
    """What an instance begins with from its backups. `manifest` is the newest that is kept, `members` are the
    bundle's. Raises BundleError where no backup of it outlives a cluster, or its release is not told."""
    instance, known = _parsed(contents, manifest), tuple(facts)
    backup, cluster = instance.spec.backup, instance.spec.database.cluster
    if backup is None or cluster is None or not backup.buckets:
        raise BundleError("its database is external, or no backup of it is in a bucket: bring it back first")
    version = contents.versions.get("zitadel") or instance.spec.release.version
    if not version:
        raise BundleError("the release that served is not told: set spec.from.backup by hand (docs/keys.md)")
    _, repository = backup.buckets[0]
    served = replace(instance, database=database_in(known))
    of_percona = instance.spec.database.engine == "percona"
    store = f"{instance.name}-source" if of_percona else repository.secret_name or ""
    source: dict[str, JsonValue] = {
        "bucket": repository.bucket,
        "folder": folder(served, repository).strip("/"),
        "endpoint": repository.endpoint,
        "region": repository.region,
        "secretName": store,
        "server": STANZA if of_percona else cloudnative_pg.server_name(served),
        "postgresVersion": cluster.postgres_version,
        "zitadelVersion": version,
    }
    beside = _passphrase(instance, repository, members) if of_percona else ()
    if beside:
        source["passphraseSecretName"] = get_map(beside[0], "metadata")["name"]
    name, _, key = contents.masterkey.partition("/")
    spec = {field: value for field, value in get_map(manifest, "spec").items() if field != "firstInstance"}
    spec |= {"from": {"backup": source}, "keys": {"masterkey": {"secretRef": {"name": name, "key": key}}}}
    lost = {cluster_name(served), cluster_name(replace(instance, database=FIRST))}
    records = tuple(_lost(contents, one, now) for one in sorted(lost))
    needed = _stores(instance) | ({store: AS_CONFIGURATION} if of_percona else {})
    return Restarted({**manifest, "spec": spec}, beside, records, needed)


def _parsed(contents: Contents, manifest: Manifest) -> Instance:
    """As of the incarnation that is lost: its uid is in the path of its backups."""
    head: Manifest = {**get_map(manifest, "metadata"), "uid": contents.incarnation}
    found = parse_instance({**manifest, "metadata": head})
    if isinstance(found, InvalidInstance):
        raise BundleError(f"the instance breaks this version's rules: {found.problems[0]}")
    return found


def _stores(instance: Instance) -> dict[str, str]:
    """Credentials of stores, which are in no bundle."""
    spec = instance.spec
    buckets = [bucket.secret_name for _, bucket in spec.backup.buckets] if spec.backup else []
    buckets += [spec.key_bundle.repository.secret_name] if spec.key_bundle else []
    return {name: AS_KEYS for name in buckets if name}


def _passphrase(
    instance: Instance, repository: Repository, members: Mapping[str, bytes]
) -> tuple[Manifest, ...]:
    """The passphrase as pgBackRest reads it from a file."""
    cipher = repository.encryption.client_side
    if cipher is None:
        return ()
    member = f"secrets/{cipher.secret_name}/passphrase"
    if member not in members:
        raise BundleError(f"member {member} is missing: without it no backup can be read")
    head: Manifest = {"name": f"{instance.name}-source-passphrase", "namespace": instance.namespace}
    text = b"[global]\nrepo1-cipher-pass=" + members[member] + b"\n"
    data: Manifest = {CONFIGURATION: base64.b64encode(text).decode()}
    kind: Manifest = {"apiVersion": SECRET.api_version, "kind": SECRET.kind}
    return ({**kind, "metadata": head, "type": "Opaque", "data": data},)


def _lost(contents: Contents, cluster: str, now: datetime) -> Manifest:
    """The record that a database went with its cluster."""
    removed: Manifest = {"cluster": cluster, "uid": contents.incarnation}
    return {
        "apiVersion": API_VERSION,
        "kind": RECORD.kind,
        "metadata": {"name": f"{cluster}-lost-{contents.incarnation[:8]}", "namespace": contents.namespace},
        "spec": {
            "instance": contents.instance,
            "fact": "DatabaseRemoved",
            "by": BY,
            "at": rfc3339(now),
            "removed": removed,
        },
    }
