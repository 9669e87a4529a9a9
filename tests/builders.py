"""Instances, catalogues and walks over manifests, shared by the tests of the pure core."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from dedicated.api.catalogue import Catalogue, CatalogueVersion, Images, ResolvedRelease, resolve
from dedicated.api.json import JsonValue, Manifest, as_manifest, get_list, get_map, get_str
from dedicated.api.names import API_VERSION, FINALIZER, KIND
from dedicated.api.resource import Instance, parse_instance
from dedicated.contract.prerequisites import Node, Platform
from dedicated.contract.rate_limits import Policy
from dedicated.parts import config, login, network, schema, server, workload
from dedicated.parts.config import merge
from dedicated.parts.database.external import DatabaseReading
from dedicated.parts.edge.entry import tls_secret
from dedicated.parts.keys import Identity, MasterkeyReading, fingerprint
from dedicated.parts.limiter import objects, objects_network, objects_pod
from dedicated.parts.limiter.objects import LimiterWanted
from dedicated.parts.limiter.objects_files import files_of, memory_of
from dedicated.parts.wanted import Wanted

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UID = "11111111-2222-3333-4444-555555555555"
MASTERKEY = b"0123456789abcdefghijklmnopqrstuv"
SALT = "5a17"
IDENTITY = Identity(salt=SALT, masterkey=fingerprint(MASTERKEY, salt=SALT))
KEY_FOUND = MasterkeyReading(found=True, fingerprint=IDENTITY.masterkey)
DATABASE_FOUND = DatabaseReading(found=True, mark="d1")
PLATFORM = Platform("v1.36.4")
DSN = b"postgresql://zitadel:hunter2secret@db.example.test:5433/zitadel?sslmode=verify-full"

CATALOGUE = Catalogue(
    images=Images(server="images.example.test/zitadel", login="images.example.test/login"),
    versions=[
        CatalogueVersion(version="v4.14.0", channel="stable"),
        CatalogueVersion(version="v4.15.2", channel="stable", server_digest="sha256:" + "a" * 64),
        CatalogueVersion(version="v4.16.0"),
    ],
)
OWN_KEY: Manifest = {"masterkey": {"secretRef": {"name": "own-key"}}}
EXISTING: Manifest = {"external": {"state": "Existing", "secretRef": {"name": "database"}}}
SERVERS: Manifest = {
    "postgresVersion": 18,
    "image": "images.example.test/postgres:18",
    "backupImage": "images.example.test/pgbackrest:2.58.0",
    "storage": {"size": "20Gi", "className": "fast"},
}
BUCKET: Manifest = {
    "bucket": "acme-backup",
    "prefix": "backups",
    "endpoint": "s3.eu-central-2.amazonaws.com",
    "region": "eu-central-2",
    "secretName": "repository",
    "encryption": {"clientSide": {"secretName": "passphrase"}, "serverSide": "AES256"},
}


def clustered(engine: str = "percona", **changes: JsonValue) -> Manifest:
    """What a spec says of a database that an engine runs, and of its backups."""
    database: Manifest = {"engine": engine, "external": None, "cluster": SERVERS}
    location: Manifest = {"dataLocation": {"region": "Switzerland"}}
    base: Manifest = {"infrastructure": location, "database": database, "backup": {"repository": BUCKET}}
    return merge(base, changes)


def spec(**changes: JsonValue) -> Manifest:
    """A small valid spec; keyword arguments are merged into it key by key."""
    base: Manifest = {
        "plan": "Standard",
        "domain": "login.acme.example",
        "release": {"version": "v4.15.2"},
        "database": {"external": {"state": "New", "secretRef": {"name": "database"}}},
    }
    return merge(base, changes)


def body(name: str = "acme", *, uid: str = UID, **changes: JsonValue) -> Manifest:
    """A `DedicatedInstance` as the API server returns it, with our finalizer."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": "acme-ns",
            "uid": uid,
            "generation": 1,
            "resourceVersion": "1",
            "finalizers": [FINALIZER],
        },
        "spec": spec(**changes),
    }


def instance(name: str = "acme", **changes: JsonValue) -> Instance:
    """A valid instance."""
    return valid({**body(name), "spec": spec(**changes)})


def valid(found: Manifest) -> Instance:
    """The instance of a body that must be valid."""
    parsed = parse_instance(found)
    assert isinstance(parsed, Instance), parsed
    return parsed


def release(version: str = "v4.15.2") -> ResolvedRelease:
    """A release of the test catalogue."""
    found = resolve(instance(release={"version": version}).spec.release, CATALOGUE)
    assert found is not None
    return found


def wanted(of: Instance | None = None, *, zones: int = 3, version: str = "v4.15.2") -> Wanted:
    """Input of the parts for an instance."""
    return Wanted(
        instance=of or instance(),
        release=release(version),
        zones=zones,
        database_port=5432,
        database_mark="d1",
        keys_mark="k1",
    )


def limited(*, stands: bool = True, edge: JsonValue = None, **spec: JsonValue) -> Wanted:
    """The same with a way in, and so with a limiter."""
    of = instance("acme", edge={"service": {}} if edge is None else edge, **spec)
    made = LimiterWanted(
        instance=of,
        image="haproxy:3.2",
        agent_image="agents.test/operator:2",
        replicas=3,
        zones=3,
        memory=memory_of(of, replicas=3),
        files=files_of(of, Policy(), replicas=3),
        tls_secret=tls_secret(of) if of.spec.edge is not None and of.spec.edge.terminates_tls else "",
        peers="acme-limiter-peers-202611",
        peers_mark="m1",
        stands=stands,
        closes=stands,
    )
    return replace(wanted(of), limiter=made)


def nodes(zones: int = 3, *, per_zone: int = 2, schedulable: bool = True) -> tuple[Node, ...]:
    """Nodes `z1-1`, `z1-2`, `z2-1` ... in zones `z1` to `z<zones>`."""
    return tuple(
        Node(f"z{zone}-{number}", f"z{zone}", schedulable, Decimal(4), Decimal(16 * 10**9))
        for zone in range(1, zones + 1)
        for number in range(1, per_zone + 1)
    )


def children(of: Wanted) -> list[Manifest]:
    """Every rebuildable manifest that an instance can have at once."""
    config_map = config.config_map(of)
    name = get_str(config_map, "metadata", "name")
    on_server, on_login = server.workload(of, config_name=name), login.workload(of)
    return [
        config_map,
        *workload.manifests(of, on_server),
        *workload.manifests(of, on_login),
        schema.service_account(of),
        *network.policies(of),
        *(limiter_children(of.limiter) if of.limiter else ()),
        schema.init_job(of, config_name=name),
        schema.setup_job(of, config_name=name),
        workload.deployment(of, on_server),
        workload.deployment(of, on_login),
    ]


def limiter_children(of: LimiterWanted) -> tuple[Manifest, ...]:
    """What of them the limiter is made of, but for its policy."""
    made = (*objects.standing(of), *objects_network.services(of))
    return (*made, objects.way_in(of), objects_pod.stateful_set(of))


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one manifest of that kind and name."""
    (found,) = [
        item for item in manifests if item["kind"] == kind and get_str(item, "metadata", "name") == name
    ]
    return found


def pod_templates(manifests: list[Manifest]) -> list[Manifest]:
    """Every pod template among manifests."""
    return [found for item in manifests if (found := get_map(item, "spec", "template"))]


def containers(template: Manifest) -> list[Manifest]:
    """All containers of a pod template, init containers too."""
    pod = get_map(template, "spec")
    return [as_manifest(item) for key in ("initContainers", "containers") for item in get_list(pod, key)]


def walk(value: JsonValue, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    """Every value inside a manifest with its path, itself first."""
    yield path, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from walk(inner, (*path, str(key)))
