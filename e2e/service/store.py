"""An object store inside the cluster: SeaweedFS, which speaks S3 over TLS.

Two identities, as the contract wants them apart: `backups` may do everything with the bucket of backups,
`keys` only put into that of keys. Buckets are made by SeaweedFS's own shell, in its pod.

Limit: one server with one volume. The real thing is a service in another place; here its node may be lost as
well.
"""

import base64
import json
import secrets
from collections.abc import Mapping

from dedicated.api.json import Manifest, as_manifest, get_list, get_str
from service import pods

NAMESPACE = "storage"
NAME = "s3"
PORT = 8443
USER = 65532
REGION = "eu-central-1"
TLS_SECRET, CONFIG_SECRET = "s3-tls", "s3-identities"
SSE_KEY = "sse-key"
BACKUPS, KEYS = "acme-backup", "acme-keys"
"""Buckets, and the identities that may use them."""
_PLAIN = 8333


def host() -> str:
    """Name of the store inside the cluster."""
    return f"{NAME}.{NAMESPACE}.svc"


def endpoint() -> str:
    """HOST:PORT of the store. Its pod listens at this port: policies are judged behind the Service."""
    return f"{host()}:{PORT}"


def identities(passwords: Mapping[str, str]) -> Manifest:
    """The Secret with who may do what; `passwords` has the secret key of each bucket's identity."""
    actions = {BACKUPS: "Admin", KEYS: f"Write:{KEYS}"}
    config = {
        "identities": [
            {
                "name": bucket,
                "credentials": [{"accessKey": bucket, "secretKey": passwords[bucket]}],
                "actions": [allowed],
            }
            for bucket, allowed in actions.items()
        ]
    }
    values = {"s3.json": json.dumps(config), SSE_KEY: secrets.token_hex(16)}
    return pods.secret(NAMESPACE, CONFIG_SECRET, values)


def passwords(secret: Manifest) -> dict[str, str]:
    """What `identities` was given, read from the Secret in the cluster."""
    config = as_manifest(json.loads(base64.b64decode(get_str(secret, "data", "s3.json"))))
    found = [as_manifest(one) for one in get_list(config, "identities")]
    return {get_str(one, "name"): get_str(get_list(one, "credentials")[0], "secretKey") for one in found}


def credentials(namespace: str, name: str, bucket: str, passwords: Mapping[str, str]) -> Manifest:
    """The Secret by which a bucket's identity is used."""
    keys = {"access-key-id": bucket, "secret-access-key": passwords[bucket]}
    return pods.secret(namespace, name, keys)


def manifests(image: str, storage_class: str) -> tuple[Manifest, ...]:
    """Service and StatefulSet."""
    key: Manifest = {"name": CONFIG_SECRET, "key": SSE_KEY}
    container: Manifest = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            *("server", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-s3", "-dir=/data", "-volume.max=30"),
            *("-master.volumeSizeLimitMB=64", "-s3.iam=false", "-s3.autoCreateBucket=false"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"-s3.port={_PLAIN}", f"-s3.port.https={PORT}", "-s3.config=/identities/s3.json"),
            *("-s3.cert.file=/tls/tls.crt", "-s3.key.file=/tls/tls.key"),
        ],
        "ports": [{"name": "https", "containerPort": PORT}],
        # Without one it answers an internal error to what it is to encrypt (D-2).
        "env": [{"name": "WEED_S3_SSE_KEY", "valueFrom": {"secretKeyRef": key}}],
        "resources": pods.resources("50m", "128Mi", limit="1Gi"),
        "readinessProbe": {"tcpSocket": {"port": "https"}, "periodSeconds": 2},
        "securityContext": pods.container_security(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
            {"name": "identities", "mountPath": "/identities", "readOnly": True},
        ],
    }
    pod: Manifest = {
        "securityContext": pods.pod_security(USER),
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            pods.secret_volume("tls", TLS_SECRET),
            pods.secret_volume("identities", CONFIG_SECRET),
        ],
    }
    way_in = pods.service(NAMESPACE, NAME, PORT)
    way_in["spec"] = {
        "selector": {"app": NAME},
        "ports": [{"name": "https", "port": PORT, "targetPort": "https", "protocol": "TCP"}],
    }
    return way_in, pods.stateful(NAMESPACE, NAME, pod, size="2Gi", storage_class=storage_class)
