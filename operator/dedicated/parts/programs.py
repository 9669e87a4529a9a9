"""PostgreSQL's own programs beside a process: a Job of two containers over a volume that goes with the pod.

The process is in the operator's image, the programs in the engine's. Their script does what is asked for in
the shared folder, once for each asking: a file `STEP.ask`, whose first word marks the asking; `STEP.done`
answers with that mark and an exit code, `STEP.log` has the programs' words. Only the steps that a script
names can be asked for. The folder is the process's and the programs' alone.
"""

from dedicated.api.json import JsonValue, Manifest
from dedicated.api.objects import NETWORK_POLICY
from dedicated.api.resource import Instance
from dedicated.parts import process
from dedicated.parts.database.engine import PORT, USER, cluster_name
from dedicated.parts.database.engines import adapter_of
from dedicated.parts.database.external import DSN_KEY
from dedicated.parts.metadata import restricted_container, restricted_pod, selector
from dedicated.parts.process import head, tcp, ways_out
from dedicated.parts.wanted import DatabaseForm

SCRATCH, STORE, KEYS = "/scratch", "/etc/dedicated/store", "/etc/dedicated/keys"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
RETRIES = 3
ENGINE_UID, IMAGE_UID = 26, 999
"""User of PostgreSQL in the engines' images, and in Docker's own: its programs want one that has a name."""
VARIABLES = {
    "host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER",
    "password": "PGPASSWORD", "sslmode": "PGSSLMODE",
}  # fmt: skip
OPTIONAL = frozenset({"port", "sslmode"})


def script(functions: str, *, steps: str, end: str = "") -> str:
    """The shell script, whose folder is its argument. `functions` has one for each of the steps, which finds
    `snapshot` and `address` set to the words of the asking; `end` is done before it ends."""
    return f"""
set -u
umask 007
cd "$1" || exit 1
export LC_ALL=C PGCONNECT_TIMEOUT=10

{functions.strip()}

trap '{end}exit 0' TERM INT
while :; do
  for step in {steps}; do
    [ -f "$step.ask" ] || continue
    read -r mark snapshot address < "$step.ask" || continue
    [ "$mark" = "$(cut -d' ' -f1 "$step.done" 2>/dev/null)" ] && continue
    "$step" > "$step.log" 2>&1
    echo "$mark $?" > "$step.new" && mv "$step.new" "$step.done"
  done
  sleep 0.2
done
"""


def job(
    record: Manifest, programs: Manifest | None, container: Manifest, *, volumes: list[JsonValue]
) -> Manifest:
    """The Job of a process, beside its programs where it has any."""
    pod: Manifest = {
        "restartPolicy": "OnFailure",  # in the same pod, where the dump is
        "automountServiceAccountToken": False,
        "initContainers": [programs] if programs is not None else [],
        "containers": [container],
        "volumes": volumes,
        # A volume of many files is looked through once, not at each start.
        "securityContext": {**restricted_pod(), "fsGroupChangePolicy": "OnRootMismatch"},
    }
    return process.job(record, pod, retries=RETRIES)


def beside(instance: Instance, *, image: str, script: str, environment: list[JsonValue]) -> Manifest:
    """PostgreSQL's programs, beside the process for as long as that runs. No token reaches them."""
    external = instance.spec.database.cluster is None
    return {
        "name": "postgres",
        "image": image,
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", script, "programs", SCRATCH],
        "env": environment,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            **restricted_container(),
            "runAsUser": IMAGE_UID if external else ENGINE_UID,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def container(
    component: str, *, image: str, arguments: list[str], environment: list[JsonValue], mounts: list[JsonValue]
) -> Manifest:
    """The process itself."""
    return {
        "name": component,
        "image": image,
        "args": [*arguments],
        "env": environment,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": restricted_container(),
        "volumeMounts": mounts,
    }


def environment(instance: Instance, form: DatabaseForm, *, dsn: str, prefix: str = "") -> list[JsonValue]:
    """The instance's database as libpq reads it: references to the Secret of its owner. `dsn` is the variable
    where that Secret has one URL; all others have the prefix."""
    connection = adapter_of(instance).connection(instance)
    if instance.spec.database.external is not None and form == "Dsn":
        return [variable(dsn, connection.secret, DSN_KEY)]
    found: list[JsonValue] = [
        variable(f"{prefix}{VARIABLES[field]}", connection.secret, key, optional=field in OPTIONAL)
        for field, key in connection.keys.items()
    ]
    plain = {"sslmode": connection.ssl_mode, "database": "" if "database" in connection.keys else USER}
    found += [{"name": f"{prefix}{VARIABLES[field]}", "value": text} for field, text in plain.items() if text]
    return found


def variable(name: str, secret: str, key: str, *, optional: bool = False) -> Manifest:
    """A variable, by reference to a Secret."""
    reference: Manifest = {"name": secret, "key": key, **({"optional": True} if optional else {})}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def claim(*, size: str, class_name: str | None) -> Manifest:
    """The source of the volume between both containers: room for a dump, and its trial import."""
    spec: Manifest = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if class_name is not None:
        spec["storageClassName"] = class_name
    return {"ephemeral": {"volumeClaimTemplate": {"spec": spec}}}


def token() -> Manifest:
    """The volume with the pod's token, for the process alone."""
    sources: list[JsonValue] = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]
    return {"name": "token", "projected": {"sources": sources}}


def way_out(record: Manifest, instance: Instance, component: str, *, ports: set[int]) -> Manifest:
    """The policy of its pods: out to DNS, the API server and these ports, in from nowhere."""
    return {
        **head(NETWORK_POLICY, record),
        "spec": {
            "podSelector": {"matchLabels": selector(instance, component)},
            "policyTypes": ["Ingress", "Egress"],
            "egress": ways_out(*ports),
        },
    }


def ways_in(record: Manifest, instance: Instance, component: str, *, name: str) -> tuple[Manifest, ...]:
    """The policy that lets its pods in at the engine's servers; none where these are not ours."""
    servers = adapter_of(instance).pods
    if servers is None:
        return ()
    spec: Manifest = {
        "podSelector": {"matchLabels": {servers.cluster: cluster_name(instance)}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"podSelector": {"matchLabels": selector(instance, component)}}],
                "ports": tcp(PORT),
            }
        ],
    }
    return ({**head(NETWORK_POLICY, record, name=name), "spec": spec},)
