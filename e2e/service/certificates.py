"""Secrets with certificates of the authority that stands for a public one, and for a company's own one."""

import base64
from collections.abc import Sequence

from dedicated.api.json import Manifest
from testbed.pki import Authority


def tls_secret(namespace: str, name: str, hosts: Sequence[str], *, by: Authority) -> Manifest:
    """A Secret of type kubernetes.io/tls for a server of these names; `ca.crt` is the authority's."""
    pair = by.issue(hosts[0], hosts=tuple(hosts))
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        "data": {
            "tls.crt": base64.b64encode(pair.certificate).decode(),
            "tls.key": base64.b64encode(pair.key).decode(),
            "ca.crt": base64.b64encode(by.certificate.read_bytes()).decode(),
        },
    }


def service_hosts(name: str, namespace: str) -> tuple[str, ...]:
    """The names of a Service inside the cluster, the usual one first."""
    short = f"{name}.{namespace}.svc"
    return short, f"{short}.cluster.local", f"{name}.{namespace}", name
