"""The ZITADEL server: stateless replicas over zones, started only for a version that setup finished."""

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.names import GROUP
from dedicated.parts import config, keys
from dedicated.parts.database import external
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.wanted import PORT, Wanted
from dedicated.parts.workload import Workload, resources

COMPONENT = "server"
DEFAULT_RESOURCES: Manifest = {
    # No processor limit: hashing a password takes a burst (bcrypt cost 14, zitadel.md §6).
    "requests": {"cpu": "500m", "memory": "512Mi"},
    "limits": {"memory": "1Gi"},
}
CONNECT_TIMEOUT: JsonValue = {"name": "PGCONNECT_TIMEOUT", "value": "5"}
"""Seconds for a new connection. ZITADEL's driver (pgx) reads libpq's variables beside its own settings; by
itself it waits 2 minutes for a host that hangs: such a one accepts, and answers nothing. ZITADEL has no key
for it, and its driver knows no `tcp_user_timeout`."""
DATABASE_MARK = f"{GROUP}/database-secret"
KEYS_MARK = f"{GROUP}/keys"


def workload(wanted: Wanted, *, config_name: str) -> Workload:
    """The server's workload, reading the configuration in ConfigMap `config_name`."""
    return Workload(
        component=COMPONENT,
        replicas=wanted.server_replicas,
        image=wanted.release.server_image,
        args=("start", "--config", f"{config.MOUNT}/{config.CONFIG_FILE}", "--masterkeyFromEnv"),
        port=PORT,
        app_protocol="kubernetes.io/h2c",
        environment=[*environment(wanted), CONNECT_TIMEOUT],
        mounts=mounts(),
        volumes=volumes(wanted, config_name=config_name),
        resources=resources(wanted.spec.server.resources, default=DEFAULT_RESOURCES),
        liveness="/debug/healthz",
        readiness="/debug/ready",
        # New credentials and keys reach the pods by a rollout.
        annotations={DATABASE_MARK: wanted.database_mark, KEYS_MARK: wanted.keys_mark},
    )


def environment(wanted: Wanted) -> list[JsonValue]:
    """Secrets as environment of every ZITADEL container: a file would take a line end into the key."""
    ref = keys.masterkey_ref(wanted.instance)
    masterkey: JsonValue = {
        "name": "ZITADEL_MASTERKEY",
        "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}},
    }
    connection = adapter_of(wanted.instance).connection(wanted.instance)
    return [masterkey, *external.environment(connection, wanted.database_form)]


def mounts() -> list[JsonValue]:
    """Where configuration and public keys are mounted."""
    return [
        {"name": "config", "mountPath": config.MOUNT, "readOnly": True},
        {"name": "operator-key", "mountPath": config.OPERATOR_PUBLIC.rpartition("/")[0], "readOnly": True},
        {"name": "login-key", "mountPath": config.LOGIN_PUBLIC.rpartition("/")[0], "readOnly": True},
    ]


def volumes(wanted: Wanted, *, config_name: str) -> list[JsonValue]:
    """Configuration, and the system users' public keys alone: the server needs no private one."""
    return [
        {"name": "config", "configMap": {"name": config_name}},
        _public_key("operator-key", f"{wanted.name}-{keys.OPERATOR_KEY}"),
        _public_key("login-key", f"{wanted.name}-{keys.LOGIN_KEY}"),
    ]


def _public_key(volume: str, secret: str) -> JsonValue:
    items: list[JsonValue] = [{"key": "public.pem", "path": "public.pem"}]
    return {"name": volume, "secret": {"secretName": secret, "items": items}}
