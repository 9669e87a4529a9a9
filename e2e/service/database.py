"""A PostgreSQL server that somebody else runs: what an instance with engine `external` is given.

One server with one volume, and nothing that fails over: with its node the database is away until the node is
back, and that is the customer's to mend. It speaks TLS, and the role of an instance owns its database and
nothing more.
"""

import secrets
from dataclasses import dataclass

from dedicated.api.json import Manifest
from service import pods

NAMESPACE = "databases"
NAME = "postgresql"
PORT = 5432
USER = 26
"""As the images of CloudNativePG have it."""
ROLE = DATABASE = "zitadel"
CONNECTIONS = 100
TLS_SECRET, PASSWORD_SECRET = "postgresql-tls", "postgresql-password"
_START = r"""
set -eu
umask 077
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA"
  initdb --username=postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
    >/dev/null
  printf 'hostssl all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  pg_ctl -w start -o "-c listen_addresses='' -c unix_socket_directories=/run/postgresql" >/dev/null
  printf "CREATE ROLE zitadel LOGIN PASSWORD '%s';\nCREATE DATABASE zitadel OWNER zitadel;\n" \
    "$(cat /password/password)" | psql -qv ON_ERROR_STOP=1 -h /run/postgresql -U postgres
  pg_ctl -w -m fast stop >/dev/null
fi
chmod 0700 "$PGDATA"
exec postgres -c listen_addresses='*' -c unix_socket_directories=/run/postgresql -c max_connections=120 \
  -c ssl=on -c ssl_cert_file=/tls/tls.crt -c ssl_key_file=/tls/tls.key -c jit=off \
  -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c tcp_user_timeout=10s \
  -c idle_in_transaction_session_timeout=15s
"""


@dataclass(frozen=True, slots=True)
class Login:
    """How an instance gets in."""

    host: str
    password: str

    @property
    def dsn(self) -> str:
        """For the instance's Secret."""
        return f"postgresql://{ROLE}:{self.password}@{self.host}:{PORT}/{DATABASE}?sslmode=require"


def new_login() -> Login:
    """A login with a password of its own."""
    return Login(f"{NAME}.{NAMESPACE}.svc", secrets.token_urlsafe(24))


def password_secret(login: Login) -> Manifest:
    """The password for the server's first start."""
    return pods.secret(NAMESPACE, PASSWORD_SECRET, {"password": login.password})


def manifests(image: str, storage_class: str) -> tuple[Manifest, ...]:
    """Service and StatefulSet."""
    ready: Manifest = {"command": ["pg_isready", "-q", "-h", "/run/postgresql", "-U", "postgres"]}
    container: Manifest = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", _START],
        "env": [{"name": "PGDATA", "value": "/data/pgdata"}],
        "ports": [{"containerPort": PORT}],
        "resources": pods.resources("100m", "128Mi", limit="512Mi"),
        "readinessProbe": {"exec": ready, "periodSeconds": 2, "timeoutSeconds": 5},
        "securityContext": pods.container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "run", "mountPath": "/run/postgresql"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shared", "mountPath": "/dev/shm"},
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
            {"name": "password", "mountPath": "/password", "readOnly": True},
        ],
    }
    pod: Manifest = {
        "securityContext": pods.pod_security(USER),
        "terminationGracePeriodSeconds": 30,
        "containers": [container],
        "volumes": [
            {"name": "run", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            pods.secret_volume("tls", TLS_SECRET),
            pods.secret_volume("password", PASSWORD_SECRET),
        ],
    }
    return (
        pods.service(NAMESPACE, NAME, PORT),
        pods.stateful(NAMESPACE, NAME, pod, size="1Gi", storage_class=storage_class),
    )
